"""``python -m fiancee_hub compare``: an early exit beside full depth, with their true LPIPS."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fiancee_hub.cli.routing import add_routing, load
from fiancee_hub.core.files import check_output
from fiancee_hub.core.marking import picture_format

if TYPE_CHECKING:
    from fiancee_hub.results import Comparison

COMMAND = "compare"


def add_parser(subparsers: Any) -> None:
    """Adds ``compare`` to the command line."""
    parser = subparsers.add_parser(COMMAND, help="early exit beside full depth, true LPIPS")
    add_routing(parser, COMMAND)
    parser.add_argument("--out", type=Path, default=Path("comparison.png"), help="picture to write")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compares, writes the picture, prints the figures."""
    picture_format(arguments.out)
    pipe, family = load(arguments, COMMAND)
    inputs = (getattr(arguments, option.name) for option in family.options if option.kind is Path)
    check_output(arguments.out, arguments.source, *inputs)
    shown, comparison = family.commands().compare(pipe, arguments)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    comparison.save(arguments.out, shown)
    facts = _facts(comparison) | {"out": str(arguments.out)}
    lines = (f"{name.replace('_', ' ')} {value}" for name, value in facts.items())
    print(json.dumps(facts, indent=1) if arguments.json else "\n".join(lines))
    return 0


def _facts(comparison: "Comparison") -> dict[str, object]:
    early, full = comparison.early, comparison.full
    return {
        "exit": early.exit,
        "predicted_lpips": early.predicted_lpips,
        "lpips": comparison.lpips,
        "budget": comparison.budget,
        "kept": comparison.kept,
        "macs": early.macs,
        "full_macs": full.macs,
        "saving": early.saving,
        "milliseconds": early.milliseconds,
        "full_milliseconds": full.milliseconds,
        "seed": early.seed,
        "notes": early.notes,
    }
