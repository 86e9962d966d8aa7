"""Where a benchmark's figures stand in the project's README and documentation."""

import sys
from collections.abc import Iterable
from pathlib import Path

# Also where the repository is not on the path: a benchmark is a script.
sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from fiancee_hub.evaluation.card import markers  # noqa: E402
from space.settings import ROOT  # noqa: E402
from space.tools import made  # noqa: E402

OURS = tuple(ROOT / page for page in ("README.md", "docs/embed.md"))


def write(page: Path, name: str, text: str, tabs: Iterable[str] = made.ADDRESSES) -> None:
    """Replaces what stands between the lines that mark a benchmark's place.

    Args:
        page: the Markdown file.
        name: of the benchmark.
        text: what to put there.
        tabs: the checkpoints that were timed.
    """
    first, last = markers(name)
    before, opening, rest = page.read_text(encoding="utf-8").partition(first)
    _, closing, after = rest.partition(last)
    if not (opening and closing):
        sys.exit(f"{page} lacks the lines {first} and {last}, in this order")
    body = "\n\n".join((opening, text.strip(), closing))
    page.write_text(before + body + after, encoding="utf-8")
    if page.resolve() in OURS:
        made.note(f"times/{name}", tabs)
