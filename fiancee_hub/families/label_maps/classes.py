"""The classes of label maps, and maps shown in their colours."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fiancee_hub.core.domain import ClassEntry
from fiancee_hub.core.errors import InputError
from fiancee_hub.families.label_maps.colours import Bytes

__all__ = ["ClassEntry", "class_named", "coloured", "to_palette_image", "to_rgb"]


def to_palette_image(ids: Bytes, classes: Sequence[ClassEntry]) -> Image.Image:
    """A palette picture (mode "P") of class ids (height, width): pixels are ids, shown coloured."""
    image = Image.fromarray(np.asarray(ids, np.uint8))
    image.putpalette(_colour_table(classes).tobytes())
    return image


def to_rgb(ids: Bytes, classes: Sequence[ClassEntry]) -> Image.Image:
    """An RGB picture of class ids (height, width) in the class colours."""
    return Image.fromarray(_colour_table(classes)[np.asarray(ids)])


def class_named(classes: Sequence[ClassEntry], name: str) -> ClassEntry:
    """The class of that name.

    Raises:
        InputError: there is none.
    """
    for entry in classes:
        if entry.name == name:
            return entry
    names = ", ".join(entry.name for entry in classes)
    raise InputError(f"there is no class {name!r}: choose one of {names}")


def _colour_table(classes: Sequence[ClassEntry]) -> Bytes:
    table = np.zeros((max(entry.id for entry in classes) + 1, 3), np.uint8)
    for entry in classes:
        table[entry.id] = entry.colour
    return table


def coloured(label_maps: Tensor, classes: Sequence[ClassEntry]) -> Tensor:
    """Class ids (batch, height, width) in class colours, (batch, 3, height, width) in [-1, 1]."""
    palette = torch.tensor([entry.colour for entry in classes]) / 127.5 - 1
    return palette[label_maps.long()].permute(0, 3, 1, 2)
