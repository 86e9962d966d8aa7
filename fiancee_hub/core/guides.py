"""The guide bank: what full depth made of a similar training example (FIANCEE, CVPR 2023)."""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from fiancee_hub.core.precision import Float32Module, full_precision
from fiancee_hub.core.remembered import Remembered, being_traced

KEY_CELLS = (3, 4)
"""Rows and columns that the first stage's features are averaged to for a key."""


class Guide(NamedTuple):
    """What a look-up returns: values (batch, channels, h, w) and the entries that they are of:
    one for the whole picture (batch,), or one for each pixel (batch, pixels of a cell, h, w)."""

    values: Tensor
    entries: Tensor


class GuideBank(Float32Module):
    """Nearest key by cosine; its value goes to every branch. Stays float32, so that the same key
    is the nearest.

    Args:
        entries: number of training examples.
        channels: channels of the features that leave the first stage.
        value_shape: (channels, height, width) of a guiding feature.
    """

    keys: Tensor
    centre: Tensor
    values: Tensor

    def __init__(self, entries: int, channels: int, value_shape: tuple[int, int, int]) -> None:
        super().__init__()
        width = channels * KEY_CELLS[0] * KEY_CELLS[1]
        self.register_buffer("keys", torch.zeros(entries, width))
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("values", torch.zeros(entries, *value_shape))

    def describe(self, features: Tensor) -> Tensor:
        """First-stage features (batch, channels, h, w) to unit keys (batch, width)."""
        pooled = F.adaptive_avg_pool2d(features.float(), KEY_CELLS).flatten(1)
        return F.normalize(pooled - self.centre, dim=1)

    def forward(self, features: Tensor, *, rank: int = 0) -> Guide:
        """Looks up the guide of first-stage features; ``rank`` 1 is the second nearest, …"""
        with full_precision(features):
            similarity = F.linear(self.describe(features), self.keys)
        entries = similarity.topk(rank + 1).indices[:, rank] if rank else similarity.argmax(1)
        return Guide(self.values[entries].to(features.dtype), entries)


class RegionBank(Float32Module):
    """What full depth makes, on average, of a region at a place: of road here, of sky there.

    A look-up takes each pixel from the entry of the region that it belongs to, so it costs next to
    nothing. Textures depend on the place, and a picture on average shows them.

    Args:
        regions: how many there are.
        value_shape: (channels, height, width); the channels are the colours of a cell's pixels,
            as ``F.pixel_unshuffle`` folds them.
    """

    values: Tensor

    def __init__(self, regions: int, value_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.register_buffer("values", torch.zeros(regions, *value_shape))
        self._table = Remembered()

    def forward(self, regions: Tensor) -> Guide:
        """Looks up the guide of integer maps (batch, pixels of a cell, h, w)."""
        pixels = regions.shape[1]
        if being_traced():
            colours = self.values.shape[1] // pixels
            values = self.values.gather(0, regions.repeat(1, colours, 1, 1))
            return Guide(values.contiguous(memory_format=torch.channels_last), regions)
        table, first = self._table.of((self.values,), partial(_table, pixels=pixels))
        found = table.index_select(0, (regions + first).flatten()).unflatten(0, regions.shape)
        values = found.permute(0, 4, 1, 2, 3).flatten(1, 2)
        return Guide(values.contiguous(memory_format=torch.channels_last), regions)


def _table(values: Tensor, pixels: int) -> tuple[Tensor, Tensor]:
    """A row of colours for every pixel and region, and the first row of each pixel, (pixels, h,
    w): to pick rows takes half of the time of ``gather``, which picks every number."""
    by_pixel = values.unflatten(1, (-1, pixels)).permute(2, 3, 4, 0, 1)
    places = by_pixel.shape[:3]
    first = len(values) * torch.arange(places.numel(), device=values.device).view(places)
    return by_pixel.flatten(0, 3).contiguous(), first


def value_of(image: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Guiding feature of full-depth images (batch, 3, height, width): a small copy of each,
    its pixels folded into the channels of ``shape`` (channels, h, w)."""
    channels, height, width = shape
    fold = round((channels // 3) ** 0.5)
    small = F.interpolate(image, size=(height * fold, width * fold), mode="area")
    return F.pixel_unshuffle(small, fold)
