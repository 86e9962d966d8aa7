"""``evaluate`` for faces."""

import argparse
from pathlib import Path

from fiancee_hub.evaluation.parts import (
    EvaluationParts,
    EvaluationRequest,
    Figures,
    HeldOut,
)


def _add_options(parser: argparse.ArgumentParser) -> None:
    options = parser.add_argument_group("faces")
    options.add_argument(
        "--judge",
        type=Path,
        metavar="FOLDER",
        default=Path("weights_card/face-judge"),
        help="net that tells persons apart (weights_card/face-judge)",
    )
    options.add_argument(
        "--private-sheets",
        type=Path,
        metavar="FOLDER",
        help="contact sheets of all test persons, outside any repository",
    )


def _evaluate(request: EvaluationRequest) -> Figures:
    from fiancee_hub.families.faces.judging.evaluate import evaluate_faces
    from fiancee_hub.families.faces.judging.sheets import (
        ShownPersons,
        check_private,
        draw_private,
    )
    from fiancee_hub.families.faces.training.pairs import FaceFolder

    data, private = FaceFolder(request.data), request.options.private_sheets
    if private:
        check_private(private)
    found = evaluate_faces(
        request.checkpoint,
        data,
        request.options.judge,
        seed=request.seed,
        keep_times=request.keep_times,
    )
    ratios = [row["macs_ratio"] for row in found.figures["exits"]]
    ShownPersons(request.checkpoint, data, ratios).draw(request.checkpoint, found.warp)
    if private:
        draw_private(private, found.own, found.cross, ratios)
    return found.figures


def _held_out(request: EvaluationRequest) -> HeldOut:
    from fiancee_hub.core.nested import joined
    from fiancee_hub.families.faces.generator import PortraitGenerator
    from fiancee_hub.families.faces.judging.evaluate import held_out_pairs
    from fiancee_hub.families.faces.training.pairs import FaceFolder, PairSource, collate
    from fiancee_hub.hub.checkpoints import load_checkpoint

    model, config = load_checkpoint(request.checkpoint)
    basis = model.trunk_as(PortraitGenerator).expression_basis.numpy()
    data = FaceFolder(request.data)
    made = held_out_pairs(PairSource(data, "test", basis), data, request.seed)
    side = config.generator.height
    inputs = joined([collate(pairs, side)["inputs"] for pairs in made.values()])
    return HeldOut(inputs, [kind for kind, pairs in made.items() for _ in pairs])


PARTS = EvaluationParts(_add_options, _evaluate, _held_out)
