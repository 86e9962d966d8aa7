"""Faces in chromium: what reading a source and every exit would take a reader's browser.

python benchmarks/web_faces.py weights_card/faces                       # a table on standard output
python benchmarks/web_faces.py weights_card/faces --page docs/embed.md  # and into the page
python benchmarks/web_faces.py weights_card/faces --made graphs         # of an export made before

There is no page for faces yet: the graphs of ``export`` run in the runtime and the model of the
embed for label maps, on what the library's landmarks say of two photographs. The same graphs run
in ONNX Runtime for Python, and the model itself in PyTorch; all take turns in every round, on one
thread each, by the processor's clock, which other work does not disturb. Needs chromium,
requirements-dev.txt and the extras export and onnxruntime.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

import figures  # noqa: E402
from demo_server import browsing  # noqa: E402
from static_host import hosting  # noqa: E402

from fiancee_hub.backends.graphs import GraphModel, read_manifest  # noqa: E402
from fiancee_hub.backends.parts import leaves  # noqa: E402
from fiancee_hub.families.faces.landmarks.motion import head_of  # noqa: E402
from fiancee_hub.families.faces.pipeline import FacesPipeline  # noqa: E402
from fiancee_hub.hub.exporting import export_checkpoint  # noqa: E402
from fiancee_hub.measuring.timing import side_by_side  # noqa: E402
from fiancee_hub.web.embed import FACTS, MODEL, copy_static, runtime_facts  # noqa: E402

PHOTOS = ROOT / "space" / "examples" / "faces"
SOURCE, DRIVER = "london_107_neutral.jpg", "london_008_smile.jpg"
WARM_UP = 2

LOADED = """async () => {
  const { load } = await import('./model.js');
  const model = await load(document.baseURI, () => {});
  const kinds = { float32: Float32Array, uint8: Uint8Array };
  const entries = ['encoder', 'condition'].flatMap((name) => model.graphs.get(name).inputs);
  const given = {};
  for (const { name, shape, type } of entries) {
    const answer = await fetch(`inputs/${name}.bin`);
    const values = new kinds[type](await answer.arrayBuffer());
    given[name] = new model.ort.Tensor(type, values, [1, ...shape.slice(1)]);
  }
  window.measured = { model, given, encoder: await model.session('encoder') };
}"""

READ = """async () => {
  const { model, given, encoder } = window.measured;
  const inputs = model.graphs.get('encoder').inputs.map(({ name }) => [name, given[name]]);
  Object.assign(given, await encoder.run(Object.fromEntries(inputs)));
}"""

RENDERED = """async (exit) => {
  const { model, given } = window.measured;
  window.made = await (await model.begin({ ...given })).render(exit);
}"""

Row = list[float]
"""Milliseconds of reading a source, and of exits 1 … K."""


class InPage:
    """The graphs in a browser tab."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.page = browser.new_page()
        self.page.goto(url)
        self.page.evaluate(LOADED)
        self.session = browser.new_browser_cdp_session()

    def clock(self) -> float:
        """Seconds that the processor has spent on tabs."""
        processes = self.session.send("SystemInfo.getProcessInfo")["processInfo"]
        return float(sum(one["cpuTime"] for one in processes if one["type"] == "renderer"))

    def round(self, exits: int) -> Row:
        read, _ = timed(lambda: self.page.evaluate(READ), self.clock)
        calls = [lambda n=n: self.page.evaluate(RENDERED, n + 1) for n in range(exits)]
        return [read, *(timed(call, self.clock)[0] for call in calls)]

    def picture(self, exit_index: int) -> Any:
        """(pixels, 3) grey levels."""
        self.page.evaluate(RENDERED, exit_index)
        found = self.page.evaluate("[...window.made.pixels]")
        return np.array(found, np.int16).reshape(-1, 4)[:, :3]


class InRuntime:
    """The graphs in ONNX Runtime for Python."""

    def __init__(self, folder: Path, tensors: dict[str, Any]) -> None:
        self.graphs, self.tensors = GraphModel(folder, "onnxruntime", 1), tensors

    def round(self, exits: int) -> Row:
        read, made = timed(lambda: self.graphs.encode(self.tensors))
        inputs = [(self.tensors | made)[f"input-{i}"] for i in range(len(self.tensors))]

        def call(exit_index: int) -> None:
            progress = self.graphs.start(*inputs)
            self.graphs.predict(progress)
            self.graphs.render(progress, exit_index)

        return [read, *(timed(lambda n=n: call(n + 1))[0] for n in range(exits))]


class InTorch:
    """The model itself."""

    def __init__(self, pipe: FacesPipeline, unread: tuple[Any, ...]) -> None:
        self.model, self.unread = pipe.model, unread

    @torch.inference_mode()
    def round(self, exits: int) -> Row:
        read, inputs = timed(lambda: self.model.trunk.read_ahead(*self.unread))
        names = {"PyTorch": None}
        return [read, *side_by_side(self.model, inputs, names, 1, time.process_time)["PyTorch"][0]]


def timed(
    call: Callable[[], Any], clock: Callable[[], float] = time.process_time
) -> tuple[float, Any]:
    """Milliseconds, and what came out."""
    started = clock()
    found = call()
    return 1000 * (clock() - started), found


def unread_inputs(pipe: FacesPipeline) -> tuple[Any, ...]:
    """A source's picture, its head and the head to show."""
    source = pipe.encode(PHOTOS / SOURCE)
    target = pipe.target(source, PHOTOS / DRIVER, None)
    head = head_of(target, source.crown, source.crop.picture.width)
    return source.appearance.picture, source.head, head


def write_site(site: Path, tensors: dict[str, Any]) -> None:
    """What the page asks for beside the graphs."""
    copy_static(site)
    (site / "index.html").write_text("<!doctype html><title>Faces</title>", encoding="utf-8")
    (site / FACTS).write_text(json.dumps(runtime_facts(site)), encoding="utf-8")
    (site / "inputs").mkdir()
    for name, array in tensors.items():
        (site / "inputs" / f"{name}.bin").write_bytes(np.ascontiguousarray(array).tobytes())


@torch.inference_mode()
def difference(page: InPage, pipe: FacesPipeline, inputs: tuple[Any, ...]) -> int:
    """Grey levels by which a pixel of any exit differs at most."""
    begun, found = pipe.model.start(*inputs), 0
    for exit_index in range(1, pipe.model.exits + 1):
        image, begun = pipe.model.render(begun, exit_index)
        expected = ((image[0].permute(1, 2, 0) + 1) * 127.5).round().reshape(-1, 3).numpy()
        found = max(found, int(np.abs(page.picture(exit_index) - expected).max()))
    return found


def table(pipe: FacesPipeline, columns: dict[str, list[Row]]) -> str:
    """Medians, and each exit's share of full depth, as Markdown."""
    names = ["reading a source", *(f"exit {n}" for n in range(1, pipe.model.exits)), "full depth"]
    lines = ["| | MACs | " + " | ".join(columns) + " |", "| --- " * (2 + len(columns)) + "|"]
    for index, name in enumerate(names):
        cells = [f"{pipe.config.costs.ratio(index):.1%}" if index else ""]
        for rows in columns.values():
            took, full = (median(row[place] for row in rows) for place in (index, -1))
            cells.append(f"{took:.0f} ms, {took / full:.0%}" if index else f"{took:.0f} ms")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--made", type=Path, help="folder of `fiancee-hub export`")
    parser.add_argument("--page", type=Path, help="where the table goes as well")
    options = parser.parse_args()
    torch.set_num_threads(1)
    pipe = FacesPipeline.from_pretrained(options.checkpoint)
    unread = unread_inputs(pipe)
    inputs = pipe.model.trunk.read_ahead(*unread)
    tensors = {f"input-{i}": tensor.numpy() for i, tensor in enumerate(leaves(inputs))}
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder)
        if options.made:
            shutil.copytree(options.made, site / MODEL)
        else:
            export_checkpoint(options.checkpoint, site / MODEL)
        write_site(site, tensors)
        with hosting(site) as url, browsing() as browser:
            page = InPage(browser, f"{url}/")
            places: dict[str, Any] = {
                "chromium, WebAssembly": page,
                "ONNX Runtime": InRuntime(site / MODEL, tensors),
                "PyTorch": InTorch(pipe, unread),
            }
            rounds = [
                {name: place.round(pipe.model.exits) for name, place in places.items()}
                for _ in range(options.rounds + WARM_UP)
            ][WARM_UP:]
            most = difference(page, pipe, inputs)
            graphs = read_manifest(site / MODEL)["graphs"]
    text = table(pipe, {name: [found[name] for found in rounds] for name in places})
    megabytes = sum(graph["bytes"] for graph in graphs) / 1e6
    text += f"\n\nAll graphs are {megabytes:.1f} MB; no pixel of the page's pictures is more than "
    text += f"{most} of 255 off PyTorch's.\n"
    sys.stdout.write(text)
    if options.page:
        figures.write(options.page, "web-faces", text, ["faces"])


if __name__ == "__main__":
    main()
