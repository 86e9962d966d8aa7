"""A contact sheet of what is hard: opened mouths, closed eyes and turned heads, by sliders and by
clips. Of the persons in the clips nothing is shown but lines through their landmarks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from fiancee_hub.families.faces.judging.pairs import filmed_groups
from fiancee_hub.families.faces.landmarks.expression import BLENDSHAPES
from fiancee_hub.families.faces.landmarks.motion import Motion
from fiancee_hub.families.faces.landmarks.outlines import (
    BROWS,
    EYES,
    IRISES,
    LIPS,
    MOUTH,
    NOSE,
    OVAL,
)
from fiancee_hub.families.faces.landmarks.pose import project
from fiancee_hub.families.faces.pipeline import Controls, FacesPipeline, Source
from fiancee_hub.families.faces.training.pairs import SIZE, FaceFolder
from fiancee_hub.families.faces.visibility import openness

YAW = 25
"""Degrees of the turned heads."""

PERSONS = 8

CLIPS = 4
"""Persons of whose clips each kind of motion is taken, in turn."""

LINES = (OVAL, LIPS, MOUTH, *EYES, *(iris[1:] for iris in IRISES), NOSE, *BROWS)
"""Closed lines through landmarks."""


@dataclass(frozen=True)
class Hard:
    """A kind of hard motion.

    Args:
        name: the column's heading.
        controls: that ask for it.
        shown: how well a motion shows it against a film's resting frame.
    """

    name: str
    controls: Controls
    shown: Callable[[Motion, Motion], float]


@dataclass(frozen=True)
class Filmed:
    """A filmed motion, and the resting one of the same film."""

    motion: Motion
    rest: Motion


def gap(motion: Motion) -> float:
    """How far the mouth is open, in its widths."""
    return float(openness(torch.from_numpy(motion.canonical)[None]))


def lids(motion: Motion) -> float:
    """How far both eyes are closed, 0 to 1."""
    scores = (motion.expression[BLENDSHAPES.index(f"eyeBlink{side}")] for side in ("Left", "Right"))
    return float(min(scores))


def turned(yaw: float) -> Callable[[Motion, Motion], float]:
    """How near a head is to such a turn against the resting one."""

    def nearness(motion: Motion, rest: Motion) -> float:
        turn = motion.pose.rotation @ rest.pose.rotation.T
        return -abs(float(np.degrees(np.arctan2(turn[0, 2], turn[2, 2]))) - yaw)

    return nearness


KINDS = (
    Hard("mouth", Controls(mouth=1, relative=True), lambda m, rest: gap(m) - gap(rest)),
    Hard("eyes", Controls(blink=1, relative=True), lambda m, rest: lids(m) - lids(rest)),
    Hard(f"yaw +{YAW}°", Controls(yaw=YAW, relative=True), turned(YAW)),
    Hard(f"yaw -{YAW}°", Controls(yaw=-YAW, relative=True), turned(-YAW)),
)


def films(data: FaceFolder) -> Iterator[tuple[str, list[Motion], Motion]]:
    """Person, motions and the resting one of every test film."""
    for members in filmed_groups(data, "test").values():
        motions = [data.motions[frame.index] for frame in members]
        yield members[0].person, motions, min(motions, key=_unrest)


def _unrest(motion: Motion) -> float:
    """How far a motion is from a face that looks ahead with eyes open and mouth shut."""
    yaw, pitch, _ = motion.pose.euler_deg()
    return float(abs(yaw) + abs(pitch)) / YAW + gap(motion) + lids(motion)


def clips_of(kind: Hard, data: FaceFolder) -> list[Filmed]:
    """The motions of ``CLIPS`` test persons that show a kind best, one of each person."""
    best: dict[str, tuple[float, Filmed]] = {}
    for person, motions, rest in films(data):
        for motion in motions:
            value = kind.shown(motion, rest)
            if person not in best or value > best[person][0]:
                best[person] = value, Filmed(motion, rest)
    ranked = sorted(best.values(), key=lambda entry: -entry[0])
    return [filmed for _, filmed in ranked[:CLIPS]]


def lines(motion: Motion) -> Image.Image:
    """Lines through the landmarks of a head, nothing else of the person."""
    tile = Image.new("RGB", (2 * SIZE, 2 * SIZE), (240, 240, 240))
    draw, points = ImageDraw.Draw(tile), project(motion.canonical, motion.pose)
    for line in LINES:
        way = [(2 * float(x), 2 * float(y)) for x, y in points[list(line), :2]]
        draw.line([*way, way[0]], (32, 32, 32), 3)
    return tile.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def columns(
    pipeline: FacesPipeline, sources: list[tuple[Image.Image, Source]], data: FaceFolder
) -> dict[str, Any]:
    """Full depth of every source, by sliders and by clips.

    Args:
        pipeline: of the checkpoint.
        sources: pictures of persons who may be shown, and what was read of them.
        data: with filmed test persons.
    """
    shown: dict[str, list[Image.Image]] = {"source": [picture for picture, _ in sources]}

    def full_depth(source: Source, driver: Motion | Controls, rest: Motion | None) -> Image.Image:
        rendering = pipeline.prepare(source=source, driver=driver, reference=rest)
        return rendering.result(pipeline.model.exits).image

    for kind in KINDS:
        made = [full_depth(source, kind.controls, None) for _, source in sources]
        shown[f"{kind.name}, slider"] = made
    for kind in KINDS:
        found = clips_of(kind, data)
        taken = [found[index % len(found)] for index in range(len(sources))]
        shown[f"{kind.name}, clip"] = [lines(filmed.motion) for filmed in taken]
        shown[f"by it ({kind.name})"] = [
            full_depth(source, filmed.motion, filmed.rest)
            for (_, source), filmed in zip(sources, taken, strict=True)
        ]
    return shown
