"""Photographs and label maps in memory, and the batches drawn from them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fiancee_hub.core.errors import DataError
from fiancee_hub.core.pictures import rgb_of
from fiancee_hub.core.pixels import signed
from fiancee_hub.families.label_maps.classes import ClassEntry
from fiancee_hub.families.label_maps.framing import cut, framed
from fiancee_hub.families.label_maps.training.class_table import (
    TABLE,
    ClassTable,
    Draw,
    MapDomain,
    domain_of,
    read_table,
)
from fiancee_hub.families.label_maps.training.units import units_of

CROP_MARGIN = 1.08
"""Pictures are loaded this much larger than the output, for random crops."""


@dataclass(frozen=True)
class DataFolder:
    """A folder in the layout that ``own_data.folder`` documents.

    Args:
        root: the folder.
        domains: of ours; the one with the same classes adds what the folder does not say.
    """

    root: Path
    domains: tuple[MapDomain, ...] = ()

    def __post_init__(self) -> None:
        if not (self.root / TABLE).is_file():
            raise DataError(f"{self.root} has no {TABLE}: run `train prepare` first")

    @cached_property
    def table(self) -> ClassTable:
        return read_table(self.root / TABLE, self.domains)

    @property
    def domain(self) -> MapDomain | None:
        """The domain that has the folder's classes."""
        return domain_of(self.table.entries, self.domains)

    @property
    def draw(self) -> Draw | None:
        """Draws label maps of these classes; None where they cannot be drawn."""
        return self.domain.draw if self.domain else None

    @property
    def classes(self) -> tuple[ClassEntry, ...]:
        return self.table.entries

    def names(self, split: str) -> list[str]:
        path = self.root / "splits" / f"{split}.txt"
        if not path.is_file():
            raise DataError(
                f"{path} is missing: list the names of its pictures there, one a line; data of "
                "your own go through `train prepare` first"
            )
        return path.read_text(encoding="utf-8").splitlines()

    def units(self, split: str) -> list[str]:
        """The independent thing that each picture of a split stands for, see ``units_of``."""
        names = self.names(split)
        return units_of(names) if self.table.films else names

    def splits(self, prefix: str) -> list[str]:
        """Names of the splits that start with ``prefix``, sorted."""
        return sorted(path.stem for path in (self.root / "splits").glob(f"{prefix}*.txt"))

    def label_maps(self, split: str, size: tuple[int, int]) -> Tensor:
        """Class ids of a split, uint8 (n, height, width), resized by nearest class."""
        names = self.names(split)
        found = torch.empty(len(names), *size, dtype=torch.uint8)
        for place, name in zip(found, names, strict=True):
            place.copy_(self._label_map(name, size))
        return found

    def images(self, split: str, size: tuple[int, int]) -> Tensor:
        """Photographs of a split, uint8 (n, 3, height, width)."""
        names = self.names(split)
        # Filled row by row: a large data set must fit into memory once, not twice.
        found = torch.empty(len(names), 3, *size, dtype=torch.uint8)
        for place, name in zip(found, names, strict=True):
            place.copy_(self._image(name, size))
        return found

    def _label_map(self, name: str, size: tuple[int, int]) -> Tensor:
        with Image.open(self.root / "labels" / f"{name}.png") as image:
            return torch.from_numpy(np.array(framed(image, size), np.uint8))

    def _image(self, name: str, size: tuple[int, int]) -> Tensor:
        with Image.open(self.root / "images" / f"{name}.jpg") as image:
            part = cut(rgb_of(image), size)
            resized = part.resize(size[::-1], Image.Resampling.LANCZOS)
        return torch.from_numpy(np.array(resized, np.uint8)).permute(2, 0, 1)


def enlarged(size: tuple[int, int]) -> tuple[int, int]:
    """The size that pictures are loaded at when crops of ``size`` are drawn from them."""
    return round(size[0] * CROP_MARGIN), round(size[1] * CROP_MARGIN)


def random_crops(
    tensors: tuple[Tensor, ...], size: tuple[int, int], generator: torch.Generator
) -> tuple[Tensor, ...]:
    """The same random window and flip of every tensor, one for each item.

    Args:
        tensors: (batch, channels, height, width) or (batch, height, width), all of one size.
        size: height and width of the windows.
        generator: on the tensors' device.
    """
    first = tensors[0]
    device, batch = first.device, len(first)
    room = [whole - part + 1 for whole, part in zip(first.shape[-2:], size, strict=True)]
    draws = torch.rand(3, batch, 1, generator=generator, device=device)
    rows = (draws[0] * room[0]).long() + torch.arange(size[0], device=device)
    across = torch.arange(size[1], device=device)
    columns = (draws[1] * room[1]).long() + torch.where(draws[2] < 0.5, across.flip(0), across)
    items = torch.arange(batch, device=device)[:, None, None]
    windows = items, rows[:, :, None], columns[:, None]
    return tuple(
        tensor[windows] if tensor.dim() == 3 else tensor.movedim(1, -1)[windows].movedim(-1, 1)
        for tensor in tensors
    )


def to_signed(images: Tensor) -> Tensor:
    """uint8 images to float in [-1, 1], channels last in memory."""
    return signed(images).contiguous(memory_format=torch.channels_last)
