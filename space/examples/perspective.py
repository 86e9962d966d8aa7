"""A pinhole camera over a flat street, drawing class ids instead of colours."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fiancee_hub.domains.streets.classes import STREETS
from fiancee_hub.families.label_maps.classes import class_named

Point = tuple[float, float, float]
"""Metres: to the right of the camera, above the ground, ahead."""

NEAR = 1.5
"""Nothing closer than this (metres) is drawn."""


def class_id(name: str) -> int:
    return class_named(STREETS, name).id


class Street:
    """A label map seen from the road; draw what is far before what is near.

    Args:
        horizon: row of the horizon.
        centre: column of the vanishing point.
        focal: pixels that one metre at one metre's distance spans.
        eye: metres of the camera above the ground.
    """

    def __init__(
        self,
        *,
        horizon: int = 84,
        centre: int = 128,
        focal: float = 190,
        eye: float = 1.7,
        size: tuple[int, int] = (192, 256),
    ) -> None:
        self.horizon, self.centre, self.focal, self.eye = horizon, centre, focal, eye
        self.image = Image.new("L", (size[1], size[0]), class_id("sky"))
        self.draw = ImageDraw.Draw(self.image)

    @property
    def ids(self) -> NDArray[np.uint8]:
        return np.array(self.image, np.uint8)

    def pixel(self, point: Point) -> tuple[float, float]:
        right, up, ahead = point
        scale = self.focal / max(ahead, NEAR)
        return self.centre + right * scale, self.horizon + (self.eye - up) * scale

    def shape(self, name: str, points: Sequence[Point]) -> None:
        self.draw.polygon([self.pixel(p) for p in points], fill=class_id(name))

    def ground(self, name: str, left: float, right: float, near: float, far: float) -> None:
        self.shape(name, [(left, 0, near), (right, 0, near), (right, 0, far), (left, 0, far)])

    def front(
        self, name: str, ahead: float, left: float, right: float, top: float, bottom: float = 0
    ) -> None:
        """A wall that faces the camera."""
        corners = ((left, bottom), (right, bottom), (right, top), (left, top))
        self.shape(name, [(x, y, ahead) for x, y in corners])

    def side(
        self, name: str, right: float, near: float, far: float, top: float, bottom: float = 0
    ) -> None:
        """A wall along the street."""
        corners = ((near, bottom), (far, bottom), (far, top), (near, top))
        self.shape(name, [(right, y, z) for z, y in corners])

    def block(
        self, name: str, left: float, right: float, near: float, far: float, top: float
    ) -> None:
        """A box on the ground."""
        self.side(name, left if left > 0 else right, near, far, top)
        self.front(name, near, left, right, top)

    def ellipse(self, name: str, middle: Point, width: float, height: float) -> None:
        x, y = self.pixel(middle)
        scale = self.focal / max(middle[2], NEAR) / 2
        box = (x - width * scale, y - height * scale, x + width * scale, y + height * scale)
        self.draw.ellipse(box, fill=class_id(name))
