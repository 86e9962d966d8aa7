"""Crops of mouth and eyes, all of one size."""

import torch
from torch import Tensor
from torch.nn import functional as F

from fiancee_hub.families.faces.landmarks.outlines import EYES, LIPS
from fiancee_hub.families.faces.warps import identity_grid

WIDENED = 1.25
"""Side of a crop in units of the longer side of its landmarks' box."""

LEAST = 0.06
"""Half a side, in [-1, 1] units: landmarks in one place make no crop."""

PARTS = {"mouth": LIPS, "left eye": EYES[0], "right eye": EYES[1]}
"""Landmarks of each; the sides are those of the image."""


def box(points: Tensor, part: str) -> tuple[Tensor, Tensor]:
    """Square around a part of a face.

    Args:
        points: landmarks (batch, 478, 2 or more) in [-1, 1].
        part: one of ``PARTS``.

    Returns:
        middle (batch, 2) and half the side (batch,).
    """
    seen = points[:, list(PARTS[part]), :2].float()
    low, high = seen.amin(1), seen.amax(1)
    return (low + high) / 2, ((high - low).amax(1) * WIDENED / 2).clamp(min=LEAST)


def crop(images: Tensor, points: Tensor, part: str, side: int) -> Tensor:
    """A part of the faces in images (batch, 3, h, w), (batch, 3, side, side)."""
    middle, half = box(points, part)
    grid = identity_grid(side, side, images) * half.view(-1, 1, 1, 1) + middle[:, None, None]
    return F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)


def crops(images: Tensor, points: Tensor, side: int) -> Tensor:
    """Mouths, then the eyes of the faces in images, (3 batch, 3, side, side)."""
    return torch.cat([crop(images, points, part, side) for part in PARTS])
