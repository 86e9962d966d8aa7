"""``python -m fiancee_hub evaluate CHECKPOINT``: evaluation.json, figures and the model card."""

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

Figures = dict[str, Any]


def add_parser(subparsers: Any) -> None:
    """Adds ``evaluate`` to the command line."""
    parser = subparsers.add_parser("evaluate", help="measure a checkpoint on held-out data")
    parser.add_argument("checkpoint", type=Path, help="folder; its figures are written into it")
    parser.add_argument("--data", type=Path, required=True, help="data from `train prepare`")
    parser.add_argument("--segmenter", type=Path, default=Path("weights_card/segmenter"))
    parser.add_argument("--judge", type=Path, default=Path("weights_card/face-judge"))
    parser.add_argument("--readme", type=Path, help="README whose figures to renew")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--private-sheets",
        type=Path,
        metavar="FOLDER",
        help="faces: contact sheets of all test persons, outside any repository",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Evaluates, writes, and prints the tables."""
    from fiancee_hub.evaluation.card import PLOT, write_card, write_into_readme
    from fiancee_hub.evaluation.card_kinds import KINDS
    from fiancee_hub.hub.config import read_config
    from fiancee_hub.measuring import tables
    from fiancee_hub.measuring.figures import draw_plot

    folder = arguments.checkpoint
    config = read_config(folder / "config.json")
    kind = KINDS[config.family]
    evaluate = {"label_maps": _streets, "faces": _faces}[config.family]
    figures = evaluate(arguments)
    draw_plot(folder / PLOT, figures)
    write_card(folder, config, figures)
    if arguments.readme:
        write_into_readme(arguments.readme, kind, figures)
    parts = [tables.budgets(figures["budgets"]), tables.exits(figures), *kind.readme(figures)]
    sys.stdout.write("\n\n".join(parts) + "\n")
    return 0


def _streets(arguments: argparse.Namespace) -> Figures:
    from fiancee_hub.evaluation.card_kinds import MORE, SHEET
    from fiancee_hub.evaluation.evaluate import write_json
    from fiancee_hub.families.label_maps.judging.evaluate import evaluate_streets
    from fiancee_hub.families.label_maps.training.photographs import DataFolder
    from fiancee_hub.hub.config import read_config
    from fiancee_hub.measuring.figures import draw_more, draw_sheet

    folder, data = arguments.checkpoint, DataFolder(arguments.data)
    found = evaluate_streets(folder, data, arguments.segmenter, seed=arguments.seed)
    write_json(folder / "evaluation.json", found.figures)
    classes = read_config(folder / "config.json").classes
    ratios = _macs_ratios(found.figures)
    draw_sheet(folder / SHEET, found.maps, found.images, found.photos, classes, ratios)
    draw_more(folder / MORE, found.maps, found.images, classes, ratios)
    return found.figures


def _faces(arguments: argparse.Namespace) -> Figures:
    from fiancee_hub.evaluation.evaluate import write_json
    from fiancee_hub.families.faces.judging.evaluate import evaluate_faces
    from fiancee_hub.families.faces.judging.sheets import ShownPersons, check_private, draw_private
    from fiancee_hub.families.faces.training.pairs import FaceFolder

    folder, data, private = (
        arguments.checkpoint,
        FaceFolder(arguments.data),
        arguments.private_sheets,
    )
    if private:
        check_private(private)
    found = evaluate_faces(folder, data, arguments.judge, seed=arguments.seed)
    write_json(folder / "evaluation.json", found.figures)
    ratios = _macs_ratios(found.figures)
    ShownPersons(folder, data, ratios).draw(folder, found.warp)
    if private:
        draw_private(private, found.own, found.cross, ratios)
    return found.figures


def _macs_ratios(figures: Figures) -> list[float]:
    return [row["macs_ratio"] for row in figures["exits"]]
