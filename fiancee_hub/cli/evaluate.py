"""``python -m fiancee_hub evaluate CHECKPOINT``: evaluation.json, figures and the model card.

``card CHECKPOINT`` writes plot, card and README anew from the figures that are there.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from fiancee_hub import domains
from fiancee_hub.core.errors import CheckpointError
from fiancee_hub.core.family import family, names

EVALUATION = "evaluation.json"

Figures = dict[str, Any]


def add_parser(subparsers: Any) -> None:
    """Adds ``evaluate`` to the command line."""
    parser = subparsers.add_parser("evaluate", help="measure a checkpoint on held-out data")
    parser.add_argument("checkpoint", type=Path, help="folder; its figures are written into it")
    parser.add_argument("--data", type=Path, required=True, help="data from `train prepare`")
    _add_readme(parser)
    parser.add_argument("--seed", type=int, default=0)
    for name in names():
        family(name).evaluation().add_options(parser)
    parser.set_defaults(run=run)


def add_card_parser(subparsers: Any) -> None:
    """Adds ``card`` to the command line."""
    parser = subparsers.add_parser("card", help="write a model card from stored figures")
    parser.add_argument("checkpoint", type=Path, help=f"folder with {EVALUATION}")
    _add_readme(parser)
    parser.set_defaults(run=run_card)


def _add_readme(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--readme", type=Path, help="README whose figures to renew")


def run(arguments: argparse.Namespace) -> int:
    """Evaluates, writes, and prints the tables."""
    from fiancee_hub.evaluation.evaluate import write_json
    from fiancee_hub.evaluation.parts import EvaluationRequest
    from fiancee_hub.hub.config import read_config

    name = read_config(arguments.checkpoint / "config.json").family
    request = EvaluationRequest(
        arguments.checkpoint,
        arguments.data,
        arguments,
        arguments.seed,
        domains.of_family(name),
    )
    figures = family(name).evaluation().evaluate(request)
    write_json(arguments.checkpoint / EVALUATION, figures)
    return _write(arguments.checkpoint, arguments.readme, figures)


def run_card(arguments: argparse.Namespace) -> int:
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
    return _write(arguments.checkpoint, arguments.readme, figures)


def _write(folder: Path, readme: Path | None, figures: Figures) -> int:
    from fiancee_hub.evaluation.card import figures_in_short, write_card, write_into_readme
    from fiancee_hub.hub.card import PLOT
    from fiancee_hub.hub.config import read_config
    from fiancee_hub.measuring.figures import draw_plot

    config = read_config(folder / "config.json")
    draw_plot(folder / PLOT, figures)
    write_card(folder, config, figures)
    if readme:
        write_into_readme(readme, folder, config, figures)
    sys.stdout.write("\n\n".join(figures_in_short(config, figures)) + "\n")
    return 0
