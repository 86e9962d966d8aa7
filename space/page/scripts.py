"""The page's JavaScript: files that add to ``window.fiancee``, and calls of what they add."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
PAGE = (FOLDER / "links.js", FOLDER / "embedding.js")


def head(scripts: Iterable[Path]) -> str:
    """Elements for the page's head: each script once, before anything of the page is built."""
    once = dict.fromkeys((*PAGE, *scripts))
    return "".join(f"<script>\n{path.read_text(encoding='utf-8')}</script>" for path in once)


def call(function: str, *arguments: Any) -> str:
    """JavaScript for an event: calls a function of ours with fixed arguments, then the inputs."""
    fixed = "".join(f"{json.dumps(argument)}, " for argument in arguments)
    return f"(...inputs) => window.fiancee.{function}({fixed}...inputs)"
