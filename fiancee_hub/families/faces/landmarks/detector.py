"""Face detection: BlazeFace (Bazarevsky et al., 2019), short range, in any of four turns."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from fiancee_hub.families.faces.landmarks.graphs import DETECTOR, Graph
from fiancee_hub.families.faces.landmarks.pose import Floats

SIZE = 128
TOGETHER = 16
"""Images that go through the network at once: alone each would wait for the threads."""

LEAST_SCORE = 0.5
SAME_FACE = 0.3
"""Overlap (intersection over union) from which two boxes are taken for one face."""

_GRIDS = ((16, 2), (8, 6))
"""Cells a side, and anchors a cell."""

_TURNS = {
    1: Image.Transpose.ROTATE_90,
    2: Image.Transpose.ROTATE_180,
    3: Image.Transpose.ROTATE_270,
}


T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Detection:
    """One detected face."""

    box: Floats
    """(4,), left, top, right, bottom in pixels: brows to chin."""

    keypoints: Floats
    """(6, 2), pixels: eyes (the one at the left first), nose tip, mouth, ears."""

    score: float
    """0 to 1."""


class Detector:
    """Finds faces that are about 1/7 of the picture's longer side or larger; rarely 1/8."""

    def __init__(self) -> None:
        self._graph = Graph(DETECTOR)
        self._anchors = _anchors()

    def __call__(self, image: Image.Image, quarter: int = 0) -> list[Detection]:
        """Faces of an RGB image, largest first, looked for with the image turned.

        Args:
            image: any size.
            quarter: counter-clockwise quarter turns before the look, 0 to 3; what is found is in
                the coordinates of the image as it is.
        """
        return next(self.each([image], quarter))

    def each(self, images: Iterable[Image.Image], quarter: int = 0) -> Iterator[list[Detection]]:
        """What a call gives for each of many images, looked at ``TOGETHER`` at a time."""
        for batch in batched(images, TOGETHER):
            squares = [_letterbox(image, quarter) for image in batch]
            pictures = np.stack([np.asarray(square[0], np.float32) for square in squares])
            signed = torch.from_numpy(pictures.transpose(0, 3, 1, 2) / np.float32(127.5) - 1)
            outputs = [output.numpy() for output in self._graph(signed)]
            for image, (_, *place), boxes, logits in zip(batch, squares, *outputs, strict=True):
                yield self._found(image.size, quarter, place, boxes, logits)

    def _found(
        self,
        size: tuple[int, int],
        quarter: int,
        place: list[Any],
        boxes: Floats,
        logits: Floats,
    ) -> list[Detection]:
        """What the network's outputs for one image mean; ``place`` is where its square lies."""
        left, top, scale = place
        # Clipped only so that the exponential does not overflow.
        scores = np.asarray(1 / (1 + np.exp(-np.clip(logits, -60, 60))), np.float32)
        kept = scores > LEAST_SCORE
        points = self._points(boxes.reshape(-1, 8, 2), kept) * SIZE
        points = (points - (left, top)) * scale
        turned = size[::-1] if quarter % 2 else size
        merged = merge_overlaps(points.astype(np.float32), scores[kept])
        found = [_detection(_turned_back(p, quarter, turned), score) for p, score in merged]
        return sorted(found, key=lambda detection: -area(detection.box))

    def _points(self, raw: Floats, kept: NDArray[np.bool_]) -> Floats:
        """Box corners and keypoints (N, 8, 2), 0 to 1, of the network's values (896, 8, 2)."""
        values = raw[kept] / SIZE
        anchors = self._anchors[kept][:, None]
        middle, half = values[:, :1] + anchors, values[:, 1:2] / 2
        return np.concatenate([middle - half, middle + half, values[:, 2:] + anchors], axis=1)


def batched(items: Iterable[T], count: int) -> Iterator[list[T]]:
    """Lists of ``count`` items; the last may be shorter."""
    rest = iter(items)
    while batch := list(islice(rest, count)):
        yield batch


def merge_overlaps(points: Floats, scores: Floats) -> list[tuple[Floats, float]]:
    """One set of points for each face: the mean of overlapping ones, weighted by their scores.

    Args:
        points: (N, 8, 2), the first two are box corners.
        scores: (N,), 0 to 1.
    """
    merged = []
    rest = np.argsort(-scores)
    while rest.size:
        boxes = points[rest, :2].reshape(-1, 4)
        same = overlaps(boxes, boxes[0]) > SAME_FACE
        same[0] = True
        group = rest[same]
        mean = np.average(points[group], axis=0, weights=scores[group])
        merged.append((mean, float(scores[rest[0]])))
        rest = rest[~same]
    return merged


def overlaps(boxes: Floats, box: Floats) -> Floats:
    """Intersection over union (N,) of boxes (N, 4) with one box (4,)."""
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    shared = sides.clip(0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return shared / (areas + area(box) - shared + 1e-9)


def area(box: Floats) -> float:
    """Area of a box (4,) in square pixels."""
    return float((box[2] - box[0]) * (box[3] - box[1]))


def distinct(found: Iterable[Detection]) -> list[Detection]:
    """Detections without repetitions, largest first; of two of one face the surer stays."""
    kept: list[Detection] = []
    for detection in sorted(found, key=lambda item: -item.score):
        boxes = np.array([other.box for other in kept]).reshape(-1, 4)
        if not (overlaps(boxes, detection.box) > SAME_FACE).any():
            kept.append(detection)
    return sorted(kept, key=lambda detection: -area(detection.box))


def _anchors() -> Floats:
    """Centres (896, 2) of the anchors, 0 to 1."""
    rows = []
    for cells, repeats in _GRIDS:
        y, x = np.mgrid[0:cells, 0:cells]
        centres = (np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) / cells
        rows.append(np.repeat(centres, repeats, axis=0))
    return np.concatenate(rows).astype(np.float32)


def _letterbox(image: Image.Image, quarter: int) -> tuple[Image.Image, int, int, Floats]:
    """The turned image inside a black square.

    Returns the square, the left and the top border in its pixels, and image pixels (2,) for each
    of its pixels, along the turned image's axes.
    """
    shrink = SIZE / max(image.size)
    width, height = (max(1, round(side * shrink)) for side in image.size)
    # Turned when small: the turns of a large photograph would cost more than the look.
    small = image.resize((width, height), Image.Resampling.BILINEAR)
    scale = np.array([image.width / width, image.height / height], np.float32)
    if quarter:
        small = small.transpose(_TURNS[quarter])
    left, top = (SIZE - small.width) // 2, (SIZE - small.height) // 2
    square = Image.new("RGB", (SIZE, SIZE))
    square.paste(small, (left, top))
    return square, left, top, scale[::-1] if quarter % 2 else scale


def _turned_back(points: Floats, quarter: int, turned: tuple[int, int]) -> Floats:
    """Points (N, 2) of an image of size ``turned`` before its counter-clockwise quarter turns."""
    width, height = turned
    x, y = points[:, 0], points[:, 1]
    back = ((x, y), (height - y, x), (width - x, height - y), (y, width - x))
    return np.stack(back[quarter], axis=1)


def _detection(points: Floats, score: float) -> Detection:
    corners = points[:2]
    box = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
    return Detection(box.astype(np.float32), points[2:].astype(np.float32), score)
