"""``python -m fiancee_hub evaluate CHECKPOINT``: evaluation.json, figures and the model card."""

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


def add_parser(subparsers: Any) -> None:
    """Adds ``evaluate`` to the command line."""
    parser = subparsers.add_parser("evaluate", help="measure a checkpoint on held-out data")
    parser.add_argument("checkpoint", type=Path, help="folder; its figures are written into it")
    parser.add_argument("--data", type=Path, required=True, help="data from `train prepare`")
    parser.add_argument("--segmenter", type=Path, default=Path("weights_card/segmenter"))
    parser.add_argument("--readme", type=Path, help="README whose figures to renew")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Evaluates, writes, and prints the tables."""
    from fiancee_hub.config import read_config
    from fiancee_hub.evaluation import tables
    from fiancee_hub.evaluation.card import MORE, PLOT, SHEET, write_card, write_into_readme
    from fiancee_hub.evaluation.evaluate import evaluate, write_json
    from fiancee_hub.evaluation.figures import draw_more, draw_plot, draw_sheet
    from fiancee_hub.training.data import DataFolder

    folder, data = arguments.checkpoint, DataFolder(arguments.data)
    found = evaluate(folder, data, arguments.segmenter, seed=arguments.seed)
    config = read_config(folder / "config.json")
    write_json(folder / "evaluation.json", found.figures)
    ratios = [row["macs_ratio"] for row in found.figures["exits"]]
    draw_sheet(folder / SHEET, found.maps, found.images, found.photos, config.classes, ratios)
    draw_more(folder / MORE, found.maps, found.images, config.classes, ratios)
    draw_plot(folder / PLOT, found.figures)
    write_card(folder, config, found.figures)
    if arguments.readme:
        write_into_readme(arguments.readme, found.figures)
    for part in (tables.budgets(found.figures["budgets"]), tables.exits(found.figures)):
        sys.stdout.write(part + "\n\n")
    sys.stdout.write(tables.quality(found.figures) + "\n")
    return 0
