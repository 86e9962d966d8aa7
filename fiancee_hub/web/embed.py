"""The folder that a writer puts beside a post: graphs, runtime, element, examples and a poster."""

import html
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
from PIL import Image

from fiancee_hub.backends.export import Precision
from fiancee_hub.core.errors import InputError
from fiancee_hub.core.files import (
    replacing,
    sha256_of,
    told,
    write_bytes,
    write_picture,
    write_text,
)
from fiancee_hub.core.marking import encoded
from fiancee_hub.core.router import check_budget
from fiancee_hub.families.label_maps.classes import to_rgb
from fiancee_hub.families.label_maps.pipeline import LabelMapPipeline
from fiancee_hub.hub.examples import example_file
from fiancee_hub.hub.exporting import export_checkpoint
from fiancee_hub.hub.saving import CARD
from fiancee_hub.web.runtimes import WEBASSEMBLY, WEBGPU, Runtime, add_webgpu

STATIC = Path(__file__).with_name("static")
FORMAT = 2
FACTS, PAGE, POSTER, MODEL = "embed.json", "index.html", "poster.webp", "model"
GOLDEN = "golden.bin"
RUNTIMES = {"wasm": WEBASSEMBLY}
GAP = 8
"""Pixels between the pictures of the poster."""


@dataclass(frozen=True)
class Embed:
    """What was written.

    Args:
        folder: with the page and everything it needs.
        first_bytes: what a reader fetches before the first picture.
        all_bytes: the whole folder.
    """

    folder: Path
    first_bytes: int
    all_bytes: int


def embed(
    folder: Path,
    target: Path,
    *,
    precision: Precision = "fp16",
    budget: float = 0.1,
    webgpu: bool = False,
) -> Embed:
    """Writes a page that runs a checkpoint of label maps in its reader's browser.

    Args:
        folder: of the checkpoint; it must have example maps.
        target: folder to write, or a name that ends in ``.zip`` for all of it in one file; files
            of the same names are replaced.
        precision: of the stored weights.
        budget: LPIPS of the poster's early exit.
        webgpu: add the runtime that uses the reader's graphics processor, fetched with npm, and
            pictures by which it is judged there.

    Raises:
        CheckpointError: an example is missing, or not what the config says.
        OutputError: the ``.zip`` file cannot be written there.
        InputError: the budget is out of range; it has no examples, no early exits, or is of a
            family that cannot be exported; npm is missing, or brought other files than the known
            ones.
    """
    if target.suffix == ".zip":
        return _zipped(folder, target, precision=precision, budget=budget, webgpu=webgpu)
    check_budget(budget)
    pipe = LabelMapPipeline.from_pretrained(folder)
    domain = pipe.config.domain
    if not domain.examples or not pipe.config.exits:
        raise InputError(
            f"{folder} has no early exits or no example maps: an embed shows both; train its "
            "branches, or give the config's domain examples"
        )
    # First what may fail: the graphs take long to write.
    maps = [example_file(folder, example) for example in domain.examples]
    if webgpu:
        add_webgpu(target)
    manifest = export_checkpoint(folder, target / MODEL, precision, distance=True)
    if (folder / CARD).is_file():  # The terms of the weights go where they go.
        _copy(folder / CARD, target / MODEL / CARD)
    copy_static(target)
    for example, drawn_map in zip(domain.examples, maps, strict=True):
        _write_example(pipe, drawn_map, target / example.file)
    poster, caption = _poster(pipe, maps[0], budget)
    write_bytes(target / POSTER, encoded(poster, "WEBP", quality=85))
    runtimes = RUNTIMES | ({"webgpu": WEBGPU} if webgpu else {})
    runtime_bytes = (target / WEBASSEMBLY.binary).stat().st_size
    first = first_bytes(manifest) + runtime_bytes
    facts = {
        **runtime_facts(target, runtimes),
        "title": domain.title or folder.name,
        "first_bytes": first,
        "full_bytes": full_bytes(manifest) + runtime_bytes,
        "examples": [{"file": one.file, "title": one.title} for one in domain.examples],
    }
    if webgpu:
        write_bytes(target / GOLDEN, golden(pipe, maps[0]))
        facts["golden"] = {**_entry(target, GOLDEN), "seed": 0}
    write_text(target / FACTS, json.dumps(facts, indent=1) + "\n")
    _write_page(target, domain.title or folder.name, caption, poster.size)
    files = [path for path in target.rglob("*") if path.is_file()]
    return Embed(target, first, sum(path.stat().st_size for path in files))


def _zipped(folder: Path, target: Path, **options: Any) -> Embed:
    """The same in one file, in a folder of its name."""
    with told(target):  # Before the work, like everything that may fail.
        target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        made = embed(folder, Path(place) / target.stem, **options)
        with replacing(target) as partial, ZipFile(partial, "w", ZIP_DEFLATED) as packed:
            for path in sorted(made.folder.rglob("*")):
                packed.write(path, path.relative_to(place))
    return Embed(target, made.first_bytes, made.all_bytes)


def first_bytes(manifest: dict[str, Any]) -> int:
    """Bytes of the graphs that exit 1 runs."""
    return _bytes(manifest, _first(manifest))


def full_bytes(manifest: dict[str, Any]) -> int:
    """Bytes of the graphs that exit 1 and full depth run."""
    stages = {graph["name"] for graph in manifest["graphs"] if graph["name"].startswith("stage-")}
    return _bytes(manifest, _first(manifest) | stages | {"image"})


def _first(manifest: dict[str, Any]) -> set[str]:
    stages = {f"stage-{number}" for number in range(1, manifest["exits"][0]["stage"] + 1)}
    return {"condition", "predictor", "guides", "branch-1", *stages}


def _bytes(manifest: dict[str, Any], names: set[str]) -> int:
    return sum(graph["bytes"] for graph in manifest["graphs"] if graph["name"] in names)


def golden(pipe: LabelMapPipeline, path: Path) -> bytes:
    """A map and its pictures by every exit, with seed 0.

    Returns:
        the classes, one byte a pixel, and then each exit's red, green and blue, row by row.
    """
    rendering = pipe.prepare(path, seed=0)
    exits = range(1, pipe.model.exits + 1)
    pictures = [np.asarray(rendering.result(exit_index).image) for exit_index in exits]
    ids = np.asarray(pipe.read(path).ids, np.uint8)
    return b"".join(array.tobytes() for array in (ids, *pictures))


def _write_example(pipe: LabelMapPipeline, label_map: Path, path: Path) -> None:
    """An example in the class colours."""
    path.parent.mkdir(exist_ok=True)
    drawn = to_rgb(pipe.read(label_map).ids, pipe.config.classes)
    write_picture(drawn, path, "png", optimize=True)


def _write_page(target: Path, title: str, caption: str, size: tuple[int, int]) -> None:
    """The page that shows the embed on its own; ``size`` is the poster's."""
    page = (STATIC / PAGE).read_text(encoding="utf-8")
    words = {"title": html.escape(title), "caption": html.escape(caption)}
    write_text(target / PAGE, page.format(width=size[0], height=size[1], **words))


def copy_static(target: Path) -> None:
    """Puts scripts, styles and the runtime into a folder."""
    for path in sorted(STATIC.rglob("*")):
        if path.is_file() and path.name != PAGE:
            copy = target / path.relative_to(STATIC)
            copy.parent.mkdir(parents=True, exist_ok=True)
            _copy(path, copy)


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as partial:
        shutil.copyfile(source, partial)


def runtime_facts(target: Path, runtimes: Mapping[str, Runtime] = RUNTIMES) -> dict[str, Any]:
    """What a page's script must know before it loads a model.

    Args:
        target: the folder that has the runtimes.
        runtimes: by the name of what they compute on.
    """
    return {
        "format": FORMAT,
        "runtimes": {name: _files(target, runtime) for name, runtime in runtimes.items()},
    }


def _files(target: Path, runtime: Runtime) -> dict[str, Any]:
    """Script and binary of a runtime; a page asks for both by their digests."""
    return {"module": _entry(target, runtime.module), "binary": _entry(target, runtime.binary)}


def _entry(target: Path, name: str) -> dict[str, Any]:
    path = target / name
    return {"file": name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}


def _poster(pipe: LabelMapPipeline, path: Path, budget: float) -> tuple[Image.Image, str]:
    """Map, early exit and full depth side by side, and what they are."""
    rendering = pipe.prepare(path, seed=0)
    early = rendering.result(rendering.route(budget))
    full = rendering.result(pipe.model.exits)
    shown = [to_rgb(pipe.read(path).ids, pipe.config.classes), early.image, full.image]
    width, height = early.image.size
    poster = Image.new("RGB", (3 * width + 2 * GAP, height), "white")
    for place, picture in enumerate(shown):
        poster.paste(picture.resize((width, height)), (place * (width + GAP), 0))
    share = early.macs / full.macs
    caption = (
        f"A label map, its picture by exit {early.exit} of {pipe.model.exits} with "
        f"{share:.0%} of the computation, and by full depth."
    )
    return poster, caption
