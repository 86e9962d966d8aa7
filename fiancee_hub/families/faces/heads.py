"""Heads in pictures, and the plain warp from one to another."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from fiancee_hub.core.precision import full_precision
from fiancee_hub.families.faces.warps import pixel_centres, sample, thin_plate_flow

MAP_CHANNELS = 10
"""Regions in a face map, see ``faces.outlines``."""

LANDMARKS = 478
CROWN_POINTS = 17
"""Points of a head's outline above the ears, see ``faces.motion``."""

MOUTH = 3
"""The one between the lips."""

CONTROL_POINTS = (
    10, 297, 284, 389, 454, 361, 397, 379, 400, 152, 176, 150, 172, 132, 234, 162, 54, 67,
    61, 91, 84, 314, 321, 291, 270, 267, 37, 40, 78, 88, 87, 317, 318, 308, 310, 312, 82, 80,
    33, 163, 145, 154, 133, 157, 159, 161, 263, 390, 374, 381, 362, 384, 386, 388,
    70, 105, 107, 52, 300, 334, 336, 282, 168, 6, 195, 4, 98, 327, 2, 50, 280, 205, 425, 151, 199,
    468, 473,
)  # fmt: skip
"""Landmarks that carry the flow."""

FLOW_SIDE = 64
"""Points a side of the shipped generator's flow."""

BORDER = 8
"""Points along each side of the picture that stay where they are."""


class Head(NamedTuple):
    """A head in a picture: everything in [-1, 1] of the picture, y down, z away.

    ``points`` (batch, 478, 3) landmarks; ``crown`` (batch, n, 3) outline of the head above the
    ears; ``pose`` (batch, 3, 4) canonical points to picture axes; ``map`` (batch, 10, size / 2,
    size / 2) regions, uint8.
    """

    points: Tensor
    crown: Tensor
    pose: Tensor
    map: Tensor


def landmark_flow(source: Head, target: Head, side: int) -> Tensor:
    """The plain warp: the face moves with its landmarks, the picture's border stays.

    Returns:
        (batch, 2, side, side): source position minus target position, in [-1, 1] units.
    """
    controls = [
        torch.cat([head.points[:, list(CONTROL_POINTS), :2], border_points(head.points)], 1)
        for head in (source, target)
    ]
    with full_precision(source.points):
        centres = pixel_centres(side, source.points)
        flow = thin_plate_flow(controls[0], controls[1], centres, centres)
    return flow.clamp(-1, 1)


def plain_warp(picture: Tensor, source: Head, target: Head) -> Tensor:
    """The source picture (batch, 3, size, size) along the landmarks' flow alone."""
    return sample(picture, landmark_flow(source, target, FLOW_SIDE))


def border_points(points: Tensor) -> Tensor:
    """Evenly spread points (batch, 4 * BORDER, 2) on the border of [-1, 1]²."""
    step = torch.linspace(-1, 1, BORDER + 1, dtype=points.dtype, device=points.device)[:-1]
    edge = torch.ones_like(step)
    sides = [(step, -edge), (edge, step), (-step, edge), (-edge, -step)]
    ring = torch.cat([torch.stack(side, 1) for side in sides])
    return ring.expand(len(points), -1, -1)


def as_shares(face_map: Tensor) -> Tensor:
    """A map of bytes as shares, 0 to 1."""
    return face_map.float() / 255


def at_side(face_map: Tensor, side: int) -> Tensor:
    """Shares (batch, channels, h, h) at another size."""
    if side > face_map.shape[2]:
        return F.interpolate(face_map, size=(side, side), mode="bilinear")
    return pooled(face_map, side)


def pooled(images: Tensor, side: int) -> Tensor:
    """Means of square cells of images (batch, c, h, h), ``side`` of them along a side."""
    height = images.shape[2]
    if height % side:
        return F.adaptive_avg_pool2d(images, side)
    if images.device.type == "cpu" and not torch.compiler.is_exporting():
        while images.shape[2] % (2 * side) == 0:
            images = _halved(images)
    return images if images.shape[2] == side else F.avg_pool2d(images, images.shape[2] // side)


def _halved(images: Tensor) -> Tensor:
    """Means of two by two pixels, in a sixth of the time that torch's pooling takes."""
    rows = images[:, :, ::2] + images[:, :, 1::2]
    return (rows[..., ::2] + rows[..., 1::2]) * 0.25
