"""``python -m fiancee_hub generate``: an input, or a folder of them, to pictures."""

import argparse
from pathlib import Path
from typing import Any

from fiancee_hub.cli.routing import add_routing, load
from fiancee_hub.core.errors import InputError

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
    pipe, family = load(arguments, COMMAND)
    return family.commands().generate(pipe, arguments)
