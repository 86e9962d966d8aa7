"""A label map as a network reads it: cells of 2x2 pixels, one-hot, and a pyramid of shares."""

from functools import lru_cache

import torch
from torch import Tensor

from fiancee_hub.core.remembered import being_traced


def folded(maps: Tensor) -> Tensor:
    """(batch, height, width) as (batch, 4, height / 2, width / 2): each 2x2 cell's pixels."""
    batch, height, width = maps.shape
    pairs = maps.view(batch, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3)
    return pairs.reshape(batch, 4, height // 2, width // 2)


def unfolded(cells: Tensor) -> Tensor:
    """Undoes ``folded``."""
    batch, _, height, width = cells.shape
    pairs = cells.view(batch, 2, 2, height, width).permute(0, 3, 1, 4, 2)
    return pairs.reshape(batch, 2 * height, 2 * width)


def one_hot(ids: Tensor, classes: int, *, coordinates: bool) -> Tensor:
    """Class ids, whole numbers (batch, height, width), one-hot in their type: (batch, channels,
    height, width), channels last in memory; with ``coordinates`` y and x follow the classes.

    ``F.one_hot`` checks every pixel and fills 64-bit integers: half of a cheap exit's time.
    """
    batch, height, width = ids.shape
    if being_traced():
        # No exporter takes every kind of scattering.
        known = (ids[..., None] == torch.arange(classes, device=ids.device)).to(ids.dtype)
        axes = _axes(height, width, ids) if coordinates else ()
        beside = [axis.expand(batch, height, width)[..., None] for axis in axes]
        return torch.cat([known, *beside], 3).permute(0, 3, 1, 2)
    blank, first = kept_blank(height, width, classes, coordinates, ids.dtype, ids.device)
    labels = blank.expand(batch, -1, -1, -1).clone(memory_format=torch.contiguous_format)
    labels.view(batch, -1).scatter_(1, (ids.long() + first).flatten(1), 1)
    return labels.permute(0, 3, 1, 2)


def one_hot_cells(cells: Tensor, classes: int, *, coordinates: bool) -> Tensor:
    """The same of ``folded`` class ids: (batch, 4 · channels, height / 2, width / 2), each cell's
    pixels one after another in the channels."""
    labels = one_hot(unfolded(cells), classes, coordinates=coordinates)
    return pixels_in_channels(labels)


def pixels_in_channels(labels: Tensor) -> Tensor:
    """(batch, channels, height, width) as (batch, 4 · channels, height / 2, width / 2), channels
    last in memory, each 2x2 cell's pixels one after another in the channels."""
    batch, channels, height, width = labels.shape
    size = batch, height // 2, 2, width // 2, 2, channels
    rows = labels.permute(0, 2, 3, 1).reshape(size).transpose(2, 3)
    return rows.reshape(batch, height // 2, width // 2, 4 * channels).permute(0, 3, 1, 2)


@lru_cache(maxsize=16)
def kept_blank(
    height: int,
    width: int,
    classes: int,
    coordinates: bool,
    dtype: torch.dtype,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """No class anywhere, with coordinates where they are wanted: (1, height, width, channels), not
    to be written to; and where the first class of each pixel stands in that, (height, width)."""
    # In a caller's inference mode they would become tensors that stop later gradients.
    with torch.inference_mode(False), torch.no_grad():
        channels = classes + 2 * coordinates
        blank = torch.zeros(1, height, width, channels, dtype=dtype, device=device)
        if coordinates:
            blank[..., classes], blank[..., classes + 1] = _axes(height, width, blank)
        first = channels * torch.arange(height * width, device=device)
        return blank, first.view(height, width)


def class_shares(cells: Tensor, classes: int, levels: int) -> list[Tensor]:
    """Class shares per cell with y and x after them, each (batch, classes + 2, h, w), coarse to
    fine: a pole thinner than a cell still shows in it.

    Sums of a few slices, exact in float32: ``sum`` and ``mean`` over short inner dimensions take
    four times as long.

    Args:
        cells: class ids, ``folded``.
        classes: how many.
        levels: from the cells' own size to coarser ones.
    """
    level = _shares_of_cells(cells, classes)
    pyramid = [level]
    for _ in range(levels - 1):
        batch, height, width, channels = level.shape
        rows = level.view(batch, height // 2, 2, width // 2, 2, channels)
        pairs = rows[:, :, 0].float() + rows[:, :, 1]
        level = ((pairs[:, :, :, 0] + pairs[:, :, :, 1]) * 0.25).to(level.dtype)
        level[..., classes], level[..., classes + 1] = _axes(height // 2, width // 2, level)
        pyramid.append(level)
    return [level.permute(0, 3, 1, 2) for level in pyramid[::-1]]


def _shares_of_cells(cells: Tensor, classes: int) -> Tensor:
    batch, _, height, width = cells.shape
    if being_traced():
        one, two, three, four = (
            one_hot(part, classes, coordinates=True).permute(0, 2, 3, 1) for part in cells.unbind(1)
        )
        return ((one + two) + (three + four)) * 0.25
    blank, first = kept_blank(height, width, classes, True, cells.dtype, cells.device)
    shares = blank.expand(batch, -1, -1, -1).clone(memory_format=torch.contiguous_format)
    places = (cells.long() + first).flatten(1)
    quarters = torch.full_like(places, 0.25, dtype=cells.dtype)
    shares.view(batch, -1).scatter_add_(1, places, quarters)
    return shares


def _axes(height: int, width: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """y (height, 1) and x (1, width), each from -1 to 1."""
    y = torch.linspace(-1, 1, height, device=like.device, dtype=like.dtype)
    x = torch.linspace(-1, 1, width, device=like.device, dtype=like.dtype)
    return y[:, None], x[None]
