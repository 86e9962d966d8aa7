"""What ``generate`` and ``compare`` share: checkpoint, budget, and the families' own options."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fiancee_hub.core.errors import InputError
from fiancee_hub.core.family import Family, Option, family, names

if TYPE_CHECKING:
    from fiancee_hub.pipeline import FianceePipeline


def add_routing(parser: argparse.ArgumentParser, command: str) -> None:
    """Adds source, checkpoint, budget, and the options of every family."""
    families = [family(name) for name in names()]
    parser.add_argument("source", type=Path, help="; ".join(known.inputs for known in families))
    parser.add_argument("--checkpoint", required=True, help="folder, user/repo or user/repo@rev")
    parser.add_argument("--budget", type=float, default=0.1, help="LPIPS to full depth (0.1)")
    for option in _options(command):
        owners = ", ".join(known.name for known in families if option in known.options)
        told = f"{owners}: {option.help}"
        if option.kind is bool:
            parser.add_argument(option.flag, action="store_true", default=None, help=told)
        else:
            parser.add_argument(option.flag, type=option.kind, help=told)


def load(arguments: argparse.Namespace, command: str) -> "tuple[FianceePipeline, Family]":
    """The checkpoint and its family; options that were not given get their defaults.

    Raises:
        InputError: an option was given that the family does not have.
        CheckpointError: the checkpoint cannot be loaded.
    """
    from fiancee_hub.pipeline import AutoPipeline

    pipe = AutoPipeline.from_pretrained(arguments.checkpoint)
    known = family(pipe.config.family)
    for option in _options(command):
        if getattr(arguments, option.name) is None:
            setattr(arguments, option.name, option.default)
        elif option not in known.options:
            raise InputError(
                f"{option.flag} does nothing for a checkpoint of the family {known.name}: leave "
                "it out"
            )
    return pipe, known


def _options(command: str) -> list[Option]:
    """Of all families, each once."""
    every = [option for name in names() for option in family(name).options]
    return list(dict.fromkeys(option for option in every if command in option.commands))
