"""The pages of docs/ as a site: ``python -m sphinx -W docs build/site``."""

import sys
from argparse import ArgumentParser
from importlib import import_module
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fiancee_hub import __version__
from fiancee_hub.cli.main import COMMANDS, PROGRAM

project = "FIANCEE hub"
release = __version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["*.py", "README.md"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = project
html_copy_source = False
html_show_copyright = False
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_member_order = "bysource"
napoleon_include_init_with_doc = False

PLACE = "<!-- commands -->"


def setup(app: Sphinx) -> None:
    """Sphinx calls this."""
    app.connect("source-read", add_commands)


def add_commands(_: Sphinx, __: str, source: list[str]) -> None:
    """Puts the help of every command, from the parsers themselves, where a page says so."""
    if PLACE in source[0]:
        source[0] = source[0].replace(PLACE, "\n".join(map(_section, COMMANDS)))


def _section(command: str) -> str:
    parser = ArgumentParser(PROGRAM)
    commands = parser.add_subparsers()
    import_module(f"fiancee_hub.cli.{command}").add_parser(commands)
    text = commands.choices[command].format_help().rstrip()
    return f"## {command}\n\n{COMMANDS[command].capitalize()}.\n\n```text\n{text}\n```\n"
