"""Prepared data as ``train prepare --family faces`` leaves it, but drawn: faces of nobody.

The canonical face stands for every person, a little wider or longer; two blendshapes move it.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from itertools import count, islice, product
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from fiancee_hub.families.faces.landmarks.expression import BLENDSHAPES
from fiancee_hub.families.faces.landmarks.motion import Motion, crown_of
from fiancee_hub.families.faces.landmarks.outlines import (
    BROWS,
    EYES,
    IRISES,
    JAW,
    LIPS,
    MOUTH,
    NOSE,
    OVAL,
)
from fiancee_hub.families.faces.landmarks.pose import (
    Floats,
    Pose,
    canonical_face,
    project,
    rotation_from_euler,
)
from fiancee_hub.families.faces.training.identity import WEIGHTS, MobileFace
from fiancee_hub.families.faces.training.pairs import SIZE, FaceFolder
from fiancee_hub.families.faces.training.prepare import Row

JAW_OPEN = BLENDSHAPES.index("jawOpen")
BROW_UP = BLENDSHAPES.index("browInnerUp")
EYE_WHITE, IRIS, INSIDE = (240, 240, 240), (60, 90, 60), (60, 10, 20)


@cache
def neutral() -> Floats:
    """Canonical landmarks (478, 3): the packaged face, and irises in the middle of its eyes."""
    vertices = canonical_face().vertices
    irises = []
    for eye in EYES:
        middle = vertices[list(eye)].mean(0)
        rim = np.array([(1, 0, 0), (0, 1, 0), (-1, 0, 0), (0, -1, 0)], np.float32) * 0.57
        irises += [middle, *(middle + rim)]
    return np.concatenate([vertices, np.array(irises, np.float32)])


@cache
def basis() -> Floats:
    """What each blendshape adds to the canonical landmarks, (52, 478, 3)."""
    moves = np.zeros((len(BLENDSHAPES), 478, 3), np.float32)
    lower = [index for index in (*LIPS[1:10], *MOUTH[1:10])]
    moves[JAW_OPEN, lower, 1] = -1.2
    moves[BROW_UP, [index for brow in BROWS for index in brow], 1] = 0.6
    return moves


def motion(
    degrees: tuple[float, float, float] = (0, 0, 0),
    *,
    jaw: float = 0,
    brows: float = 0,
    width: float = 1,
    place: tuple[float, float] = (128, 128),
    scale: float = 8.5,
) -> Motion:
    """A head in a picture of 256 pixels.

    Args:
        degrees: yaw, pitch, roll.
        jaw: how far the mouth is open, 0 to 1.
        brows: how far the brows are up, 0 to 1.
        width: of the person's face, 1 for the canonical one.
        place: of the canonical origin in the picture, pixels.
        scale: pixels per canonical unit.
    """
    expression = np.zeros(len(BLENDSHAPES), np.float32)
    expression[JAW_OPEN], expression[BROW_UP] = jaw, brows
    shape = neutral() * (width, 1, 1) + np.tensordot(expression, basis(), 1)
    middle = np.array([place[0], -place[1], 0], np.float32)
    pose = Pose(rotation_from_euler(*degrees), middle, scale)
    return Motion(shape.astype(np.float32), pose, expression)


def random_motion(random: np.random.Generator, width: float = 1) -> Motion:
    """Any head that lies in its picture."""
    yaw, pitch, roll = random.uniform(-20, 20, 3)
    jaw, brows = random.uniform(0, 1, 2)
    x, y = random.uniform(118, 138, 2)
    scale = random.uniform(7.5, 9)
    return motion((yaw, pitch, roll), jaw=jaw, brows=brows, width=width, place=(x, y), scale=scale)


def draw_face(head: Motion, person: int, light: float = 1) -> Image.Image:
    """The head in the person's colours, 256x256."""
    colours = np.random.default_rng(person).integers(40, 220, (5, 3)) * light
    hair, skin, lips, nose, wall = (tuple(int(part) for part in colour) for colour in colours)
    points = project(head.canonical, head.pose)[:, :2]
    crown = project(crown_of(head.canonical), head.pose)[:, :2]
    image = Image.new("RGB", (SIZE, SIZE), wall)
    draw = ImageDraw.Draw(image)

    def fill(corners: Floats, colour: tuple[int, ...]) -> None:
        draw.polygon([(float(x), float(y)) for x, y in corners], fill=colour)

    draw.rectangle((0, 200, SIZE, SIZE), fill=lips)
    fill(np.concatenate([crown, points[list(JAW)]]), hair)
    fill(points[list(OVAL)], skin)
    for brow in BROWS:
        fill(points[list(brow)], hair)
    for eye, iris in zip(EYES, IRISES, strict=True):
        fill(points[list(eye)], EYE_WHITE)
        fill(points[list(iris[1:])], IRIS)
    fill(points[list(NOSE)], nose)
    fill(points[list(LIPS)], lips)
    fill(points[list(MOUTH)], INSIDE)
    return image


def write_faces(root: Path, splits: dict[str, int], frames: int = 4) -> FaceFolder:
    """Writes two clips and a photograph of every person, and one picture without a face.

    Args:
        root: folder to write.
        splits: persons in each split.
        frames: of each clip.
    """
    root.mkdir(parents=True)
    random = np.random.default_rng(0)
    rows = list(_rows(splits, frames))
    heads = [random_motion(random, width=0.9 + 0.02 * int(row.person)) for row in rows]
    pictures = [
        np.asarray(draw_face(head, int(row.person), light=0.8 if "/b" in row.group else 1))
        for head, row in zip(heads, rows, strict=True)
    ]
    landmarks = [project(head.canonical, head.pose) for head in heads]
    np.save(root / "images.npy", np.stack(pictures))
    np.save(root / "landmarks.npy", np.stack(landmarks) * _found(rows)[:, None, None])
    np.save(
        root / "expressions.npy", np.stack([h.expression for h in heads]) * _found(rows)[:, None]
    )
    (root / "frames.json").write_text(json.dumps([asdict(row) for row in rows]))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_file(MobileFace().state_dict(), root / WEIGHTS)
    return FaceFolder(root)


def _rows(splits: dict[str, int], frames: int) -> Iterator[Row]:
    numbers = count(1)
    for split, persons in splits.items():
        for person in map(str, islice(numbers, persons)):
            for clip, index in product(("a0", "b0"), range(frames)):
                name, group = f"{person}/{clip}_{index:05d}.jpg", f"{person}/{clip}"
                yield Row(name, person, group, "clip", split, found=True)
            yield Row(f"{person}/p1.jpg", person, f"{person}/p1", "lfw", split, found=True)
        yield Row(f"{person}/p2.jpg", person, f"{person}/p2", "lfw", split, found=False)


def _found(rows: list[Row]) -> Floats:
    return np.array([row.found for row in rows], np.float32)
