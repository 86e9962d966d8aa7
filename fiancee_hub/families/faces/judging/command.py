"""``evaluate`` for faces."""

import argparse
from pathlib import Path

from fiancee_hub.evaluation.parts import EvaluationParts, EvaluationRequest, Figures


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


PARTS = EvaluationParts(_add_options, _evaluate)
