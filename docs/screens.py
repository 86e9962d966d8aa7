"""Pictures of the demo in every state, on a desk, in a column and on a phone.

    python docs/screens.py                   # all of them, and docs/screens.md
    python docs/screens.py faces method      # those whose names begin so

Starts a server of its own with the checkpoints of the demo's settings and drives it in chromium.
Needs requirements-dev.txt.
"""

import argparse
import io
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, expect

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

import screens_embed  # noqa: E402
from demo_server import (  # noqa: E402
    PATIENCE,
    DemoPage,
    FacesPage,
    StreetsPage,
    browsing,
    running,
)
from visitor_pictures import encoded, group_photo, noise  # noqa: E402

from fiancee_hub.families.faces.films import write_clip  # noqa: E402
from space.faces.examples import examples as face_examples  # noqa: E402
from space.page.embedding import COMPACT, FIGURE, WHOLE, View  # noqa: E402
from space.tools import made  # noqa: E402

FOLDER = ROOT / "docs" / "screens"
PAGE = ROOT / "docs" / "screens.md"
SIZES = {"desktop": (1280, 720), "column": (640, 720), "phone": (390, 844)}
"""Of the window: a desk's, a blog's column, a phone's."""

SHOWN = {"desktop": 640, "column": 320, "phone": 220}
"""How wide the list shows them."""

MOST, FRAMES = ("desktop", "phone"), ("column", "phone")
"""Sizes of most states, and of views for frames."""

QUALITY = 75


@dataclass(frozen=True)
class State:
    """Something that a visitor can see.

    Args:
        words: what it is.
        screen: where it is.
        reach: what a visitor does to get there; may leave a mouse button down.
        theme: light or dark.
        at: what the window shows at its middle; the whole page is shown if left out.
        sizes: of the windows.
        view: what of the page is shown, in a window of its frame's height.
    """

    words: str
    screen: type[DemoPage]
    reach: Callable[[DemoPage, Path], None]
    theme: str = "light"
    at: str = ""
    sizes: tuple[str, ...] = MOST
    view: View = WHOLE

    @property
    def checkpoint(self) -> str:
        """Name of the one whose tab it shows."""
        return self.screen.tab

    @property
    def query(self) -> str:
        """Of the page's address."""
        tab = {"tab": self.screen.tab, "view": self.view.name} if self.view.name else {}
        return urlencode({"__theme": self.theme, **tab})

    def window(self, size: str) -> ViewportSize:
        width, height = SIZES[size]
        return {"width": width, "height": self.view.height if self.view.name else height}


class FacadesPage(StreetsPage):
    """The same screen for fronts of houses."""

    tab = "facades"

    def __init__(self, page: Page, url: str) -> None:
        DemoPage.__init__(self, page, url)
        page.get_by_role("tab", name="Facades").click()
        self.wait_until_measured()


class FramedStreets(DemoPage):
    """Streets in a frame, where details that others wait for are hidden."""

    tab = "streets"

    def __init__(self, page: Page, url: str) -> None:
        super().__init__(page, url)
        complete = self.part("routes", ".chain[data-complete=true]")
        expect(complete).to_be_attached(timeout=PATIENCE)
        expect(self.part("pictures", "img").first).to_be_visible(timeout=PATIENCE)


class FramedFaces(FramedStreets):
    """Faces in a frame."""

    tab = "faces"


# A message goes after ten seconds, which its picture may take on a busy machine.
KEEP_MESSAGES = """() => {
  const later = window.setTimeout;
  window.setTimeout = (what, delay, ...rest) => delay >= 10000 ? 0 : later(what, delay, ...rest);
}"""

# Pictures and animations are done, all but the clock under a message, and nothing has changed for
# a while.
AT_REST = """() => {
  const SETTLED = 1500;
  const now = performance.now();
  if (!window.lastChange) {
    window.lastChange = now;
    new MutationObserver(() => { window.lastChange = performance.now(); }).observe(
      document.body, {subtree: true, childList: true, characterData: true});
  }
  const clock = (one) => one.effect.target.classList.contains('timer');
  const pictures = [...document.images].filter((one) => one.checkVisibility());
  for (const one of pictures) one.loading = 'eager';
  return pictures.every((one) => one.complete) && now - window.lastChange > SETTLED
    && document.getAnimations().every((one) => one.playState !== 'running' || clock(one));
}"""


# Nothing comes back any more, so that the page comes to rest with the last picture.
NO_ANSWERS = "() => { window.fetch = () => new Promise(() => {}); }"

DRIVEN_SEEN = 24
"""Driven pictures of a camera, after which its rate has settled."""


def nothing(screen: DemoPage, folder: Path) -> None:
    """As the page opens."""


def drawing(screen: DemoPage, folder: Path) -> None:
    """The brush is still down, the picture has followed."""
    assert isinstance(screen, StreetsPage)
    before = screen.sources()[0]
    screen.pick_class("car")
    # On a phone the picture stays above the map, and would cover one that is scrolled too far.
    show(screen.page, "#streets-map")
    # Left open: the brush stays on the map while the picture is taken.
    ExitStack().enter_context(screen.drawing((0.3, 0.62)))
    screen.move((0.42, 0.64))
    picture = screen.part("pictures", "img").first
    expect(picture).not_to_have_attribute("src", before, timeout=PATIENCE)
    expect(screen.part("facts", ".waiting")).to_be_visible(timeout=PATIENCE)


def windows(screen: DemoPage, folder: Path) -> None:
    """A blank wall gets windows; the brush is still down."""
    assert isinstance(screen, FacadesPage)
    screen.pick_example(5)
    screen.pick_class("balcony")
    screen.stroke((0.3, 0.3), (0.5, 0.3))
    screen.wait_until_measured()


def other_budget(screen: DemoPage, folder: Path) -> None:
    box = screen.part("budget", "input[type=number]")
    box.fill("0.03")
    box.press("Tab")
    expect(screen.part("routes")).to_contain_text("Budget 0.030", timeout=PATIENCE)


def pair(screen: DemoPage, folder: Path) -> None:
    screen.pick("pairs", 5)
    expect(screen.part("pairs", ".preview")).to_be_visible(timeout=PATIENCE)


def other_map(screen: DemoPage, folder: Path) -> None:
    assert isinstance(screen, StreetsPage)
    path = folder / "photograph.png"
    path.write_bytes(encoded(noise()))
    screen.page.evaluate(KEEP_MESSAGES)
    screen.upload(path)
    expect(screen.error).to_be_visible(timeout=PATIENCE)


def copied(screen: DemoPage, folder: Path) -> None:
    screen.part("copy-link").click()
    expect(screen.part("link", "a")).to_be_visible(timeout=PATIENCE)
    # Or what comes to lie under it would look chosen.
    screen.page.mouse.move(0, 0)


def turned(screen: DemoPage, folder: Path) -> None:
    assert isinstance(screen, FacesPage)
    with screen.new_result():
        screen.press("yaw", "ArrowRight", 3)
        screen.press("smile", "ArrowRight", 4)
    expect(screen.part("facts", ".waiting")).to_have_count(0, timeout=PATIENCE)


def driven(screen: DemoPage, folder: Path) -> None:
    screen.part("mode").get_by_label("Picture").check()
    with screen.new_result():
        screen.pick("driver-examples", 4)


def several(screen: DemoPage, folder: Path) -> None:
    assert isinstance(screen, FacesPage)
    (folder / "group.png").write_bytes(group_photo())
    with screen.new_result():
        screen.upload("source", folder / "group.png")
    with screen.new_result():
        screen.part("choice").get_by_label("Face 2").check()
    screen.part("crop").get_by_role("button", name="Move the crop").click()
    with screen.new_result():
        screen.press("zoom", "ArrowLeft", 4)
    screen.part("whole-wanted", "input").check()
    expect(screen.part("whole", "img")).to_be_visible(timeout=PATIENCE)
    expect(screen.part("cards", ".missing")).to_have_count(0, timeout=PATIENCE)


def clip(screen: DemoPage, folder: Path) -> None:
    assert isinstance(screen, FacesPage)
    faces = [Image.open(example.path).convert("RGB") for example in face_examples()[2:]]
    frames = [Image.blend(*faces, step / 12) for step in (*range(13), *range(12, -1, -1))]
    write_clip(frames, 12, folder / "clip.mp4")
    screen.part("mode").get_by_label("Clip").check()
    screen.upload("clip-group", folder / "clip.mp4")
    expect(screen.part("clip-notes", "li").first).to_contain_text("frames", timeout=PATIENCE)
    screen.part("make").click()
    expect(screen.part("clip", "video")).to_be_visible(timeout=PATIENCE)
    screen.page.wait_for_function("document.querySelector('#faces-clip video').readyState > 1")


def filmed(screen: DemoPage, folder: Path) -> None:
    assert isinstance(screen, FacesPage)
    at_rest, smiling = (example.path.read_bytes() for example in face_examples()[2:4])
    screen.film(at_rest)
    screen.start_camera()
    screen.wait_for_frames(1)
    screen.see(smiling)
    screen.wait_for_frames(DRIVEN_SEEN)
    screen.page.evaluate(NO_ANSWERS)


def no_face(screen: DemoPage, folder: Path) -> None:
    assert isinstance(screen, FacesPage)
    (folder / "wall.png").write_bytes(encoded(noise()))
    screen.page.evaluate(KEEP_MESSAGES)
    screen.upload("source", folder / "wall.png")
    expect(screen.error).to_be_visible(timeout=PATIENCE)


def explained(screen: DemoPage, folder: Path) -> None:
    screen.page.get_by_role("tab", name="How it works").click()
    expect(screen.page.locator("#embed-frame")).to_contain_text("http:", timeout=PATIENCE)


STATES = {
    "streets": State("Streets, as the page opens", StreetsPage, nothing, sizes=tuple(SIZES)),
    "streets-dark": State("Streets, dark", StreetsPage, nothing, "dark", sizes=tuple(SIZES)),
    "streets-first": State(
        "Streets, what is seen first without scrolling", StreetsPage, nothing, at="[role=tablist]"
    ),
    "streets-compact": State(
        "Streets, `?view=compact`", FramedStreets, nothing, sizes=FRAMES, view=COMPACT
    ),
    "streets-figure": State(
        "Streets, `?view=figure`", FramedStreets, nothing, sizes=FRAMES, view=FIGURE
    ),
    "streets-drawing": State(
        "The picture follows the brush", StreetsPage, drawing, at="#streets-map"
    ),
    "streets-budget": State(
        "Another budget takes another exit", StreetsPage, other_budget, at="#streets-budget"
    ),
    "streets-pair": State(
        "Real pairs at several distances", StreetsPage, pair, at="#streets-pairs"
    ),
    "streets-refused": State(
        "A photograph is no label map", StreetsPage, other_map, at="#streets-sources"
    ),
    "streets-link": State("A link that brings the state back", StreetsPage, copied),
    "facades": State("Facades: another checkpoint of the same kind", FacadesPage, nothing),
    "facades-drawing": State("Windows are drawn", FacadesPage, windows, at="#facades-map"),
    "faces": State("Faces, moved by sliders", FacesPage, turned, sizes=tuple(SIZES)),
    "faces-dark": State("Faces, dark", FacesPage, nothing, "dark", sizes=tuple(SIZES)),
    "faces-compact": State(
        "Faces, `?view=compact`", FramedFaces, nothing, sizes=FRAMES, view=COMPACT
    ),
    "faces-picture": State("A picture drives", FacesPage, driven),
    "faces-several": State("Several faces, a moved crop, the whole photo", FacesPage, several),
    "faces-clip": State("A clip drives; the exit of every frame", FacesPage, clip),
    "faces-camera": State("A camera drives", FacesPage, filmed),
    "faces-refused": State("A picture without a face", FacesPage, no_face, at="#faces-source"),
    "method": State("How it works, and snippets to embed it", StreetsPage, explained),
}


def file(name: str, size: str) -> Path:
    return FOLDER / f"{name}-{size}.webp"


def take(browser: Browser, url: str, name: str) -> None:
    """Pictures of a state at all its sizes."""
    state = STATES[name]
    for size in state.sizes:
        page = browser.new_page(viewport=state.window(size))
        with tempfile.TemporaryDirectory() as folder:
            state.reach(state.screen(page, f"{url}/?{state.query}"), Path(folder))
            shot(page, file(name, size), state.at)
        page.close()


def show(page: Page, at: str) -> None:
    """Scrolls a part to the window's middle."""
    page.evaluate("(at) => document.querySelector(at).scrollIntoView({block: 'center'})", at)


def shot(page: Page, path: Path, at: str) -> None:
    """The page, once it has come to rest."""
    page.wait_for_function(AT_REST)
    if at:
        show(page, at)
    else:
        page.evaluate("scrollTo({top: 0, behavior: 'instant'})")
    with Image.open(io.BytesIO(page.screenshot(full_page=not at))) as picture:
        picture.save(path, quality=QUALITY, method=6)


def write_page() -> None:
    """The list of all pictures, as markdown."""
    rows = [
        "# Screens of the demo",
        "",
        "Made by `python docs/screens.py`. Faces: L. DeBruine and B. Jones, *Face Research Lab",
        "London Set*, 2017, doi 10.6084/m9.figshare.5047666, CC BY 4.0, cropped, resized and",
        "animated by the model.",
        "",
        "| state | desktop, 1280 pixels wide | column, 640 | phone, 390 |",
        "| --- | --- | --- | --- |",
    ]
    for name, state in STATES.items():
        pictures = " | ".join(
            f'<img src="screens/{file(name, size).name}" alt="{state.words}" width="{width}">'
            if size in state.sizes
            else ""
            for size, width in SHOWN.items()
        )
        rows.append(f"| {state.words} | {pictures} |")
    rows += screens_embed.rows()
    rows += former_rows()
    PAGE.write_text("\n".join(rows) + "\n", encoding="utf-8")


def former_rows() -> list[str]:
    """The streets screen as it was until its first window told the story, with older weights."""
    rows = ["", "## Before", "", "The same screen in an earlier version.", ""]
    rows += ["| state | desktop, 1280 pixels wide | phone, 390 |", "| --- | --- | --- |"]
    for name in ("streets", "streets-dark"):
        words = f"{STATES[name].words}, formerly"
        pictures = " | ".join(
            f'<img src="screens/before/{name}-{size}.webp" alt="{words}" width="{SHOWN[size]}">'
            for size in MOST
        )
        rows.append(f"| {words} | {pictures} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[""], help="beginnings of the states' names")
    wanted = tuple(parser.parse_args().names)
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running({}, Path(folder) / "log.txt") as (url, _),
        browsing() as browser,
    ):
        for name in STATES:
            if name.startswith(wanted):
                take(browser, url, name)
                made.note(f"screens/{name}", [STATES[name].checkpoint])
                sys.stdout.write(f"{name}\n")
                sys.stdout.flush()
    write_page()


if __name__ == "__main__":
    main()
