"""``evaluate`` for label maps."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fiancee_hub.evaluation.parts import EvaluationParts, EvaluationRequest, Figures

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

    data = DataFolder(request.data, request.domains)
    segmenter = _segmenter(request.options.segmenter, data)
    found = evaluate_maps(
        request.checkpoint, data, segmenter, seed=request.seed, keep_times=request.keep_times
    )
    draw_sheets(request.checkpoint, found, data.table)
    return found.figures


def _segmenter(named: Path | None, data: "DataFolder") -> "Segmenter | None":
    from fiancee_hub.families.label_maps.judging.evaluate import (
        fitting_segmenter,
        named_segmenter,
    )

    names = [entry.name for entry in data.classes]
    return named_segmenter(named, names) if named else fitting_segmenter(OURS, names)


PARTS = EvaluationParts(_add_options, _evaluate)
