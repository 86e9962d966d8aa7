"""``python -m fiancee_hub compare``: an early exit beside full depth, with their true LPIPS."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fiancee_hub.cli.routing import add_routing, load
from fiancee_hub.core.files import check_output, write_picture
from fiancee_hub.core.marking import marked

if TYPE_CHECKING:
    from PIL import Image

    from fiancee_hub.pipeline import Comparison, FianceePipeline

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
    pipe, family = load(arguments, COMMAND)
    inputs = (getattr(arguments, option.name) for option in family.options if option.kind is Path)
    check_output(arguments.out, arguments.source, *inputs)
    columns, comparison = family.commands().compare(pipe, arguments)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    write_picture(_side_by_side(pipe, columns, comparison), arguments.out, "PNG", **marked("png"))
    facts = _facts(comparison) | {"out": str(arguments.out)}
    lines = (f"{name.replace('_', ' ')} {value}" for name, value in facts.items())
    print(json.dumps(facts, indent=1) if arguments.json else "\n".join(lines))
    return 0


def _side_by_side(
    pipe: "FianceePipeline", inputs: dict[str, list["Image.Image"]], comparison: "Comparison"
) -> "Image.Image":
    from fiancee_hub.measuring.contact_sheet import contact_sheet

    early = comparison.early
    columns = inputs | {
        f"exit {early.exit} of {pipe.model.exits}": [early.image],
        "full depth": [comparison.full.image],
    }
    return contact_sheet(columns, picture_width=pipe.size[1])


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
