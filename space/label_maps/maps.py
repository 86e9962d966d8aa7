"""Label maps of the demo: the drawn examples, the blank map, and what the editor holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fiancee_hub.core.errors import InputError
from fiancee_hub.families.label_maps.classes import ClassEntry, class_named, to_rgb
from space.page.files import stored

FOLDER = Path(__file__).parents[1] / "examples" / "streets"


@dataclass(frozen=True)
class Example:
    """A drawn label map and what it is called."""

    path: Path
    name: str


def examples(folder: Path = FOLDER) -> tuple[Example, ...]:
    """Files such as ``2-open-road.png``, in order, called "Open road"."""
    files = sorted(folder.glob("*.png"))
    return tuple(Example(f, _name(f.stem)) for f in files)


def _name(stem: str) -> str:
    return stem.partition("-")[2].replace("-", " ").capitalize()


def blank(classes: Sequence[ClassEntry], size: tuple[int, int]) -> Image.Image:
    """Nothing but sky (or the first class, if there is no sky)."""
    names = [entry.name for entry in classes]
    entry = class_named(classes, "sky") if "sky" in names else classes[0]
    return to_rgb(np.full(size, entry.id, np.uint8), classes)


def drawn(editor: Mapping[str, Any] | None) -> Image.Image:
    """The picture in an ImageEditor's value.

    Raises:
        InputError: there is none.
    """
    # Without a stroke there is no composite, only the background.
    picture = editor and (editor.get("composite") or editor.get("background"))
    if not isinstance(picture, Image.Image):
        raise InputError("The map is empty: choose an example, start a blank map or upload one.")
    return picture


def editor_value(picture: Image.Image) -> dict[str, Any]:
    """A picture to draw on, as an ImageEditor takes it."""
    return {"background": stored(picture, "map"), "layers": [], "composite": None}
