"""What the demo's page weighs, and how calmly it opens, in a real browser on a server of its own.

python benchmarks/opening.py --readme README.md

Bytes are those over the wire, cold cache, as the server compresses them. Shift is the layout's, as
browsers sum it up (Cumulative Layout Shift), until all exits are measured. Stops are presses of Tab
from the top of the page to the comparison. Needs chromium and requirements-dev.txt.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

import figures  # noqa: E402
from demo_server import PATIENCE, browsing, running  # noqa: E402

TABS = ("streets", "facades", "faces")
WIDTHS = {1280: 720, 640: 720, 390: 844}
"""Of the window, with its height."""

MOST_STOPS = 100

WATCH = """
window.shift = 0;
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) window.shift += one.value;
}).observe({type: 'layout-shift', buffered: true});
"""

PICTURE = """(tab) => {
  const picture = document.querySelector(`#${tab}-pictures img`);
  return picture?.complete && picture.naturalWidth > 0;
}"""

ON_EDGE = "(tab) => document.activeElement.matches(`#${tab}-pictures [role=slider]`)"


@dataclass
class Traffic:
    """Bytes over the wire by request; those of a stream grow."""

    requests: dict[str, float] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(self.requests)

    @property
    def megabytes(self) -> float:
        return sum(self.requests.values()) / 1e6


def watch(page: Page) -> Traffic:
    """Counts what the page asks for from now on."""
    traffic, protocol = Traffic(), page.context.new_cdp_session(page)
    sizes = traffic.requests

    def asked(event: dict[str, Any]) -> None:
        if event["request"]["url"].startswith("http"):
            sizes.setdefault(event["requestId"], 0)

    def received(event: dict[str, Any]) -> None:
        if event["requestId"] in sizes:
            sizes[event["requestId"]] += event["encodedDataLength"]

    def finished(event: dict[str, Any]) -> None:
        if event["requestId"] in sizes:
            sizes[event["requestId"]] = event["encodedDataLength"]

    protocol.on("Network.requestWillBeSent", asked)
    protocol.on("Network.dataReceived", received)
    protocol.on("Network.loadingFinished", finished)
    protocol.send("Network.enable")
    return traffic


def row(browser: Browser, url: str, tab: str, width: int) -> str:
    """A tab as it opens in a window of a width, as a row of the table."""
    page = browser.new_page(viewport={"width": width, "height": WIDTHS[width]})
    page.set_default_timeout(PATIENCE)
    page.add_init_script(WATCH)
    traffic = watch(page)
    page.goto(f"{url}/?tab={tab}")
    page.wait_for_function(PICTURE, arg=tab)
    requests, first = traffic.count, traffic.megabytes
    page.wait_for_selector(f"#{tab}-routes .chain[data-complete=true]", state="attached")
    page.wait_for_timeout(2000)
    shift = page.evaluate("window.shift")
    cells = (
        f"{tab}, {width} pixels",
        f"{requests}",
        f"{first:.2f} MB",
        f"{traffic.count}",
        f"{traffic.megabytes:.2f} MB",
        f"{shift:.3f}",
        f"{stops(page, tab)}",
    )
    page.close()
    return f"| {' | '.join(cells)} |"


def stops(page: Page, tab: str) -> int:
    """Presses of Tab from the top of the page to the comparison's edge."""
    page.evaluate("document.activeElement.blur()")
    for number in range(1, MOST_STOPS + 1):
        page.keyboard.press("Tab")
        if page.evaluate(ON_EDGE, tab):
            return number
    raise AssertionError(f"{MOST_STOPS} presses of Tab do not lead to the result of {tab}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readme", type=Path, help="where the figures go as well")
    options = parser.parse_args()
    rows = [
        "| tab and window | requests to the first picture | bytes | requests in all | bytes | "
        "shift | stops to the result |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        running({}, Path(folder) / "log.txt") as (url, _),
        browsing() as browser,
    ):
        rows += [row(browser, url, tab, width) for tab in TABS for width in WIDTHS]
    text = "\n".join([*rows, ""])
    sys.stdout.write(text)
    if options.readme:
        figures.write(options.readme, "opening", text)


if __name__ == "__main__":
    main()
