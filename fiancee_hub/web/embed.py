"""The folder that a writer puts beside a post: graphs, runtime, element, examples and a poster."""

import html
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from fiancee_hub.backends.export import Precision
from fiancee_hub.core.errors import InputError
from fiancee_hub.core.files import replacing, sha256_of, write_bytes, write_picture, write_text
from fiancee_hub.core.marking import encoded
from fiancee_hub.families.label_maps.classes import to_rgb
from fiancee_hub.families.label_maps.pipeline import LabelMapPipeline
from fiancee_hub.hub.examples import example_file
from fiancee_hub.hub.exporting import export_checkpoint

STATIC = Path(__file__).with_name("static")
RUNTIME = "vendor/ort-wasm-simd-threaded.wasm"
FORMAT = 1
FACTS, PAGE, POSTER, MODEL = "embed.json", "index.html", "poster.webp", "model"
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
    folder: Path, target: Path, *, precision: Precision = "fp16", budget: float = 0.1
) -> Embed:
    """Writes a page that runs a checkpoint of label maps in its reader's browser.

    Args:
        folder: of the checkpoint; it must have example maps.
        target: folder to write; files of the same names are replaced.
        precision: of the stored weights.
        budget: LPIPS of the poster's early exit.

    Raises:
        InputError: it has no examples, no early exits, or is of a family that cannot be exported.
    """
    pipe = LabelMapPipeline.from_pretrained(folder)
    domain = pipe.config.domain
    if not domain.examples or not pipe.config.exits:
        raise InputError(
            f"{folder} has no early exits or no example maps: an embed shows both; train its "
            "branches, or give the config's domain examples"
        )
    manifest = export_checkpoint(folder, target / MODEL, precision, distance=True)
    _copy_static(target)
    for example in domain.examples:
        path = target / example.file
        path.parent.mkdir(exist_ok=True)
        drawn = to_rgb(pipe.read(example_file(folder, example)).ids, pipe.config.classes)
        write_picture(drawn, path, "png", optimize=True)
    poster, caption = _poster(pipe, example_file(folder, domain.examples[0]), budget)
    write_bytes(target / POSTER, encoded(poster, "WEBP", quality=85))
    first = first_bytes(manifest) + (target / RUNTIME).stat().st_size
    facts = {
        "format": FORMAT,
        "title": domain.title or folder.name,
        "runtime": _entry(target / RUNTIME, RUNTIME),
        "first_bytes": first,
        "examples": [{"file": one.file, "title": one.title} for one in domain.examples],
    }
    write_text(target / FACTS, json.dumps(facts, indent=1) + "\n")
    page = (STATIC / PAGE).read_text(encoding="utf-8")
    words = {"title": html.escape(str(facts["title"])), "caption": html.escape(caption)}
    width, height = poster.size
    write_text(target / PAGE, page.format(width=width, height=height, **words))
    files = [path for path in target.rglob("*") if path.is_file()]
    return Embed(target, first, sum(path.stat().st_size for path in files))


def first_bytes(manifest: dict[str, Any]) -> int:
    """Bytes of the graphs that exit 1 runs."""
    stages = {f"stage-{number}" for number in range(1, manifest["exits"][0]["stage"] + 1)}
    names = {"condition", "predictor", "guides", "branch-1", *stages}
    return sum(graph["bytes"] for graph in manifest["graphs"] if graph["name"] in names)


def _copy_static(target: Path) -> None:
    for path in sorted(STATIC.rglob("*")):
        if path.is_file() and path.name != PAGE:
            copy = target / path.relative_to(STATIC)
            copy.parent.mkdir(parents=True, exist_ok=True)
            _copy(path, copy)


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as partial:
        shutil.copyfile(source, partial)


def _entry(path: Path, name: str) -> dict[str, Any]:
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
