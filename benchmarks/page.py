"""Seconds that a visitor waits, in a real browser on a server of its own.

python benchmarks/page.py --readme README.md     # five rounds, and the figures into the README
python benchmarks/page.py --rounds 1

The first picture counts from the server's start, with the page asked for as soon as it answers;
the early picture from the click on Generate. Needs chromium and requirements-dev.txt.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

import figures  # noqa: E402
from demo_server import StreetsPage, browsing, running  # noqa: E402

from space.result.stored import MARK  # noqa: E402

SHOWN = """([before, mark]) => {
  const picture = document.querySelector('#streets-pictures img');
  const stored = document.querySelector('#streets-stale')?.textContent.includes(mark);
  return picture?.complete && picture.naturalWidth && picture.src !== before && !(mark && stored);
}"""
"""Another picture than before has come and is decoded, and it is not marked as stored."""


@contextmanager
def stopwatch(times: list[float]) -> Iterator[None]:
    started = time.perf_counter()
    yield
    times.append(time.perf_counter() - started)


def early_pictures(page: Page, url: str, rounds: int) -> list[float]:
    """Seconds from Generate to another picture, with a new seed each time."""
    screen, times = StreetsPage(page, url), list[float]()
    for seed in range(1, rounds + 1):
        screen.part("seed", "input").fill(str(seed))
        before = screen.sources()[0]
        # The time ends with the early picture, the wait with the plot of all exits.
        with screen.new_result(), stopwatch(times):
            screen.part("generate").click()
            page.wait_for_function(SHOWN, arg=[before, MARK], polling="raf")
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--readme", type=Path, help="where the figures go as well")
    options = parser.parse_args()
    served, first, live, early = (list[float]() for _ in range(4))
    for _ in range(options.rounds):
        with browsing() as browser, tempfile.TemporaryDirectory() as folder:
            page, started = browser.new_page(), time.perf_counter()
            with running({}, Path(folder) / "log.txt") as (url, _):
                served.append(time.perf_counter() - started)
                page.goto(url)
                for times, mark in ((first, ""), (live, MARK)):
                    page.wait_for_function(SHOWN, arg=["", mark], polling="raf", timeout=120_000)
                    times.append(time.perf_counter() - started)
                early += early_pictures(page, url, 5)
    text = table(
        {
            "server start | page": served,
            "server start | first picture, stored": first,
            "server start | first live picture": live,
            "Generate | early picture": early,
        }
    )
    sys.stdout.write(text)
    if options.readme:
        figures.write(options.readme, "page", text)


def table(waits: dict[str, list[float]]) -> str:
    """Waiting times by what they lie between, as markdown."""
    rows = [
        f"| {name} | {median(times):.2f} s | {max(times):.2f} s |" for name, times in waits.items()
    ]
    return "\n".join(["| from | to | median | longest |", "| --- | --- | --- | --- |", *rows, ""])


if __name__ == "__main__":
    main()
