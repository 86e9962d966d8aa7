"""``python -m fiancee_hub evaluate CHECKPOINT``: evaluation.json, figures and the model card."""

import argparse
from pathlib import Path
from typing import Any

from fiancee_hub import domains
from fiancee_hub.cli.card import add_readme, write
from fiancee_hub.core.family import family, names


def add_parser(subparsers: Any) -> None:
    """Adds ``evaluate`` to the command line."""
    parser = subparsers.add_parser("evaluate", help="measure a checkpoint on held-out data")
    parser.add_argument("checkpoint", type=Path, help="folder; its figures are written into it")
    parser.add_argument("--data", type=Path, required=True, help="data from `train prepare`")
    add_readme(parser)
    parser.add_argument("--seed", type=int, default=0, help="of noise and pairs (0)")
    parser.add_argument(
        "--keep-times",
        action="store_true",
        help="on a busy machine: take the times over from the last evaluation of these weights",
    )
    for name in names():
        family(name).evaluation().add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Evaluates, writes, and prints the tables."""
    from fiancee_hub.evaluation.evaluate import write_evaluation
    from fiancee_hub.evaluation.parts import EvaluationRequest
    from fiancee_hub.hub.config import read_config

    folder: Path = arguments.checkpoint
    name = read_config(folder / "config.json").family
    known = domains.of_family(name)
    request = EvaluationRequest(
        folder, arguments.data, arguments, arguments.seed, known, arguments.keep_times
    )
    figures = write_evaluation(folder, family(name).evaluation().evaluate(request))
    write(folder, arguments.readme, figures)
    return 0
