"""Fronts of houses, drawn: storeys of windows over a ground floor, and what hangs on the wall.

Every one is our own; nothing is traced from a photograph or a data set.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fiancee_hub.families.label_maps.classes import class_named
from fiancee_hub.hub.domains import shipped

Box = tuple[float, float, float, float]
"""Left, top, right, bottom as shares of the picture's sides."""


@dataclass(frozen=True)
class House:
    """A front.

    Args:
        storeys: rows of windows above the ground floor.
        bays: windows in a row.
        wall: box of the whole front.
        ground: share of the wall's height that the ground floor takes.
        window: width and height of a window as shares of its cell.
        shops: the ground floor has shop windows, with a door between them.
        door: bay of the door, from 0.
        balconies: storeys (from below) that have them.
        blinds: shutters at the sides of the windows.
        cornices: heads above the windows.
        decos: ornaments between the storeys.
        pillars: at both ends and beside the door.
    """

    storeys: int
    bays: int
    wall: Box = (0.06, 0.1, 0.94, 0.95)
    ground: float = 0.26
    window: tuple[float, float] = (0.46, 0.6)
    shops: bool = False
    door: int = 0
    balconies: tuple[int, ...] = ()
    blinds: bool = False
    cornices: bool = True
    decos: bool = False
    pillars: bool = False


EXAMPLES = {
    "1-town-house": House(3, 3, door=1),
    "2-shops": House(3, 4, shops=True, door=2, ground=0.3, blinds=True, cornices=False),
    "3-balconies": House(4, 3, balconies=(0, 1, 2), door=2, ground=0.22),
    "4-palace": House(
        2, 5, wall=(0.02, 0.2, 0.98, 0.94), ground=0.34, door=2, decos=True, pillars=True
    ),
    "5-tall-block": House(
        6, 5, wall=(0.1, 0.04, 0.9, 0.96), ground=0.16, cornices=False, shops=True, door=0
    ),
    "6-cottage": House(1, 3, wall=(0.12, 0.3, 0.88, 0.92), ground=0.46, blinds=True, door=1),
}
"""Drawn for the demo, by the names of their files."""


def draw(house: House, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Class ids of a front, uint8 (height, width) of ``size``."""
    sheet = _Sheet(size)
    left, top, right, bottom = house.wall
    sheet.fill("facade", house.wall)
    floor = bottom - (bottom - top) * house.ground
    rows = np.linspace(top + 0.05, floor, house.storeys + 1)
    columns = np.linspace(left + 0.03, right - 0.03, house.bays + 1)
    _bands(sheet, house, floor)
    for storey in range(house.storeys):
        above, below = rows[house.storeys - storey - 1], rows[house.storeys - storey]
        for bay in range(house.bays):
            cell = float(columns[bay]), float(above), float(columns[bay + 1]), float(below)
            _window(sheet, house, cell, balcony=storey in house.balconies)
            if house.decos:
                sheet.fill("deco", _inside(cell, (0.36, 0.86, 0.64, 0.95)))
    for bay in range(house.bays):
        cell = float(columns[bay]), floor + 0.02, float(columns[bay + 1]), bottom
        _ground_floor(sheet, house, cell, bay)
    if house.pillars:
        for place in (left, right - 0.035):
            sheet.fill("pillar", (place, top + 0.05, place + 0.035, bottom))
    return sheet.ids


class _Sheet:
    """Boxes of classes on a background."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.height, self.width = size
        self.classes = shipped("facades").classes
        self.image = Image.new("L", (self.width, self.height), self._id("background"))
        self.pen = ImageDraw.Draw(self.image)

    def fill(self, name: str, box: Box) -> None:
        left, top, right, bottom = box
        corners = left * self.width, top * self.height, right * self.width, bottom * self.height
        x0, y0, x1, y1 = (round(value) for value in corners)
        self.pen.rectangle((x0, y0, max(x0, x1 - 1), max(y0, y1 - 1)), fill=self._id(name))

    @property
    def ids(self) -> NDArray[np.uint8]:
        return np.array(self.image, np.uint8)

    def _id(self, name: str) -> int:
        return class_named(self.classes, name).id


def _inside(cell: Box, part: Box) -> Box:
    """A part of a cell, given in shares of the cell's sides."""
    left, top, right, bottom = cell
    width, height = right - left, bottom - top
    return (
        left + part[0] * width,
        top + part[1] * height,
        left + part[2] * width,
        top + part[3] * height,
    )


def _bands(sheet: _Sheet, house: House, floor: float) -> None:
    """Mouldings under the roof and above the ground floor."""
    left, top, right, _ = house.wall
    sheet.fill("molding", (left - 0.02, top, right + 0.02, top + 0.045))
    sheet.fill("molding", (left, floor - 0.01, right, floor + 0.02))


def _window(sheet: _Sheet, house: House, cell: Box, *, balcony: bool) -> None:
    wide, high = house.window
    x0, x1 = 0.5 - wide / 2, 0.5 + wide / 2
    y0 = 0.2
    y1 = y0 + high
    if house.blinds:
        sheet.fill("blind", _inside(cell, (x0 - 0.17, y0, x1 + 0.17, y1)))
    sheet.fill("window", _inside(cell, (x0, y0, x1, y1)))
    if house.cornices:
        sheet.fill("cornice", _inside(cell, (x0 - 0.06, y0 - 0.1, x1 + 0.06, y0)))
    if balcony:
        sheet.fill("balcony", _inside(cell, (x0 - 0.14, y1 - 0.2, x1 + 0.14, y1 + 0.1)))
    else:
        sheet.fill("sill", _inside(cell, (x0 - 0.06, y1, x1 + 0.06, y1 + 0.06)))


def _ground_floor(sheet: _Sheet, house: House, cell: Box, bay: int) -> None:
    if bay == house.door:
        if house.pillars:
            sheet.fill("pillar", _inside(cell, (0.06, 0.12, 0.94, 1.0)))
            sheet.fill("facade", _inside(cell, (0.2, 0.2, 0.8, 1.0)))
        sheet.fill("cornice", _inside(cell, (0.16, 0.14, 0.84, 0.22)))
        sheet.fill("door", _inside(cell, (0.24, 0.22, 0.76, 1.0)))
    elif house.shops:
        sheet.fill("shop", _inside(cell, (0.06, 0.16, 0.94, 1.0)))
    else:
        _window(sheet, house, cell, balcony=False)
