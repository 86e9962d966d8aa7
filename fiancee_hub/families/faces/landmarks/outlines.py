"""Named outlines of the 478-point face mesh, and their drawing as maps of regions.

Indices are those of MediaPipe's face mesh; 468 to 477 are the irises.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
JAW = OVAL[9:28]
"""The part of the oval from ear to ear along the chin."""

TEMPLES = OVAL[28:] + OVAL[:9]
"""The part of the oval above the ears."""

LIPS = (
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,
)  # fmt: skip
MOUTH = (
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191,
)  # fmt: skip
EYES = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
)
BROWS = (
    (70, 63, 105, 66, 107, 55, 65, 52, 53, 46),
    (300, 293, 334, 296, 336, 285, 295, 282, 283, 276),
)
NOSE = (168, 129, 98, 97, 2, 326, 327, 358)
IRISES = ((468, 469, 470, 471, 472), (473, 474, 475, 476, 477))
"""Centre, then four points of the rim."""

REGIONS = ("head", "face", "lips", "mouth", "eye", "eye", "iris", "iris", "brows", "nose")
"""What each channel of a face map shows, from the largest to the smallest."""

EYE_AND_MOUTH = tuple(
    index for index, name in enumerate(REGIONS) if name in ("lips", "mouth", "eye", "iris")
)


def draw_face_map(
    points: NDArray[np.float32], crown: NDArray[np.float32], size: int
) -> NDArray[np.uint8]:
    """Draws the regions of a face.

    Args:
        points: landmarks (478, 2 or more) in [-1, 1], y down.
        crown: outline of the head above the ears (n, 2 or more) in [-1, 1], see ``motion``.
        size: side of the map in pixels.

    Returns:
        (10, size, size), 255 inside a region; one channel for each of ``REGIONS``.
    """
    double = 2 * size  # drawn at twice the size: halving it smooths the edges
    pixels = (points[:, :2] + 1) * size
    head = np.concatenate([(crown[:, :2] + 1) * size, pixels[list(JAW)]])
    shapes: list[list[NDArray[np.float32]]] = [
        [_hull(head)],
        [pixels[list(OVAL)]],
        [pixels[list(LIPS)]],
        [pixels[list(MOUTH)]],
        *([pixels[list(eye)]] for eye in EYES),
        *([_circle(pixels[list(iris)])] for iris in IRISES),
        [pixels[list(brow)] for brow in BROWS],
        [pixels[list(NOSE)]],
    ]
    channels = []
    for outlines in shapes:
        canvas = Image.new("L", (double, double))
        draw = ImageDraw.Draw(canvas)
        for outline in outlines:
            draw.polygon([(float(x), float(y)) for x, y in outline], fill=255)
        channels.append(np.asarray(canvas.reduce(2)))
    # An iris shows only where the lids are open.
    for iris, eye in ((6, 4), (7, 5)):
        channels[iris] = np.minimum(channels[iris], channels[eye])
    return np.stack(channels)


def _circle(iris: NDArray[np.float32], steps: int = 16) -> NDArray[np.float32]:
    radius = np.linalg.norm(iris[1:] - iris[0], axis=1).mean()
    angle = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], 1) * radius
    return np.asarray(iris[0] + ring, np.float32)


def _hull(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convex hull, counter-clockwise (Andrew's monotone chain)."""
    ordered = points[np.lexsort((points[:, 1], points[:, 0]))]

    def chain(rows: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        kept: list[NDArray[np.float32]] = []
        for row in rows:
            while len(kept) > 1 and _turn(kept[-2], kept[-1], row) <= 0:
                kept.pop()
            kept.append(row)
        return kept[:-1]

    return np.array(chain(ordered) + chain(ordered[::-1]), np.float32)


def _turn(a: NDArray[np.float32], b: NDArray[np.float32], c: NDArray[np.float32]) -> float:
    return float((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))


def attention(face_map: Tensor, weight: float) -> Tensor:
    """Where a loss should look harder: ``weight`` inside eyes and mouth, 1 elsewhere.

    Args:
        face_map: (batch, 10, h, w), uint8.

    Returns:
        (batch, 1, 2h, 2w), float.
    """
    inside = face_map[:, list(EYE_AND_MOUTH)].amax(1, keepdim=True).float() / 255
    wide = torch.nn.functional.max_pool2d(inside, 5, 1, 2)
    return 1 + (weight - 1) * torch.nn.functional.interpolate(wide, scale_factor=2)
