"""A canvas for label maps drawn as by an unsteady hand."""

from itertools import pairwise

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageDraw

Point = tuple[float, float]

STEPS = 6
"""Points on each side of a shape."""


class Sketch:
    """A canvas with the vanishing point and horizon that a scene's things are placed by."""

    def __init__(self, size: tuple[int, int], random: Generator, background: int) -> None:
        self.height, self.width = size
        self.random = random
        self.image = Image.new("L", (self.width, self.height), background)
        self.draw = ImageDraw.Draw(self.image)
        self.horizon = self.height * random.uniform(0.3, 0.6)
        self.vanishing = self.width * random.uniform(0.25, 0.75)
        self.wobble = self.height * random.uniform(0.0, 0.02)

    def chance(self, probability: float) -> bool:
        return bool(self.random.random() < probability)

    def between(self, low: float, high: float) -> float:
        return float(self.random.uniform(low, high))

    def outline(self, corners: list[Point]) -> list[Point]:
        """The closed line through the corners as an unsteady hand draws it."""
        ends = np.array(corners + corners[:1])
        steps = np.linspace(0, 1, STEPS, endpoint=False)[:, None]
        line = np.concatenate([a + steps * (b - a) for a, b in pairwise(ends)])
        # A hand sways slowly, and less the smaller the shape.
        sway = min(self.wobble, 0.05 * float(np.ptp(ends, axis=0).min()))
        noise = self.random.normal(0, sway + 1e-3, line.shape)
        line += noise + np.roll(noise, 1, axis=0) + np.roll(noise, 2, axis=0)
        return [(float(x), float(y)) for x, y in line]

    def polygon(self, corners: list[Point], class_id: int) -> None:
        self.draw.polygon(self.outline(corners), fill=class_id)

    def box(self, left: float, top: float, width: float, height: float, class_id: int) -> None:
        right, bottom = left + width, top + height
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], class_id)

    def dab(self, x: float, y: float, radius: float, class_id: int, flat: float = 1.0) -> None:
        """A touch of a round brush, ``flat`` times as high as it is wide."""
        extent = (x - radius, y - radius * flat, x + radius, y + radius * flat)
        self.draw.ellipse(extent, fill=class_id)

    def ring(self, x: float, y: float, radius: float, width: float, class_id: int) -> None:
        extent = (x - radius, y - radius, x + radius, y + radius)
        self.draw.ellipse(extent, outline=class_id, width=max(1, round(width)))

    def stroke(self, line: list[Point], width: float, class_id: int) -> None:
        """A line of a round brush."""
        self.draw.line(line, fill=class_id, width=max(1, round(width)), joint="curve")
        for x, y in (line[0], line[-1]):
            self.dab(x, y, width / 2, class_id)

    def ground(self) -> tuple[float, float, float]:
        """A place on the ground, x and y, and how large things there look (0.1 to 1)."""
        near = self.between(0.1, 1) ** 1.5
        y = self.horizon + near * (self.height - self.horizon)
        return self.between(0, self.width), y, max(near, 0.1)
