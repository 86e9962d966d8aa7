"""A label map as a network reads it: one-hot, folded to cells of 2x2 pixels, and its pyramid."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from fiancee_hub.core.remembered import being_traced


def one_hot_cells(
    label_map: Tensor, classes: int, dtype: torch.dtype, *, coordinates: bool
) -> Tensor:
    """Class ids (batch, height, width) one-hot, each 2x2 cell's pixels one after another in the
    channels, at half the size and channels last in memory; with ``coordinates`` y and x follow
    each pixel's classes.

    ``F.one_hot`` checks every pixel and fills 64-bit integers, and ``F.pixel_unshuffle`` copies
    between layouts: together they took half of a cheap exit's time.
    """
    batch, height, width = label_map.shape
    blank = _blank_cells if being_traced() else kept_blank_cells
    cells, places = blank(height, width, classes, coordinates, dtype, label_map.device)
    cells = cells.expand(batch, -1, -1, -1, -1).clone(memory_format=torch.contiguous_format)
    cells.view(batch, -1).scatter_(1, (label_map.long() + places).flatten(1), 1)
    return cells.flatten(3).permute(0, 3, 1, 2)


def _blank_cells(
    height: int,
    width: int,
    classes: int,
    coordinates: bool,
    dtype: torch.dtype,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """No class anywhere, with coordinates where they are wanted: (1, height / 2, width / 2, 4,
    classes and coordinates); and where the first class of each pixel stands in that, (height,
    width)."""
    length = classes + 2 * coordinates
    cells = torch.zeros(1, height // 2, width // 2, 4, length, dtype=dtype, device=device)
    if coordinates:
        y, x = _axes(height, width, cells)
        cells[..., classes] = _cells(y.expand(1, -1, width))
        cells[..., classes + 1] = _cells(x.expand(1, height, -1))
    first = length * torch.arange(height * width, device=device)
    # Two rows of pixels lie between each other there.
    rows = first.view(height // 2, width // 2, 2, 2).transpose(1, 2)
    return cells, rows.reshape(height, width)


@lru_cache(maxsize=8)
def kept_blank_cells(*place: Any) -> tuple[Tensor, Tensor]:
    """The same, not to be written to; making it for every map took 3 % of a cheap exit's time."""
    # In a caller's inference mode it would become a tensor that stops later gradients.
    with torch.inference_mode(False), torch.no_grad():
        return _blank_cells(*place)


def _cells(maps: Tensor) -> Tensor:
    """(batch, height, width) as (batch, height / 2, width / 2, 4)."""
    batch, height, width = maps.shape
    pairs = maps.reshape(batch, height // 2, 2, width // 2, 2).transpose(2, 3)
    return pairs.reshape(batch, height // 2, width // 2, 4)


def unfolded(cells: Tensor) -> Tensor:
    """Undoes the folding of ``one_hot_cells``: (batch, channels, height, width)."""
    batch, channels, height, width = cells.shape
    rows = cells.permute(0, 2, 3, 1).reshape(batch, height, width, 2, channels // 2)
    whole = rows.transpose(2, 3).reshape(batch, 2 * height, 2 * width, channels // 4)
    return whole.permute(0, 3, 1, 2)


def class_ids(cells: Tensor, classes: int) -> Tensor:
    """The class of every pixel, (batch, 4, height, width), of ``one_hot_cells``."""
    one_hot = cells.permute(0, 2, 3, 1).unflatten(3, (4, -1))
    # A product takes a tenth of the time of argmax; ids below 256 are exact in any type.
    ids = torch.arange(classes, dtype=one_hot.dtype, device=one_hot.device)
    ids = F.pad(ids, (0, one_hot.shape[-1] - classes))
    return (one_hot @ ids[:, None]).squeeze(4).long().permute(0, 3, 1, 2)


def class_shares(cells: Tensor, classes: int, levels: int) -> list[Tensor]:
    """Class shares per cell with y and x after them, coarse to fine: a pole thinner than a cell
    still shows in it.

    Sums of a few slices, exact in float32: ``sum`` and ``mean`` over short inner dimensions take
    four times as long.
    """
    batch, _, height, width = cells.shape
    one, two, three, four = cells.permute(0, 2, 3, 1).unflatten(-1, (4, -1)).unbind(3)
    level = (((one + two) + (three + four)) * 0.25)[..., :classes]
    pyramid = [_with_coordinates(level)]
    for _ in range(levels - 1):
        height, width = height // 2, width // 2
        rows = level.view(batch, height, 2, width, 2, classes)
        pairs = rows[:, :, 0].float() + rows[:, :, 1]
        level = ((pairs[:, :, :, 0] + pairs[:, :, :, 1]) * 0.25).to(level.dtype)
        pyramid.append(_with_coordinates(level))
    return pyramid[::-1]


def _axes(height: int, width: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """y (height, 1) and x (1, width), each from -1 to 1."""
    y = torch.linspace(-1, 1, height, device=like.device, dtype=like.dtype)
    x = torch.linspace(-1, 1, width, device=like.device, dtype=like.dtype)
    return y[:, None], x[None]


def _with_coordinates(shares: Tensor) -> Tensor:
    """(batch, height, width, classes) as (batch, classes + 2, height, width), channels last."""
    batch, height, width, classes = shares.shape
    labels = shares.new_empty(batch, height, width, classes + 2)
    labels[..., :classes] = shares
    labels[..., classes], labels[..., classes + 1] = _axes(height, width, shares)
    return labels.permute(0, 3, 1, 2)
