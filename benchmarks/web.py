"""An embed in chromium: bytes and seconds to its first picture, and the time of every exit there.

python benchmarks/web.py weights_card/streets                       # tables on standard output
python benchmarks/web.py weights_card/streets --page docs/embed.md  # and into the page

The same graphs run in ONNX Runtime for Python, and the model itself in PyTorch, exits in turn in
every round, on one thread each: an embed cannot count on more. Needs chromium,
requirements-dev.txt and the extras export and onnxruntime.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

import torch
from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

import figures  # noqa: E402
from demo_server import browsing  # noqa: E402
from static_host import hosting  # noqa: E402

from fiancee_hub.backends.graphs import GraphModel  # noqa: E402
from fiancee_hub.measuring.timing import exit_milliseconds, time_ratios  # noqa: E402
from fiancee_hub.pipeline import AutoPipeline, FianceePipeline  # noqa: E402
from fiancee_hub.web.embed import MODEL, embed  # noqa: E402

PATIENCE = 120_000
COLUMN = {"width": 640, "height": 900}
WARM_UP = 2

SHOWN = """() => {
  const left = document.querySelector('fiancee-embed').shadowRoot.querySelector('.left');
  return /ms here/.test(left?.textContent ?? '');
}"""

LOADED = """async () => {
  const { load } = await import('./model.js');
  window.measured = await load(document.baseURI, () => {}, 1);
  return window.measured.exits;
}"""

MEASURED = """async ([pixels, exit, seed]) => {
  const call = await window.measured.start(new Uint8Array(pixels), seed);
  return (await call.render(exit)).milliseconds;
}"""


def first_picture(page: Page, url: str, tally: Counter[str]) -> tuple[int, int, float]:
    """Bytes of the page as it comes, bytes until the first picture, and seconds from the press."""
    tally.clear()
    page.goto(url, wait_until="networkidle")
    before = tally.total()
    started = time.perf_counter()
    page.locator("fiancee-embed .start").click()
    page.wait_for_function(SHOWN, polling=50, timeout=PATIENCE)
    seconds = time.perf_counter() - started
    return before, tally.total(), seconds


def in_page(page: Page, ids: list[int], rounds: int) -> list[list[float]]:
    """Milliseconds of exits 1 … K in each round; two more warm up."""
    exits = page.evaluate(LOADED)
    found = [
        [page.evaluate(MEASURED, [ids, exit_index, 0]) for exit_index in range(1, exits + 1)]
        for _ in range(rounds + WARM_UP)
    ]
    return found[WARM_UP:]


def in_runtime(folder: Path, inputs: tuple[Any, ...], rounds: int) -> list[list[float]]:
    """The same with ONNX Runtime for Python."""
    model = GraphModel(folder, "onnxruntime", 1)
    arrays, found = [tensor.numpy() for tensor in inputs], []
    for _ in range(rounds + WARM_UP):
        row = []
        for exit_index in range(1, model.exits + 1):
            started = time.perf_counter()
            progress = model.start(*arrays)
            model.predict(progress)
            model.render(progress, exit_index)
            row.append(1000 * (time.perf_counter() - started))
        found.append(row)
    return found[WARM_UP:]


def loading(measured: list[tuple[int, int, float]]) -> str:
    """What a reader waits for, as Markdown."""
    page, whole = measured[0][0] / 1e6, measured[0][1] / 1e6
    seconds = [row[2] for row in measured]
    return "\n".join(
        [
            "| | |",
            "| --- | --- |",
            f"| page, poster and examples, uncompressed | {page:.2f} MB |",
            f"| all until the first picture, uncompressed | {whole:.1f} MB |",
            f"| press to first picture, cold cache | {median(seconds):.1f} s (longest "
            f"{max(seconds):.1f}) |",
        ]
    )


def times(pipe: FianceePipeline, columns: dict[str, list[list[float]]]) -> str:
    """Milliseconds and their ratio to full depth, as Markdown."""
    names = list(columns)
    ratios = {name: time_ratios(rounds) for name, rounds in columns.items()}
    rows = [
        "| exit | MACs | " + " | ".join(names) + " |",
        "| --- | --- |" + " --- |" * len(names),
    ]
    for index in range(pipe.model.exits):
        label = "full depth" if index + 1 == pipe.model.exits else str(index + 1)
        cells = [
            f"{median(row[index] for row in columns[name]):.0f} ms, {ratios[name][index]:.1%}"
            for name in names
        ]
        macs = pipe.config.costs.ratio(index + 1)
        rows.append(f"| {label} | {macs:.1%} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--loads", type=int, default=3, help="times that the page is opened")
    parser.add_argument("--page", type=Path, help="where the tables go as well")
    options = parser.parse_args()
    pipe = AutoPipeline.from_pretrained(options.checkpoint)
    inputs = pipe.model.trunk.example_inputs()
    torch.set_num_threads(1)
    tally: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        made = embed(options.checkpoint, Path(folder) / "site")
        with hosting(made.folder, tally) as url, browsing() as browser:
            measured = []
            for _ in range(options.loads):
                with browser.new_context(viewport=COLUMN) as fresh:  # a cache of its own
                    measured.append(first_picture(fresh.new_page(), url, tally))
            page = browser.new_page(viewport=COLUMN)
            page.goto(url)
            ids = inputs[0].flatten().tolist()
            columns = {
                "chromium, WebAssembly": in_page(page, ids, options.rounds),
                "ONNX Runtime": in_runtime(made.folder / MODEL, inputs, options.rounds),
                "PyTorch": exit_milliseconds(pipe.model, inputs, 1, options.rounds),
            }
    text = f"{loading(measured)}\n\n{times(pipe, columns)}\n"
    sys.stdout.write(text)
    if options.page:
        tab = options.checkpoint.resolve().name
        figures.write(options.page, "web", text, [tab])


if __name__ == "__main__":
    main()
