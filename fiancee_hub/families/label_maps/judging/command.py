"""``evaluate`` for label maps."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fiancee_hub.evaluation.parts import (
    EvaluationParts,
    EvaluationRequest,
    Figures,
    HeldOut,
)

if TYPE_CHECKING:
    from fiancee_hub.families.label_maps.judging.segmenter import Segmenter
    from fiancee_hub.families.label_maps.training.photographs import DataFolder

OURS = Path("weights_card/segmenter")
"""The net that judges pictures of our own classes."""


def _add_options(parser: argparse.ArgumentParser) -> None:
    options = parser.add_argument_group("label maps")
    options.add_argument(
        "--segmenter",
        type=Path,
        metavar="FOLDER",
        help=f"net that judges the pictures, for mIoU ({OURS} where it knows the classes)",
    )


def _evaluate(request: EvaluationRequest) -> Figures:
    from fiancee_hub.families.label_maps.judging.evaluate import evaluate_maps
    from fiancee_hub.families.label_maps.judging.sheets import draw_sheets
    from fiancee_hub.families.label_maps.training.photographs import DataFolder

    data = DataFolder(_prepared(request), request.domains)
    segmenter = _segmenter(request.options.segmenter, data)
    found = evaluate_maps(
        request.checkpoint, data, segmenter, seed=request.seed, keep_times=request.keep_times
    )
    draw_sheets(request.checkpoint, found, data.table)
    return found.figures


def _held_out(request: EvaluationRequest) -> HeldOut:
    from fiancee_hub.families.label_maps.judging.evaluate import TEST, check_classes, held_out_maps
    from fiancee_hub.families.label_maps.training.photographs import DataFolder
    from fiancee_hub.hub.config import read_config

    data = DataFolder(_prepared(request), request.domains)
    config = read_config(request.checkpoint / "config.json")
    check_classes(config, data)
    maps, noise = held_out_maps(config, data, request.seed)
    return HeldOut((maps, noise), [TEST] * len(maps))


def _prepared(request: EvaluationRequest) -> Path:
    """The data as it is, or one's own prepared where ``train`` would, at the checkpoint's size."""
    from fiancee_hub.families.label_maps.own_data.layout import is_own

    prepared = request.data / "splits" / "maps.txt"  # even if another of its lists is missing
    if prepared.is_file() or not is_own(request.data):
        return request.data
    from accelerate import Accelerator

    from fiancee_hub.families.label_maps.own_data.folder import prepare_own
    from fiancee_hub.hub.config import read_config

    target = Path("runs") / request.data.resolve().name / "data"
    shape = read_config(request.checkpoint / "config.json").generator
    size = shape.height, shape.width
    prepare_own(request.data, target, Accelerator(cpu=True), size, request.domains)
    return target


def _segmenter(named: Path | None, data: "DataFolder") -> "Segmenter | None":
    from fiancee_hub.families.label_maps.judging.evaluate import (
        fitting_segmenter,
        named_segmenter,
    )

    names = [entry.name for entry in data.classes]
    return named_segmenter(named, names) if named else fitting_segmenter(OURS, names)


PARTS = EvaluationParts(_add_options, _evaluate, _held_out)
