"""Label maps warped at random, at the generator's input alone (arXiv 2011.12636).

The photograph stays: the generator learns that borders need not be exact.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

CELLS = 4, 5
"""Rows and columns of the displacements between which the field is smooth."""


def warped(labels: Tensor, strength: float, random: torch.Generator) -> Tensor:
    """Label maps whose borders are moved smoothly.

    Args:
        labels: class ids (batch, height, width).
        strength: standard deviation of the displacement, in pixels.
        random: a generator on the labels' device.
    """
    batch, height, width = labels.shape
    device = labels.device
    coarse = torch.randn(batch, 2, *CELLS, generator=random, device=device) * strength
    field = F.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=True)
    rows = torch.arange(height, device=device)[:, None] + field[:, 0]
    columns = torch.arange(width, device=device) + field[:, 1]
    items = torch.arange(batch, device=device)[:, None, None]
    return labels[
        items, rows.round().long().clamp(0, height - 1), columns.round().long().clamp(0, width - 1)
    ]
