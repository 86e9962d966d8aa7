"""Turned squares of a picture: cutting them out and bringing points back.

Points are continuous pixels as in ``fiancee_hub.families.faces.landmarks.pose``.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fiancee_hub.families.faces.landmarks.pose import MESH_POINTS, Floats

MARGIN = 1.5
"""Side of the square that the mesh networks look at, over the side of the face's box."""

EYES = (33, 263)
"""Mesh points: outer eye corners, the one at the left of an upright image first."""


@dataclass(frozen=True, eq=False)
class Region:
    """A turned square of a picture."""

    centre: Floats
    """(2,), pixels."""

    side: float
    """Pixels."""

    angle: float
    """Radians, positive is clockwise as seen."""


def region_around(box: Floats, eyes: Floats) -> Region:
    """Region of a face's box (4,) that makes its eyes (2, 2) level."""
    low, high = box[:2], box[2:]
    centre = ((low + high) / 2).astype(np.float32)
    return Region(centre, MARGIN * float((high - low).max()), _angle(*eyes))


def region_of_landmarks(landmarks: Floats) -> Region:
    """Region of mesh landmarks (468 or more, 3), by their extent in the eyes' own axes."""
    angle = _angle(*landmarks[list(EYES), :2])
    cos, sin = math.cos(angle), math.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]], np.float32)
    level = landmarks[:MESH_POINTS, :2] @ turn.T
    low, high = level.min(axis=0), level.max(axis=0)
    centre = ((low + high) / 2 @ turn).astype(np.float32)
    return Region(centre, MARGIN * float((high - low).max()), angle)


def cut_out(image: Image.Image, region: Region, size: int) -> Floats:
    """A region as (1, 3, size, size), 0 to 1; black outside the RGB image."""
    matrix = _to_image(region, size)
    shrink = max(1, int(region.side / size))
    if shrink > 1:
        image, corner = _reduced(image, region, shrink)
        matrix[:, 2] -= corner
        matrix /= shrink
    cut = image.transform(
        (size, size),
        Image.Transform.AFFINE,
        tuple(matrix.ravel().tolist()),
        Image.Resampling.BILINEAR,
    )
    return np.asarray(cut, np.float32).transpose(2, 0, 1)[None] / np.float32(255)


def to_image(points: Floats, region: Region, size: int) -> Floats:
    """Points (N, 3) of a region cut out at ``size``, in the image; z only changes its scale."""
    matrix = _to_image(region, size)
    plane = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    return np.concatenate([plane, points[:, 2:] * (region.side / size)], axis=1).astype(np.float32)


def _angle(start: Floats, end: Floats) -> float:
    return math.atan2(float(end[1] - start[1]), float(end[0] - start[0]))


def _to_image(region: Region, size: int) -> NDArray[np.float64]:
    """(2, 3): point of the region at ``size`` (homogeneous) to point of the image."""
    step = region.side / size
    cos, sin = math.cos(region.angle) * step, math.sin(region.angle) * step
    linear = np.array([[cos, -sin], [sin, cos]])
    offset = region.centre - linear @ np.array([size / 2, size / 2])
    return np.concatenate([linear, offset[:, None]], axis=1)


def _reduced(
    image: Image.Image, region: Region, shrink: int
) -> tuple[Image.Image, NDArray[np.float64]]:
    """The image averaged over blocks of ``shrink`` pixels, and its corner (2,) in the image.

    Only the region's surroundings are averaged: a large photograph costs no more than a small one.
    """
    reach = region.side * math.sqrt(0.5) + 2 * shrink
    limit = np.array(image.size, np.float64)
    low = np.clip(region.centre - reach, 0, limit - 1) // shrink * shrink
    high = np.clip(region.centre + reach, low + 1, limit)
    high = np.minimum(np.ceil(high / shrink) * shrink, limit)
    left, top, right, bottom = (int(edge) for edge in (*low, *high))
    return image.reduce(shrink, box=(left, top, right, bottom)), low
