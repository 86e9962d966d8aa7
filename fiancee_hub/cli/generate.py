"""``python -m fiancee_hub generate``: an input, or a folder of them, to pictures."""

import argparse
from pathlib import Path
from typing import Any

from fiancee_hub.cli.routing import add_routing, load
from fiancee_hub.core.errors import InputError
from fiancee_hub.core.family import family, names
from fiancee_hub.core.marking import picture_format

COMMAND = "generate"


def add_parser(subparsers: Any) -> None:
    """Adds ``generate`` to the command line."""
    parser = subparsers.add_parser(COMMAND, help="an input, or a folder of them, to pictures")
    add_routing(parser, COMMAND)
    parser.add_argument("--out", type=Path, required=True, help="picture, or folder for them")
    parser.add_argument("--exit", type=int, help="render this exit whatever the budget")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Makes the pictures."""
    if not arguments.source.exists():
        raise InputError(f"there is no file or folder {arguments.source}: check the path")
    _check_ending(arguments.source, arguments.out)
    pipe, known = load(arguments, COMMAND)
    return known.commands().generate(pipe, arguments)


def _check_ending(source: Path, out: Path) -> None:
    """Before a checkpoint is loaded: raises InputError for a name that no family writes."""
    if source.is_dir() or out.is_dir() or not out.suffix:
        return  # a folder
    if out.suffix.lower() not in {ending for name in names() for ending in family(name).writes}:
        picture_format(out)
