"""Pictures of embeds, in a post's column and on a phone: ``python docs/screens_embed.py``.

    python docs/screens_embed.py                # all of them
    python docs/screens_embed.py facades        # those of one checkpoint
    python docs/screens_embed.py --made site    # of embeds made before: site/streets, site/facades

docs/screens.py lists them. Needs requirements-dev.txt and the extra export.
"""

import argparse
import io
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from demo_server import browsing  # noqa: E402
from embedded import Embedded  # noqa: E402
from static_host import hosting  # noqa: E402

from fiancee_hub.web.embed import embed  # noqa: E402
from space.tools import made  # noqa: E402

FOLDER = ROOT / "docs" / "screens"
POST = ROOT / "examples" / "blog" / "index.html"
SIZES = {"column": (640, 900), "phone": (360, 740)}
QUALITY = 75


@dataclass(frozen=True)
class State:
    """Something that a reader can see.

    Args:
        words: what it is.
        checkpoint: name of the one that runs.
        address: of the page, below the folder of all embeds.
        begun: whether the reader has pressed the button.
        budget: that the reader chose; the embed's own if left out.
    """

    words: str
    checkpoint: str
    address: str
    begun: bool = True
    budget: str = ""


STATES = {
    "embed-post": State("A post with an embed, before it is touched", "streets", "", begun=False),
    "embed-streets": State("Streets in the reader's browser", "streets", "streets/index.html"),
    "embed-streets-dark": State(
        "The same, dark, with a smaller budget", "streets", "streets/?theme=dark", budget="0.03"
    ),
    "embed-facades": State("Facades, by the same command", "facades", "facades/index.html"),
}


def take(browser: Browser, url: str, name: str) -> None:
    """Pictures of a state at both sizes."""
    state = STATES[name]
    for size, (width, height) in SIZES.items():
        page = browser.new_page(viewport={"width": width, "height": height})
        reader = Embedded(page, f"{url}/{state.address}")
        if state.begun:
            reader.begin()
        if state.budget:
            reader.set(".budget", state.budget)
        shot(page, FOLDER / f"{name}-{size}.webp")
        page.close()


def shot(page: Page, path: Path) -> None:
    """The whole page, with its pictures loaded."""
    page.wait_for_load_state("networkidle")
    with Image.open(io.BytesIO(page.screenshot(full_page=True))) as picture:
        picture.save(path, quality=QUALITY, method=6)


def rows() -> list[str]:
    """The part of docs/screens.md that shows them, as Markdown."""
    found = [
        "",
        "## Embeds",
        "",
        "What `fiancee-hub embed` writes, by `python docs/screens_embed.py`.",
        "",
        "| state | column, 640 pixels wide | phone, 360 |",
        "| --- | --- | --- |",
    ]
    for name, state in STATES.items():
        pictures = " | ".join(
            f'<img src="screens/{name}-{size}.webp" alt="{state.words}" width="{width}">'
            for size, width in (("column", 400), ("phone", 220))
        )
        found.append(f"| {state.words} | {pictures} |")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="of checkpoints")
    parser.add_argument("--made", type=Path, help="folder of embeds that were made before")
    options = parser.parse_args()
    wanted: dict[str, State] = {
        name: state
        for name, state in STATES.items()
        if not options.names or state.checkpoint in options.names
    }
    with tempfile.TemporaryDirectory() as folder:
        site = options.made or Path(folder)
        shutil.copyfile(POST, site / POST.name)
        for checkpoint in {state.checkpoint for state in wanted.values()}:
            if not options.made:
                embed(ROOT / "weights_card" / checkpoint, site / checkpoint)
        with hosting(site) as url, browsing() as browser:
            for name, state in wanted.items():
                take(browser, url, name)
                made.note(f"screens/{name}", [state.checkpoint])


if __name__ == "__main__":
    main()
