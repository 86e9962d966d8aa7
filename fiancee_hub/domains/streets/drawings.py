"""Label maps as visitors draw them, and what they would paint each class over with.

Real maps alone would leave branches, predictor and calibration unprepared for coarse strokes.
Every function is deterministic for a given generator. Sizes are (height, width), ids those of
``classes.STREETS``.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from fiancee_hub.domains.streets.classes import LANE_MARKING, ROAD, STREETS, UNKNOWN
from fiancee_hub.domains.streets.sketch import Sketch
from fiancee_hub.families.label_maps.classes import class_named

Bytes = NDArray[np.uint8]

SKY, BUILDING, POLE, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST = (
    class_named(STREETS, name).id
    for name in (
        *("sky", "building", "pole", "pavement", "tree", "sign", "fence", "car"),
        *("pedestrian", "bicyclist"),
    )
)

INSTEAD: Mapping[int, tuple[int, ...]] = {
    BUILDING: (TREE, FENCE, SKY),
    TREE: (BUILDING, SKY),
    FENCE: (BUILDING, TREE, PAVEMENT),
    PAVEMENT: (ROAD, FENCE),
    CAR: (ROAD, TREE),
    PEDESTRIAN: (PAVEMENT, POLE, BICYCLIST),
    BICYCLIST: (PEDESTRIAN, CAR),
    LANE_MARKING: (ROAD,),
    POLE: (BUILDING, TREE, SKY),
    SIGN: (POLE, BUILDING),
    UNKNOWN: (ROAD, BUILDING, TREE),
    SKY: (BUILDING, TREE),
    ROAD: (PAVEMENT,),
}
"""What a visitor would paint each class over with."""


def draw_label_map(size: tuple[int, int], random: Generator) -> Bytes:
    """A street scene as a visitor draws it with a coarse brush; uint8 ids of shape ``size``.

    About one in eight is absurd (a car in the sky, two classes, nothing but tree), and as many
    are left unfinished on one background class.
    """
    kind = random.random()
    if kind < 0.12:
        return _absurd(size, random)
    if kind < 0.24:
        return _unfinished(size, random)
    return _ids(_street(size, random))


def _ids(sketch: Sketch) -> Bytes:
    return np.array(sketch.image, np.uint8)


def _street(size: tuple[int, int], random: Generator) -> Sketch:
    background = UNKNOWN if random.random() < 0.1 else SKY
    sketch = Sketch(size, random, background)
    _sky(sketch)
    _backdrop(sketch)
    _ground(sketch)
    for draw, probability in _THINGS:
        if sketch.chance(probability):
            draw(sketch)
    return sketch


def _sky(sketch: Sketch) -> None:
    sketch.box(-9, -9, sketch.width + 18, sketch.horizon + 9, SKY)


def _backdrop(sketch: Sketch) -> None:
    choice = sketch.random.integers(4)
    if choice in (0, 3):
        _street_sides(sketch)
    if choice in (1, 3):
        _blocks(sketch)
    if choice == 2 or sketch.chance(0.3):
        _tree_line(sketch)


def _street_sides(sketch: Sketch) -> None:
    """Rows of houses or trees that shrink towards the vanishing point."""
    for edge in (0, sketch.width):
        if sketch.chance(0.2):
            continue
        end = edge + (sketch.vanishing - edge) * sketch.between(0.4, 0.95)
        top, low = sketch.between(-0.3, 0.25) * sketch.height, sketch.height * 0.9
        end_top = sketch.horizon * sketch.between(0.5, 0.95)
        class_id = TREE if sketch.chance(0.2) else BUILDING
        corners = [(edge, top), (end, end_top), (end, sketch.horizon + 3), (edge, low)]
        sketch.polygon(corners, class_id)


def _blocks(sketch: Sketch) -> None:
    """Houses beside each other, some with a gable."""
    x = sketch.between(-0.2, 0.2) * sketch.width
    foot = sketch.horizon + sketch.between(0.02, 0.1) * sketch.height
    while x < sketch.width * sketch.between(0.7, 1.1):
        width = sketch.between(0.1, 0.35) * sketch.width
        top = sketch.horizon * sketch.between(0.15, 0.8)
        roof = top - width * sketch.between(0.2, 0.5)
        corners = [(x, foot), (x, top), (x + width, top), (x + width, foot)]
        if sketch.chance(0.4):
            corners.insert(2, (x + width / 2, roof))
        sketch.polygon(corners, BUILDING)
        x += width * sketch.between(0.9, 1.6)


def _tree_line(sketch: Sketch) -> None:
    x = -0.1 * sketch.width
    while x < sketch.width * 1.1:
        radius = sketch.between(0.05, 0.14) * sketch.height
        sketch.dab(x, sketch.horizon - radius * sketch.between(0, 1), radius * 1.3, TREE)
        x += radius * sketch.between(0.8, 2.2)
    sketch.box(-9, sketch.horizon - 4, sketch.width + 18, sketch.height * 0.08, TREE)


def _ground(sketch: Sketch) -> None:
    verge = sketch.random.choice([PAVEMENT, PAVEMENT, PAVEMENT, TREE, ROAD, UNKNOWN])
    if sketch.chance(0.25):
        _flat_ground(sketch, int(verge))
        return
    left, right = sketch.between(-0.6, 0.3), sketch.between(0.7, 1.6)
    kerb = sketch.between(0.1, 0.5)
    covers = sketch.chance(0.6)
    if covers:
        sketch.box(-9, sketch.horizon, sketch.width + 18, sketch.height, int(verge))
    _wedge(sketch, left - kerb, right + kerb, 0.1, PAVEMENT)
    _wedge(sketch, left, right, sketch.between(0.02, 0.08), ROAD)


def _flat_ground(sketch: Sketch, verge: int) -> None:
    """Bands across the picture: what a child draws."""
    top = sketch.horizon + sketch.between(0.02, 0.2) * sketch.height
    sketch.box(-9, sketch.horizon, sketch.width + 18, sketch.height, verge)
    sketch.box(-9, top, sketch.width + 18, sketch.height, ROAD)
    if sketch.chance(0.3):
        low = sketch.between(0.8, 0.95) * sketch.height
        sketch.box(-9, low, sketch.width + 18, sketch.height, PAVEMENT)


def _wedge(sketch: Sketch, left: float, right: float, tip: float, class_id: int) -> None:
    """Ground from the lower edge (shares of the width) to the vanishing point."""
    x, y, half = sketch.vanishing, sketch.horizon, tip * sketch.width / 2
    low = sketch.height + 9
    corners = [(left * sketch.width, low), (x - half, y), (x + half, y)]
    sketch.polygon([*corners, (right * sketch.width, low)], class_id)


def _lane_marks(sketch: Sketch) -> None:
    foot = sketch.between(0.2, 0.8) * sketch.width
    thick = sketch.between(0.01, 0.03) * sketch.width
    dashes = np.linspace(0.08, 1, int(sketch.between(3, 8)) * 2)
    gapless = sketch.chance(0.2)
    for start, end in zip(dashes[::2], dashes[1::2], strict=True):
        near = [0.0, 1.0] if gapless else [start, end]
        line = [_towards(sketch, foot, share) for share in near]
        sketch.stroke(line, thick * (1 if gapless else float(end)), LANE_MARKING)


def _towards(sketch: Sketch, foot: float, near: float) -> tuple[float, float]:
    """A point between the vanishing point (0) and a place on the lower edge (1)."""
    x = sketch.vanishing + near * (foot - sketch.vanishing)
    return x, sketch.horizon + near * (sketch.height - sketch.horizon)


def _cars(sketch: Sketch) -> None:
    for _ in range(int(sketch.between(1, 5))):
        x, y, near = sketch.ground()
        _car(sketch, x, y, near * sketch.between(0.15, 0.4) * sketch.height + 4)


def _car(sketch: Sketch, x: float, y: float, length: float) -> None:
    """A box with a cabin, a bare box or an oval, standing on (x, y)."""
    height = length * sketch.between(0.4, 0.8)
    if sketch.chance(0.3):
        sketch.dab(x, y - height / 2, length / 2, CAR, height / length)
        return
    sketch.box(x - length / 2, y - height * 0.6, length, height * 0.6, CAR)
    if sketch.chance(0.7):
        foot, top = y - height * 0.5, y - height
        corners = [(x - length * 0.35, foot), (x - length * 0.22, top)]
        sketch.polygon([*corners, (x + length * 0.22, top), (x + length * 0.35, foot)], CAR)


def _trees(sketch: Sketch) -> None:
    for _ in range(int(sketch.between(1, 5))):
        x, y, near = sketch.ground()
        tall = sketch.height * (0.15 + 0.5 * near)
        radius = tall * sketch.between(0.2, 0.4)
        sketch.stroke([(x, y), (x, y - tall)], radius * sketch.between(0.15, 0.4), TREE)
        for _ in range(int(sketch.between(1, 6))):
            shift = sketch.random.normal(0, radius * 0.4, 2)
            sketch.dab(x + shift[0], y - tall + shift[1], radius * sketch.between(0.6, 1), TREE)


def _poles(sketch: Sketch) -> None:
    for _ in range(int(sketch.between(1, 5))):
        x, y, near = sketch.ground()
        tall = sketch.height * (0.15 + sketch.between(0.3, 0.7) * near)
        lean = sketch.random.normal(0, sketch.wobble)
        thick = sketch.between(0.006, 0.02) * sketch.width * (0.5 + near)
        sketch.stroke([(x, y), (x + lean, y - tall)], thick, POLE)
        if sketch.chance(0.5):
            _sign(sketch, x + lean, y - tall, tall * sketch.between(0.08, 0.18))


def _sign(sketch: Sketch, x: float, y: float, radius: float) -> None:
    shape = sketch.random.integers(3)
    if shape == 0:
        sketch.dab(x, y, radius, SIGN)
    elif shape == 1:
        sketch.box(x - radius, y - radius, 2 * radius, 2 * radius, SIGN)
    else:
        sketch.polygon([(x, y - radius), (x + radius, y + radius), (x - radius, y + radius)], SIGN)


def _people(sketch: Sketch) -> None:
    for _ in range(int(sketch.between(1, 6))):
        x, y, near = sketch.ground()
        tall = sketch.height * (0.08 + sketch.between(0.2, 0.4) * near)
        (_pedestrian if sketch.chance(0.75) else _bicyclist)(sketch, x, y, tall)


def _pedestrian(sketch: Sketch, x: float, y: float, tall: float) -> None:
    """Legs, body and head, standing on (x, y)."""
    body, leg = tall * sketch.between(0.16, 0.28), tall * sketch.between(0.07, 0.12)
    stride = tall * sketch.between(0.04, 0.14)
    for foot in (x - stride, x + stride):
        sketch.stroke([(foot, y), (x, y - tall * 0.45)], leg, PEDESTRIAN)
    sketch.stroke([(x, y - tall * 0.45), (x, y - tall * 0.7)], body, PEDESTRIAN)
    sketch.dab(x, y - tall * 0.9, tall * 0.1, PEDESTRIAN)


def _bicyclist(sketch: Sketch, x: float, y: float, tall: float) -> None:
    """Two wheels, a frame and a rider who leans forward, standing on (x, y)."""
    ahead = tall * (0.32 if sketch.chance(0.5) else -0.32)
    thick = max(2.0, tall * 0.06)
    hub = y - tall * 0.2
    for wheel in (x - ahead, x + ahead):
        sketch.ring(wheel, hub, tall * 0.2, thick, BICYCLIST)
    saddle = (x - ahead * 0.4, hub - tall * 0.2)
    sketch.stroke([(x - ahead, hub), saddle, (x + ahead, hub)], thick, BICYCLIST)
    sketch.stroke([saddle, (x + ahead * 0.2, y - tall * 0.75)], tall * 0.16, BICYCLIST)
    sketch.dab(x + ahead * 0.35, y - tall * 0.9, tall * 0.1, BICYCLIST)


def _fences(sketch: Sketch) -> None:
    foot = sketch.between(-0.5, 0.1) if sketch.chance(0.5) else sketch.between(0.9, 1.5)
    near, far = sketch.between(0.6, 1.0), sketch.between(0.1, 0.4)
    tall = sketch.between(0.1, 0.3) * sketch.height
    (x, y), (end_x, end_y) = (_towards(sketch, foot * sketch.width, s) for s in (near, far))
    sketch.polygon([(x, y), (x, y - tall), (end_x, end_y - tall * far), (end_x, end_y)], FENCE)


def _smear(sketch: Sketch) -> None:
    """A stray stroke of any class, or a part rubbed out."""
    class_id = UNKNOWN if sketch.chance(0.5) else int(sketch.random.integers(len(STREETS)))
    points = sketch.random.uniform(0, 1, (3, 2)) * (sketch.width, sketch.height)
    line = [(float(x), float(y)) for x, y in points]
    sketch.stroke(line, sketch.between(0.02, 0.12) * sketch.height, class_id)


_THINGS: tuple[tuple[Callable[[Sketch], None], float], ...] = (
    (_lane_marks, 0.5),
    (_fences, 0.2),
    (_trees, 0.45),
    (_cars, 0.65),
    (_poles, 0.4),
    (_people, 0.4),
    (_smear, 0.1),
)


def _unfinished(size: tuple[int, int], random: Generator) -> Bytes:
    """A few things on a background of one class."""
    background = random.choice([UNKNOWN, UNKNOWN, SKY, ROAD, BUILDING, TREE])
    sketch = Sketch(size, random, int(background))
    if sketch.chance(0.6):
        _ground(sketch)
    if sketch.chance(0.4):
        _sky(sketch)
    for index in random.permutation(len(_THINGS))[: random.integers(0, 4)]:
        _THINGS[index][0](sketch)
    return _ids(sketch)


def _absurd(size: tuple[int, int], random: Generator) -> Bytes:
    kind = random.integers(4)
    if kind == 0:
        return np.full(size, random.integers(len(STREETS)), np.uint8)
    if kind == 1:
        return _two_classes(size, random)
    sketch = _street(size, random) if kind == 2 else Sketch(size, random, SKY)
    for _ in range(int(sketch.between(1, 8))):
        _dab_anywhere(sketch)
    return _ids(sketch)


def _two_classes(size: tuple[int, int], random: Generator) -> Bytes:
    first, second = random.choice(len(STREETS), 2, replace=False)
    sketch = Sketch(size, random, int(first))
    if sketch.chance(0.5):
        sketch.box(-9, sketch.horizon, sketch.width + 18, sketch.height, int(second))
    else:
        x, y = sketch.vanishing, sketch.horizon
        sketch.dab(x, y, sketch.between(0.1, 0.5) * sketch.height, int(second))
    return _ids(sketch)


def _dab_anywhere(sketch: Sketch) -> None:
    x, y = sketch.between(0, sketch.width), sketch.between(0, sketch.height)
    radius = sketch.between(0.05, 0.25) * sketch.height
    if sketch.chance(0.5):
        _car(sketch, x, y, 2 * radius)
    else:
        sketch.dab(x, y, radius, int(sketch.random.integers(len(STREETS))))
