"""The demo as a visitor meets it: a process of its own, and a browser that watches its requests."""

import base64
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)
START_SECONDS = 240
PATIENCE = 120_000
"""Milliseconds that the page may take on a busy machine."""

FOLDED = ("facts-more", "cards-more", "difference-more", "meaning")
"""Details of a tab."""

Place = tuple[float, float]
"""On the map, as shares of its width and height."""

FILM = """async face => {
  const picture = Object.assign(new Image(), { src: face });
  await picture.decode();
  window.cameraSees = picture;
  navigator.mediaDevices.getUserMedia = async () => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 480 });
    const draw = () => canvas.getContext("2d").drawImage(window.cameraSees, 80, 0, 480, 480);
    setInterval(draw, 50);
    return (window.cameraStream = canvas.captureStream(15));
  };
}"""
"""Gives the page a camera that sees one picture, whose address it gets."""


@contextmanager
def serving(streets: Path, faces: Path, log: Path) -> Iterator[str]:
    """``app.py`` on a free port with two checkpoints; gives its address."""
    settings = {"FIANCEE_CHECKPOINTS": f"streets={streets},faces={faces}"}
    with running(settings, log) as (url, _):
        yield url


@contextmanager
def running(
    settings: Mapping[str, str], log: Path, script: str = "app.py"
) -> Iterator[tuple[str, int]]:
    """A script's server on a free port with settings; gives its address and its process id."""
    port = _free_port()
    environment = {
        **os.environ,
        **settings,
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(cache_of(log)),
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, script], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, process, log)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait(START_SECONDS)  # what it renders it renders to the end


def cache_of(log: Path) -> Path:
    """Where a server with this log keeps uploads and results."""
    return log.parent / "gradio"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/config", timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"the demo did not start:\n{log.read_text()}")


@contextmanager
def browsing() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


class DemoPage:
    """One tab through a visitor's eyes and hands; its parts' ids begin with its name."""

    tab = "streets"

    def __init__(self, page: Page, url: str, tab: str = "") -> None:
        self.page = page
        self.tab = tab or self.tab
        self.urls: set[str] = set()
        page.set_default_timeout(PATIENCE)
        page.on("response", lambda response: self.urls.add(response.url))
        page.goto(url)

    @property
    def hosts(self) -> set[str]:
        """Hosts that the page asked for anything."""
        return {url.split("/")[2] for url in self.urls if url.startswith(("http", "ws"))}

    @property
    def error(self) -> Locator:
        return self.page.get_by_test_id("toast-body")

    def part(self, name: str, inside: str = "") -> Locator:
        return self.page.locator(f"#{self.tab}-{name} {inside}".rstrip())

    def fact(self, key: str) -> str:
        return self.part("facts", f"[data-fact={key}]").first.inner_text()

    def wait_until_measured(self) -> None:
        """All exits are measured; details are unfolded."""
        expect(self.part("routes", ".chain[data-complete=true]")).to_be_visible(timeout=PATIENCE)
        self.unfold()
        expect(self.part("plot", "circle.true").first).to_be_visible(timeout=PATIENCE)

    def unfold(self) -> None:
        """Opens whatever is folded below the pictures."""
        for name in FOLDED:
            folded = self.part(name, "button.label-wrap:not(.open)")
            if folded.count() and folded.first.is_visible():
                folded.first.click()

    def sources(self) -> list[str]:
        """Addresses of both pictures."""
        return [str(image.get_attribute("src")) for image in self.part("pictures", "img").all()]

    @contextmanager
    def new_result(self) -> Iterator[None]:
        """Waits until a result has come that was not there before, with all exits measured."""
        self.unfold()
        self.part("plot", "svg[role=img]").evaluate("element => element.id = 'old'")
        yield
        expect(self.part("plot", "#old")).to_have_count(0, timeout=PATIENCE)
        self.wait_until_measured()

    def generate(self) -> list[str]:
        """Presses Generate and waits for the result; addresses of both pictures."""
        with self.new_result():
            self.part("generate").click()
        return self.sources()

    def pick(self, gallery: str, number: int) -> None:
        """Clicks on an example."""
        self.part(gallery).get_by_role("button", name=f"Thumbnail {number}", exact=False).click()


class FacesPage(DemoPage):
    """The faces screen."""

    tab = "faces"

    def __init__(self, page: Page, url: str) -> None:
        super().__init__(page, url)
        page.get_by_role("tab", name="Faces").click()
        self.wait_until_measured()

    def upload(self, part: str, path: Path) -> None:
        self.part(part, "input[type=file]").set_input_files(path)

    def see(self, picture: bytes) -> None:
        """What the camera has before it from now on: a JPEG."""
        self.page.evaluate(FILM, f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}")

    def film(self, picture: bytes) -> None:
        """Chooses the camera as driver, and lets it see a JPEG."""
        self.see(picture)
        self.part("mode").get_by_label("Camera").check()
        expect(self.part("pictures")).to_be_hidden()

    def start_camera(self) -> None:
        self.part("camera-input").get_by_role("button", name="Start the camera").click()

    def wait_for_frames(self, count: int) -> None:
        """Until so many driven pictures have been shown."""
        self.page.wait_for_function(
            "count => Number(document.getElementById('faces-camera').dataset.frames) >= count",
            arg=count,
            timeout=PATIENCE,
        )

    def press(self, slider: str, key: str, times: int) -> None:
        """Moves a slider with the keyboard."""
        knob = self.part(slider, "input[type=range]")
        for _ in range(times):
            knob.press(key)


class StreetsPage(DemoPage):
    """The streets screen."""

    def __init__(self, page: Page, url: str, tab: str = "") -> None:
        super().__init__(page, url, tab)
        self.wait_until_measured()
        # The picture may be there before the map on which somebody is to draw.
        has_map = "tab => fiancee.editorOf(tab)?.background_image"
        page.wait_for_function(has_map, arg=self.tab, timeout=PATIENCE)

    def beside(self, tab: str) -> "StreetsPage":
        """Another tab of the same page, of label maps as well."""
        other = copy(self)
        other.tab = tab
        return other

    def pick_example(self, number: int) -> None:
        with self.new_map():
            self.pick("examples", number)

    def pick_blank(self) -> None:
        with self.new_map():
            self.part("sources").get_by_role("button", name="Blank map").click()

    @contextmanager
    def new_map(self) -> Iterator[None]:
        """Waits until the editor has fetched a map that it did not hold before."""
        known = set(self.urls)
        with self.page.expect_response(
            lambda answer: answer.url.endswith("/map.png") and answer.url not in known
        ):
            yield

    def pick_class(self, name: str) -> None:
        self.part("classes").get_by_label(name, exact=True).check()

    def stroke(self, start: Place, end: Place) -> None:
        """Draws on the map."""
        with self.drawing(start):
            self.move(end)
        undo = self.part("map").get_by_role("button", name="Undo")
        expect(undo).to_be_enabled(timeout=PATIENCE)

    @contextmanager
    def drawing(self, start: Place) -> Iterator[None]:
        """The brush is on the map, at first at a place."""
        self.part("map", "canvas").first.scroll_into_view_if_needed()
        self.move(start)
        self.page.mouse.down()
        yield
        self.page.mouse.up()

    def move(self, place: Place) -> None:
        """Moves the mouse over the map."""
        box = self.part("map", "canvas").first.bounding_box()
        assert box is not None
        x, y = place
        self.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=12)

    def upload(self, path: Path) -> None:
        """Gives a file to the upload button."""
        self.part("sources", "input[type=file]").set_input_files(path)
