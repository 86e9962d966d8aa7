"""``python -m fiancee_hub card CHECKPOINT``: plot, card and README from stored figures."""

import argparse
import sys
from pathlib import Path
from typing import Any

from fiancee_hub.core.errors import CheckpointError

EVALUATION = "evaluation.json"

Figures = dict[str, Any]


def add_parser(subparsers: Any) -> None:
    """Adds ``card`` to the command line."""
    parser = subparsers.add_parser("card", help="write a model card from stored figures")
    parser.add_argument("checkpoint", type=Path, help=f"folder with {EVALUATION}")
    add_readme(parser)
    parser.set_defaults(run=run)


def add_readme(parser: argparse.ArgumentParser) -> None:
    """The option that ``evaluate`` has as well."""
    parser.add_argument("--readme", type=Path, help="README whose figures to renew")


def run(arguments: argparse.Namespace) -> int:
    """Writes plot, card and README from evaluation.json.

    Raises:
        CheckpointError: it is missing, or was measured on other weights.
    """
    from fiancee_hub.hub.saving import evaluation_of

    figures = evaluation_of(arguments.checkpoint)
    if figures is None:
        raise CheckpointError(
            f"{arguments.checkpoint / EVALUATION} is missing, or belongs to other weights: run "
            "`evaluate` first"
        )
    write(arguments.checkpoint, arguments.readme, figures)
    return 0


def write(folder: Path, readme: Path | None, figures: Figures) -> None:
    """Writes plot and card into the checkpoint's folder, renews a README, prints the tables."""
    from fiancee_hub.evaluation.card import figures_in_short, write_card, write_into_readme
    from fiancee_hub.hub.card import PLOT, VALIDITY
    from fiancee_hub.hub.config import read_config
    from fiancee_hub.measuring.figures import draw_plot
    from fiancee_hub.measuring.validity_plot import draw_validity

    config = read_config(folder / "config.json")
    draw_plot(folder / PLOT, figures)
    if "validity" in figures:
        draw_validity(folder / VALIDITY, figures["validity"])
    write_card(folder, config, figures)
    if readme:
        write_into_readme(readme, folder, config, figures)
    sys.stdout.write("\n\n".join(figures_in_short(config, figures)) + "\n")
