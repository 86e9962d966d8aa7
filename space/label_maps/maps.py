"""Label maps of the demo: a checkpoint's examples, the blank map, and what the editor holds."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fiancee_hub.core.errors import InputError
from fiancee_hub.core.pictures import decoding
from fiancee_hub.families.label_maps.classes import ClassEntry, to_rgb
from fiancee_hub.families.label_maps.pipeline import StreetsPipeline
from fiancee_hub.hub.examples import example_file
from space.page.files import stored

FOLDER = Path(__file__).parents[1] / "examples"
"""Maps that we have drawn, in a folder for each domain."""

EMPTY = "The map is empty: choose an example, start a blank map or upload one."


@dataclass(frozen=True)
class ExampleMap:
    """A drawn label map and what it is called."""

    path: Path
    title: str


def examples_of(pipe: StreetsPipeline) -> tuple[ExampleMap, ...]:
    """Those that the checkpoint brings along, or else those that we have drawn for its domain."""
    domain, folder = pipe.config.domain, pipe.loaded_from
    if domain.examples and folder:
        return tuple(ExampleMap(example_file(folder, e), e.title) for e in domain.examples)
    return examples(domain.name) if domain.name else ()


def examples(domain: str = "streets") -> tuple[ExampleMap, ...]:
    """Files such as ``2-open-road.png``, in order, called "Open road"."""
    files = sorted((FOLDER / domain).glob("[!.]*.png"))
    return tuple(ExampleMap(f, _title(f.stem)) for f in files)


def _title(stem: str) -> str:
    return stem.partition("-")[2].replace("-", " ").capitalize()


def blank(classes: Sequence[ClassEntry], size: tuple[int, int]) -> Image.Image:
    """Nothing but sky (or the first class, if there is no sky)."""
    entry = next((entry for entry in classes if entry.name == "sky"), classes[0])
    return to_rgb(np.full(size, entry.id, np.uint8), classes)


def drawing(address: str) -> Image.Image:
    """The map that the page's script has read from the editor: the PNG in a ``data:`` address.

    Raises:
        InputError: there is none.
    """
    if not address:
        raise InputError(EMPTY)
    with decoding("The drawing"):
        content = base64.b64decode(address.partition(",")[2], validate=True)
        return Image.open(io.BytesIO(content), formats=["PNG"])


def editor_value(picture: Image.Image) -> dict[str, Any]:
    """A picture to draw on, as an ImageEditor takes it."""
    return {"background": stored(picture, "map", marked=False), "layers": [], "composite": None}
