"""The pairs of source and driver that a faces checkpoint is judged on, always the same ones."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import torch

from fiancee_hub.core.errors import DataError
from fiancee_hub.families.faces.controls import Controls
from fiancee_hub.families.faces.training.pairs import (
    FILMED,
    FaceFolder,
    Frame,
    groups_of,
    random_controls,
)
from fiancee_hub.families.faces.visibility import openness

LONDON = "london"
"""The source whose pictures may be shown to anyone (CC BY 4.0)."""


MOUTH_CHANGE = 1 / 3
"""Of the gap between the inner lips, in widths of the mouth: more than that opens or shuts it."""


@dataclass(frozen=True)
class FramePair:
    """The frame to animate, and the one whose motion it shall show."""

    source: Frame
    driver: Frame


def filmed_groups(data: FaceFolder, split: str) -> dict[str, list[Frame]]:
    """Filmed frames of a split by group.

    Raises:
        DataError: there are none.
    """
    frames = [frame for frame in data.split(split) if frame.source in FILMED]
    groups = groups_of(frames)
    if not groups:
        raise DataError(f"{data.root} has no filmed persons in the split '{split}'")
    return groups


def self_pairs(data: FaceFolder, split: str, count: int, seed: int) -> list[FramePair]:
    """About ``count`` pairs of two frames of one group, equally many for each person.

    All ordered pairs of a group are equally likely, none comes twice.
    """
    persons = _ordered_pairs(data, split)
    return _drawn(persons, max(1, round(count / len(persons))), np.random.default_rng(seed))


def mouth_pairs(data: FaceFolder, split: str, each: int, seed: int) -> list[FramePair]:
    """At most ``each`` pairs of two frames of one group for each person, between which the mouth
    opens or shuts by more than ``MOUTH_CHANGE``; likewise drawn. There may be none."""
    frames = {f.index for f in data.split(split)}
    points = {index: data.motions[index].canonical for index in frames}
    gap = {index: float(openness(torch.from_numpy(p)[None])) for index, p in points.items()}
    persons = {
        person: [
            pair
            for pair in pairs
            if abs(gap[pair.source.index] - gap[pair.driver.index]) > MOUTH_CHANGE
        ]
        for person, pairs in _ordered_pairs(data, split).items()
    }
    return _drawn(persons, each, np.random.default_rng(seed))


def _ordered_pairs(data: FaceFolder, split: str) -> dict[str, list[FramePair]]:
    """Every two frames of one group, by person.

    Raises:
        DataError: nobody was filmed.
    """
    persons: dict[str, list[FramePair]] = defaultdict(list)
    for members in filmed_groups(data, split).values():
        persons[members[0].person] += [
            FramePair(source, driver)
            for source in members
            for driver in members
            if source is not driver
        ]
    return persons


def _drawn(
    persons: dict[str, list[FramePair]], each: int, random: np.random.Generator
) -> list[FramePair]:
    return [
        pairs[index]
        for pairs in persons.values()
        if pairs
        for index in sorted(random.choice(len(pairs), min(each, len(pairs)), replace=False))
    ]


def cross_pairs(data: FaceFolder, split: str, count: int, seed: int) -> list[FramePair]:
    """``count`` pairs of any source person with another's filmed frame as the driver.

    Sources are drawn by person, then by frame, so that persons with many frames count no more;
    drivers likewise.

    Raises:
        DataError: there are not two persons.
    """
    random = np.random.default_rng(seed)
    filmed = [frame for group in filmed_groups(data, split).values() for frame in group]
    sources, drivers = _by_person(data.split(split)), _by_person(filmed)
    if len(sources) < 2:
        raise DataError(f"{data.root} has only one person in the split '{split}'")
    # Persons in turn, not at random: everybody is covered. One who alone was filmed has no driver.
    driven = [person for person in sources if drivers.keys() - {person}]
    pairs = []
    for turn in range(count):
        person = driven[turn % len(driven)]
        others = [name for name in drivers if name != person]
        members = drivers[others[random.integers(len(others))]]
        source = sources[person][random.integers(len(sources[person]))]
        pairs.append(FramePair(source, members[random.integers(len(members))]))
    return pairs


def moved_frames(
    data: FaceFolder, split: str, count: int, seed: int
) -> list[tuple[Frame, Controls]]:
    """``count`` frames, persons in turn, and controls to move them by."""
    random, persons = np.random.default_rng(seed), list(_by_person(data.split(split)).values())
    chosen = [persons[turn % len(persons)] for turn in range(count)]
    return [(frames[random.integers(len(frames))], random_controls(random)) for frames in chosen]


def spread(frames: list[Frame], count: int) -> list[Frame]:
    """At most ``count`` frames, evenly spread over the list."""
    places = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    return [frames[place] for place in places]


def _by_person(frames: list[Frame]) -> dict[str, list[Frame]]:
    persons: dict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        persons[frame.person].append(frame)
    return dict(persons)
