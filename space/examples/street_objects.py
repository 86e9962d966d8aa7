"""What stands in a street: houses, trees, cars, people, poles and signs, in metres."""

import random

from space.examples.perspective import Street

KERB = 0.4
"""Metres that a pavement reaches under the houses, so that no gap opens between them."""


def road(street: Street, half_width: float, pavement: float, far: float = 160) -> None:
    """Road along the view with a pavement on either side."""
    outer = half_width + pavement + KERB
    street.ground("pavement", -outer, outer, 1.5, far)
    street.ground("road", -half_width, half_width, 1.5, far)


def dashes(street: Street, right: float, *, length: float = 2.5, width: float = 0.16) -> None:
    for start in range(3, 60, 5):
        street.ground("lane marking", right - width / 2, right + width / 2, start, start + length)


def line(street: Street, right: float, near: float = 1.5, far: float = 90) -> None:
    street.ground("lane marking", right - 0.09, right + 0.09, near, far)


def terrace(
    street: Street, right: float, near: float, far: float, height: float, rng: random.Random
) -> None:
    """Houses wall to wall along one side, far ones first; each has a roof and a chimney."""
    outward = 1 if right > 0 else -1
    width = 6.0
    for index in reversed(range(int((far - near) / width))):
        start = near + index * width
        top = height + rng.uniform(-0.5, 0.7)
        street.side("building", right, start, start + width, top)
        eaves = [(right, top - 0.5, start), (right, top - 0.5, start + width)]
        ridge = [(x + outward * 3.5, top + 2.4, z) for x, _, z in reversed(eaves)]
        street.shape("building", eaves + ridge)
        chimney = right + outward * 3.2
        street.front("building", start + 1, chimney - 0.5, chimney + 0.5, top + 3.6, top - 0.5)


def tree(street: Street, right: float, ahead: float, height: float, rng: random.Random) -> None:
    street.front("tree", ahead, right - 0.16, right + 0.16, height * 0.6)
    crown = height * 0.62
    for _ in range(11):
        across, up = rng.uniform(-0.3, 0.3) * height, rng.uniform(-0.22, 0.24) * height
        size = rng.uniform(0.25, 0.42) * height
        street.ellipse("tree", (right + across, crown + up, ahead), size, size * 0.9)


def hedge(street: Street, ahead: float, left: float, right: float, top: float) -> None:
    """A band of trees along the horizon with a wavy upper edge."""
    street.front("tree", ahead, left, right, top * 0.7)
    rng = random.Random(round(ahead))
    at = left
    while at < right:
        width = rng.uniform(0.6, 1.4) * top
        lift = rng.uniform(0.5, 0.75) * top
        street.ellipse("tree", (at, lift, ahead), width * 1.6, width)
        at += width * 0.7


def fence(street: Street, right: float, near: float, far: float, top: float = 1.3) -> None:
    street.side("fence", right, near, far, top)


def pole(street: Street, right: float, ahead: float, top: float = 6, width: float = 0.16) -> None:
    street.front("pole", ahead, right - width / 2, right + width / 2, top)


def lamp(street: Street, right: float, ahead: float, top: float = 6.5) -> None:
    """A street lamp whose arm reaches over the road."""
    pole(street, right, ahead, top)
    over = right - 1.3 if right > 0 else right + 1.3
    street.front("pole", ahead, min(right, over), max(right, over), top, top - 0.18)


def sign(street: Street, right: float, ahead: float, *, round_: bool = True) -> None:
    pole(street, right, ahead, 2.4, 0.1)
    if round_:
        street.ellipse("sign", (right, 2.5, ahead), 0.75, 0.75)
    else:
        street.front("sign", ahead, right - 0.45, right + 0.45, 2.9, 2.2)


def car(street: Street, right: float, ahead: float, *, length: float = 4.2) -> None:
    """A car seen from behind, its flank towards the middle of the picture."""
    far = ahead + length
    flank = right - 0.88 if right > 0 else right + 0.88
    street.side("car", flank, ahead, far, 0.95, 0.2)
    street.side("car", flank * 0.98, ahead + 0.5, far - 1.2, 1.45, 0.9)
    street.front("car", ahead, right - 0.88, right + 0.88, 0.95, 0.25)
    roof = ((-0.82, 0.9), (0.82, 0.9), (0.62, 1.47), (-0.62, 1.47))
    street.shape("car", [(right + x, y, ahead + 0.2) for x, y in roof])
    for wheel in (-0.72, 0.72):
        street.front("car", ahead, right + wheel - 0.13, right + wheel + 0.13, 0.4)


def pedestrian(
    street: Street, right: float, ahead: float, *, height: float = 1.72, stride: float = 0.2
) -> None:
    body, name = height / 1.72, "pedestrian"
    for leg in (-stride, stride):
        hip, foot = leg / 3, leg
        shape = [(hip - 0.1, 0.85), (hip + 0.1, 0.85), (foot + 0.09, 0.0), (foot - 0.09, 0.0)]
        street.shape(name, [(right + x * body, y * body, ahead) for x, y in shape])
    street.ellipse(name, (right, 1.1 * body, ahead), 0.52 * body, 0.85 * body)
    street.ellipse(name, (right, 1.58 * body, ahead), 0.26 * body, 0.3 * body)


def cyclist(street: Street, right: float, ahead: float) -> None:
    """A rider seen from the side."""
    name = "bicyclist"
    for wheel in (-0.52, 0.52):
        street.ellipse(name, (right + wheel, 0.34, ahead), 0.68, 0.68)
    frame = ((-0.52, 0.34), (0.4, 0.4), (0.45, 0.95), (-0.3, 0.9))
    street.shape(name, [(right + x, y, ahead) for x, y in frame])
    rider = ((-0.35, 0.85), (-0.1, 0.85), (0.3, 1.35), (0.1, 1.55), (-0.3, 1.2))
    street.shape(name, [(right + x, y, ahead) for x, y in rider])
    arm = ((0.15, 1.45), (0.28, 1.35), (0.6, 1.0), (0.5, 0.95))
    street.shape(name, [(right + x, y, ahead) for x, y in arm])
    street.ellipse(name, (right + 0.3, 1.66, ahead), 0.27, 0.3)
