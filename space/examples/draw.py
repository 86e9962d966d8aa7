"""Draws the example label maps of the demo: ``python -m space.examples.draw``.

Every scene is our own; nothing is traced from a photograph or a data set.
"""

import argparse
import random
from collections.abc import Callable
from pathlib import Path

from fiancee_hub.domains.streets.classes import STREETS
from fiancee_hub.families.label_maps.classes import to_palette_image
from space.examples import street_objects as objects
from space.examples.perspective import Street

FOLDER = Path(__file__).parent / "streets"


def terraced_street() -> Street:
    street, rng = Street(), random.Random(3)
    objects.hedge(street, 150, -60, 60, 9)
    objects.road(street, 3.4, 2.0)
    objects.terrace(street, -5.6, 3, 105, 6.2, rng)
    objects.terrace(street, 5.6, 5, 95, 5.6, rng)
    objects.dashes(street, 0)
    for ahead in (44, 30, 20):
        objects.lamp(street, 4.0, ahead)
    for right, ahead in ((-2.5, 40), (2.5, 31), (-2.5, 27), (-2.5, 16), (2.4, 13)):
        objects.car(street, right, ahead)
    objects.pedestrian(street, -4.5, 15)
    objects.sign(street, 4.1, 8.5)
    return street


def junction() -> Street:
    street, rng = Street(horizon=80), random.Random(11)
    objects.hedge(street, 140, -70, 70, 8)
    objects.road(street, 3.6, 2.2)
    objects.terrace(street, -6.0, 30, 108, 6.0, rng)
    objects.terrace(street, 6.0, 30, 96, 7.0, rng)
    for left, right in ((-90, -6), (6, 90)):
        street.ground("pavement", left, right, 26, 30.5)
        street.front("building", 30, left, right, 7.6)
        eaves = [(left, 7.4, 30), (right, 7.4, 30)]
        ridge = [(x * 0.97, 9.6, 33.0) for x, _, _ in reversed(eaves)]
        street.shape("building", eaves + ridge)
    street.ground("road", -90, 90, 12, 26)
    street.ground("pavement", -90, -3.6, 8, 12)
    street.ground("pavement", 3.6, 90, 8, 12)
    street.ground("lane marking", -3.4, -0.2, 10.6, 11.2)
    for start in range(-60, 60, 5):
        street.ground("lane marking", start, start + 2.4, 18.7, 19.2)
    objects.dashes(street, 0)
    street.ground("road", -3.6, 3.6, 12, 26)
    objects.lamp(street, -4.6, 28)
    objects.lamp(street, 4.6, 29)
    side_on(street, -9.5, 16.5)
    objects.pole(street, 4.4, 10.6, 3.6)
    street.front("sign", 10.6, 4.2, 4.6, 3.7, 2.7)
    objects.sign(street, -4.6, 9.5)
    objects.pedestrian(street, 5.6, 10.5)
    objects.pedestrian(street, 6.3, 10.8, height=1.6)
    return street


def side_on(street: Street, left: float, ahead: float) -> None:
    """A car that crosses from left to right."""
    body = ((0, 0.3), (4.2, 0.3), (4.2, 0.8), (3.3, 0.95), (0.4, 0.95), (0, 0.9))
    cabin = ((3.3, 0.9), (2.7, 1.45), (1.1, 1.45), (0.4, 0.9))
    for part in (body, cabin):
        street.shape("car", [(left + x, y, ahead) for x, y in part])
    for wheel in (0.85, 3.3):
        street.ellipse("car", (left + wheel, 0.32, ahead), 0.66, 0.66)


def avenue() -> Street:
    street, rng = Street(horizon=88, centre=118), random.Random(5)
    objects.hedge(street, 150, -70, 70, 12)
    street.ground("tree", -60, 60, 1.5, 160)
    objects.road(street, 3.2, 2.4)
    objects.terrace(street, 15, 20, 110, 6.5, rng)
    objects.fence(street, -5.7, 2, 90)
    objects.dashes(street, 0)
    objects.line(street, -3.0)
    objects.line(street, 3.0)
    for ahead in (70, 52, 39, 29, 21, 15):
        objects.tree(street, -7.2, ahead, 8.2, rng)
        objects.tree(street, 6.6, ahead - 3, 7.6, rng)
    objects.fence(street, -5.7, 2, 60)
    objects.car(street, 1.7, 24)
    objects.cyclist(street, -4.3, 13)
    objects.sign(street, 4.2, 12, round_=False)
    return street


def open_road() -> Street:
    street, rng = Street(horizon=96, focal=210), random.Random(8)
    objects.hedge(street, 150, -120, 120, 7)
    street.ground("tree", -160, 160, 6, 150)
    objects.road(street, 6.6, 1.2)
    for right in (-2.2, 2.2):
        objects.dashes(street, right)
    objects.line(street, -6.3)
    objects.line(street, 6.3)
    objects.fence(street, 8.4, 4, 120, 0.9)
    for ahead in (90, 60, 40, 26, 17):
        objects.lamp(street, -7.6, ahead, 8)
    street.block("building", -40, -24, 70, 80, 8)
    objects.tree(street, -13, 34, 9, rng)
    objects.tree(street, 15, 46, 10, rng)
    for right, ahead in ((-4.4, 60), (4.3, 44), (0.0, 33), (-4.4, 23), (4.2, 17)):
        objects.car(street, right, ahead)
    objects.car(street, 0.1, 11)
    return street


def crossing() -> Street:
    street, rng = Street(horizon=78), random.Random(21)
    objects.hedge(street, 150, -60, 60, 10)
    objects.road(street, 4.0, 2.6)
    objects.terrace(street, 6.8, 4, 90, 7.2, rng)
    objects.terrace(street, -6.8, 20, 100, 6.4, rng)
    for ahead in (58, 42, 31):
        objects.tree(street, -5.6, ahead, 6.5, rng)
    objects.terrace(street, -6.8, 2, 20, 6.8, rng)
    for index in range(7):
        left = -3.8 + index * 1.12
        street.ground("lane marking", left, left + 0.58, 8.4, 12.4)
    street.ground("lane marking", -3.8, 3.8, 7.2, 7.45)
    objects.car(street, 2.2, 28)
    objects.car(street, -2.3, 21)
    for right in (-4.6, 4.6):
        objects.pole(street, right, 12.6, 3.0, 0.2)
        street.ellipse("sign", (right, 3.2, 12.6), 0.6, 0.6)
    objects.pedestrian(street, -2.0, 11)
    objects.pedestrian(street, -1.2, 10.8, height=1.25)
    objects.pedestrian(street, 1.9, 9.6)
    objects.pedestrian(street, 5.4, 11.5, stride=0.1)
    return street


def square() -> Street:
    street, rng = Street(horizon=100, focal=200), random.Random(2)
    objects.hedge(street, 90, -80, -26, 11)
    objects.hedge(street, 90, 26, 80, 9)
    street.ground("pavement", -160, 160, 9, 90)
    street.ground("road", -160, 160, 1.5, 9)
    street.ground("lane marking", -160, 160, 8.3, 8.5)
    for left in range(-12, 12, 3):
        street.ground("lane marking", left, left + 1.4, 5.4, 5.6)
    street.front("building", 42, -17, 17, 9.5)
    street.shape("building", [(-18, 9.5, 42), (18, 9.5, 42), (14, 12.5, 42), (-14, 12.5, 42)])
    street.front("building", 40, -5, 5, 12)
    street.shape("building", [(-5.6, 12, 40), (5.6, 12, 40), (0, 15.2, 40)])
    street.front("building", 41, -1.6, 1.6, 18)
    street.shape("building", [(-1.9, 18, 41), (1.9, 18, 41), (0, 21, 41)])
    for right in (-24.0, -21.0, 20.0, 25.0):
        objects.tree(street, right, 38, 7.5, rng)
    for right in (-9.0, 9.0):
        objects.lamp(street, right, 22, 5.5)
    objects.fence(street, -13.5, 14, 34, 1.0)
    for right, ahead in ((-3.4, 26), (-2.6, 26.3), (4.8, 20), (7.6, 15), (-5.4, 13)):
        objects.pedestrian(street, right, ahead)
    objects.cyclist(street, 1.2, 11)
    objects.sign(street, -4.7, 9.6)
    return street


SCENES: dict[str, Callable[[], Street]] = {
    "terrace": terraced_street,
    "junction": junction,
    "avenue": avenue,
    "open-road": open_road,
    "crossing": crossing,
    "square": square,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Draws the example label maps of the demo.")
    parser.add_argument("--output", type=Path, default=FOLDER)
    output: Path = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    for number, (name, scene) in enumerate(SCENES.items(), 1):
        picture = to_palette_image(scene().ids, STREETS)
        picture.save(output / f"{number}-{name}.png", optimize=True)


if __name__ == "__main__":
    main()
