"""The demo as a visitor meets it: a process of its own, and a browser that watches its requests."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = shutil.which("chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)
START_SECONDS = 120
PATIENCE = 60_000
"""Milliseconds that the page may take on a busy machine."""


@contextmanager
def serving(checkpoint: Path, log: Path) -> Iterator[str]:
    """``app.py`` on a free port with a checkpoint; gives its address."""
    port = _free_port()
    environment = {
        **os.environ,
        "FIANCEE_CHECKPOINT_STREETS": str(checkpoint),
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(log.parent / "gradio"),
    }
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(20)


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


class StreetsPage:
    """The streets screen through a visitor's eyes and hands."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.urls: set[str] = set()
        page.set_default_timeout(PATIENCE)
        page.on("response", lambda response: self.urls.add(response.url))
        page.goto(url)
        self.wait_until_measured()

    @property
    def hosts(self) -> set[str]:
        """Hosts that the page asked for anything."""
        return {url.split("/")[2] for url in self.urls if url.startswith(("http", "ws"))}

    @property
    def pictures(self) -> Locator:
        return self.page.locator("#pictures img")

    def fact(self, key: str) -> str:
        return self.page.locator(f"#facts [data-fact={key}]").first.inner_text()

    def wait_until_measured(self) -> None:
        """All exits are in the plot."""
        expect(self.page.locator("#plot circle.true").first).to_be_visible(timeout=PATIENCE)

    def sources(self) -> list[str]:
        return [str(image.get_attribute("src")) for image in self.pictures.all()]

    def generate(self) -> list[str]:
        """Presses Generate and waits for the result; addresses of both pictures."""
        # Marks what is on the page, so that the new result is not mistaken for it.
        self.page.locator("#plot svg").evaluate("element => element.id = 'old'")
        self.page.locator("#generate").click()
        expect(self.page.locator("#plot #old")).to_have_count(0, timeout=PATIENCE)
        self.wait_until_measured()
        return self.sources()

    def pick_example(self, number: int) -> None:
        examples = self.page.locator("#examples")
        with self.new_map():
            examples.get_by_role("button", name=f"Thumbnail {number}", exact=False).click()

    def pick_blank(self) -> None:
        with self.new_map():
            self.page.get_by_role("button", name="Blank map").click()

    @contextmanager
    def new_map(self) -> Iterator[None]:
        """Waits until the editor has fetched a map that it did not hold before."""
        known = set(self.urls)
        with self.page.expect_response(
            lambda answer: answer.url.endswith("/map.png") and answer.url not in known
        ):
            yield

    def pick_class(self, name: str) -> None:
        self.page.locator("#classes").get_by_label(name, exact=True).check()

    def stroke(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draws on the map; positions are shares of the canvas's width and height."""
        canvas = self.page.locator("#label-map canvas").first
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        assert box is not None
        points = [
            (box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)
        ]
        self.page.mouse.move(*points[0])
        self.page.mouse.down()
        self.page.mouse.move(*points[1], steps=12)
        self.page.mouse.up()
        undo = self.page.locator("#label-map").get_by_role("button", name="Undo")
        expect(undo).to_be_enabled(timeout=PATIENCE)

    def upload(self, path: Path) -> None:
        """Gives a file to the upload button."""
        self.page.locator("#sources input[type=file]").set_input_files(path)

    @property
    def error(self) -> Locator:
        return self.page.get_by_test_id("toast-body")
