"""Where a benchmark's figures stand in the project's README."""

import sys
from pathlib import Path

from fiancee_hub.evaluation.card import markers
from space.settings import ROOT
from space.tools import made


def write(readme: Path, name: str, text: str) -> None:
    """Replaces what stands between the lines that mark a benchmark's place."""
    first, last = markers(name)
    before, opening, rest = readme.read_text(encoding="utf-8").partition(first)
    _, closing, after = rest.partition(last)
    if not (opening and closing):
        sys.exit(f"{readme} lacks the lines {first} and {last}, in this order")
    body = "\n\n".join((opening, text.strip(), closing))
    readme.write_text(before + body + after, encoding="utf-8")
    if readme.resolve() == ROOT / "README.md":
        made.note(f"times/{name}", made.ADDRESSES)
