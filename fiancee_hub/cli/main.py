"""The command line: ``python -m fiancee_hub info | generate | compare | convert | evaluate …``.

Each command is a module beside this one with an ``add_parser``, imported only when it is called;
everything heavy is imported when it runs. So ``--help`` answers at once.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from importlib import import_module

from fiancee_hub.cli.console import escape_what_it_lacks
from fiancee_hub.core.errors import FianceeError, missing_package

PROGRAM = "fiancee-hub"
COMMANDS = {
    "info": "parameters and MACs of every exit",
    "generate": "an input, or a folder of them, to pictures",
    "compare": "early exit beside full depth, true LPIPS",
    "faces": "the faces of a photograph, largest first",
    "convert": "someone else's generator to a checkpoint folder",
    "evaluate": "every figure of a checkpoint, and its card",
    "card": "write a model card from stored figures",
    "measure": "how real generated scenes look",
    "train": "train a checkpoint, phase by phase",
    "publish": "a checkpoint to the Hugging Face Hub",
    "export": "a checkpoint as ONNX graphs for other runtimes",
    "embed": "a folder of static files that runs a checkpoint in the reader's browser",
}
EXTRAS = {
    "generate": "faces",
    "compare": "compare",
    "evaluate": "evaluate",
    "card": "evaluate",
    "measure": "evaluate",
    "train": "train",
    "export": "export",
    "embed": "export",
}
"""What to install for a command that needs more than the library itself."""

USER_ERROR = 2
INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        0; 1 if some inputs of several could not be read; 2 after an error of the user.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    escape_what_it_lacks()
    _set_up_logging()
    try:
        arguments = _parser(words).parse_args(words)
        return int(arguments.run(arguments))
    except (FianceeError, OSError) as error:
        return _fail(str(error))
    except ModuleNotFoundError as error:
        return _missing_module(error, words)
    except KeyboardInterrupt:
        return INTERRUPTED


def _set_up_logging() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)


def _fail(message: str) -> int:
    print(f"{PROGRAM}: {' '.join(message.split())}", file=sys.stderr)
    return USER_ERROR


def _missing_module(error: ModuleNotFoundError, words: list[str]) -> int:
    extra = EXTRAS.get(words[0]) if words else None
    if extra is None or (error.name or "").startswith("fiancee_hub"):
        raise error
    return _fail(str(missing_package(str(error.name), extra)))


def _parser(words: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(PROGRAM, description=import_module("fiancee_hub").__doc__)
    version = f"{PROGRAM} {import_module('fiancee_hub').__version__}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command, purpose in COMMANDS.items():
        if command in words[:1]:
            import_module(f"fiancee_hub.cli.{command}").add_parser(commands)
        else:
            commands.add_parser(command, help=purpose)
    return parser
