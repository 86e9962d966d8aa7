"""The page's styles and JavaScript: files that add to ``window.fiancee``, and calls of those."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
STYLES = tuple(FOLDER / f"{name}.css" for name in ("page", "views"))
NAMES = ("links", "views", "ready", "embedding", "roving", "limits")
PAGE = tuple(FOLDER / f"{name}.js" for name in NAMES)


def head(scripts: Iterable[Path], **settings: Any) -> str:
    """Elements for the page's head: each script once, before anything of the page is built.

    Args:
        scripts: those of the screens.
        settings: values in ``window.fiancee`` that the scripts find there.
    """
    known = f"window.fiancee = Object.assign(window.fiancee ?? {{}}, {json.dumps(settings)});"
    once = dict.fromkeys((*PAGE, *scripts))
    parts = (known, *(path.read_text(encoding="utf-8") for path in once))
    # Here and not in Gradio's own place for styles: they hold from the first moment, and it knows
    # nothing of containers.
    style = "".join(f"<style>\n{path.read_text(encoding='utf-8')}</style>" for path in STYLES)
    return style + "".join(f"<script>\n{part}</script>" for part in parts)


def call(function: str, *arguments: Any) -> str:
    """JavaScript for an event: calls a function of ours with fixed arguments, then the inputs."""
    fixed = "".join(f"{json.dumps(argument)}, " for argument in arguments)
    return f"(...inputs) => window.fiancee.{function}({fixed}...inputs)"
