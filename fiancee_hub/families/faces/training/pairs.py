"""Face frames in memory, and the pairs of source and driver drawn from them."""

import json
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from fiancee_hub.core.errors import DataError
from fiancee_hub.core.pixels import signed
from fiancee_hub.families.faces.controlled import controlled
from fiancee_hub.families.faces.controls import CONTROLS, Controls
from fiancee_hub.families.faces.heads import Head
from fiancee_hub.families.faces.landmarks.motion import Motion, crown_of, drive, head_of
from fiancee_hub.families.faces.landmarks.pose import (
    Floats,
    Pose,
    canonical_face,
    canonicalise,
    fit_pose,
    rotation_from_euler,
)
from fiancee_hub.families.faces.visibility import openness

FRAMES = "frames.json"
SIZE = 256
"""Side of the stored frames in pixels."""

FILMED = ("clip", "mead")
"""Sources with films: many frames of one person in one crop and light, so drivers, and pairs with a
truth. Their names begin with the film's segment; a frame of another source stands alone."""

LEAST_GAP = 0.01
"""Change of a mouth's opening, in its widths, below which frames are all alike."""

RIDGE = 1.0
"""Of the expression basis: blendshapes that hardly vary must not move landmarks wildly."""


@dataclass(frozen=True)
class Frame:
    """One stored picture: ``group`` names those that share crop, light and background."""

    index: int
    person: str
    group: str
    source: str
    split: str


@dataclass(frozen=True)
class FaceFolder:
    """A folder in the layout that ``prepare_faces`` writes."""

    root: Path

    def __post_init__(self) -> None:
        if not (self.root / FRAMES).is_file():
            raise DataError(
                f"{self.root} has no {FRAMES}: run `train prepare --family faces` first"
            )

    @cached_property
    def frames(self) -> list[Frame]:
        """All frames with a face."""
        try:
            entries = json.loads((self.root / FRAMES).read_text(encoding="utf-8"))
            return [
                Frame(index, e["person"], e["group"], e["source"], e["split"])
                for index, e in enumerate(entries)
                if e["found"]
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{self.root / FRAMES} is damaged ({error!r}): prepare the data anew"
            ) from error

    def split(self, name: str) -> list[Frame]:
        return [frame for frame in self.frames if frame.split == name]

    @cached_property
    def images(self) -> NDArray[np.uint8]:
        """(n, 256, 256, 3), mapped from the disk."""
        return np.asarray(np.load(self.root / "images.npy", mmap_mode="r"))

    @cached_property
    def landmarks(self) -> Floats:
        """(n, 478, 3) in pixels."""
        return np.asarray(np.load(self.root / "landmarks.npy"), np.float32)

    @cached_property
    def expressions(self) -> Floats:
        """Blendshape scores (n, 52)."""
        return np.asarray(np.load(self.root / "expressions.npy"), np.float32)

    @cached_property
    def motions(self) -> dict[int, Motion]:
        """Motion of every frame, by its index."""
        motions = {}
        for frame in self.frames:
            points = self.landmarks[frame.index]
            pose = fit_pose(points)
            motions[frame.index] = Motion(
                canonicalise(points, pose), pose, self.expressions[frame.index]
            )
        return motions


def groups_of(frames: list[Frame]) -> dict[str, list[Frame]]:
    """Frames by group, groups of one left out."""
    groups = defaultdict(list)
    for frame in frames:
        groups[frame.group].append(frame)
    return {name: members for name, members in groups.items() if len(members) > 1}


def filmed(data: FaceFolder, split: str) -> dict[str, list[Frame]]:
    """Frames of a split that share crop, light and background with others, by group.

    Raises:
        DataError: there are none.
    """
    groups = groups_of(data.split(split))
    if not groups:
        raise DataError(
            f"{data.root / FRAMES} has no person with several frames in the split '{split}': "
            "prepare the data anew"
        )
    return groups


def fit_expression_basis(data: FaceFolder) -> Tensor:
    """What each blendshape adds to the canonical landmarks, (52, 478, 3): ridge regression of the
    differences within the training groups, in which the person stays the same.

    Raises:
        DataError: there are no such groups.
    """
    scores, shapes = [], []
    for members in filmed(data, "train").values():
        motions = [data.motions[frame.index] for frame in members]
        expression = np.stack([motion.expression for motion in motions])
        canonical = np.stack([motion.canonical.ravel() for motion in motions])
        scores.append(expression - expression.mean(0))
        shapes.append(canonical - canonical.mean(0))
    x, y = np.concatenate(scores).astype(np.float64), np.concatenate(shapes).astype(np.float64)
    basis = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ y)
    return torch.from_numpy(basis.astype(np.float32)).view(-1, 478, 3)


def motion_distance(a: Motion, b: Motion) -> float:
    """How far two motions are apart: 1 for ten degrees, or for an expression that moves the
    landmarks by a fifth of a canonical unit on average."""
    turn = np.clip((np.trace(a.pose.rotation.T @ b.pose.rotation) - 1) / 2, -1, 1)
    degrees = float(np.degrees(np.arccos(turn)))
    return degrees / 10 + float(np.abs(a.canonical - b.canonical).mean()) / 0.2


@dataclass(frozen=True)
class Change:
    """A similarity of the picture plane: turned by ``degrees`` (counter-clockwise) and enlarged
    by ``scale`` about the middle, then moved by ``shift`` pixels (x right, y up)."""

    scale: float = 1.0
    degrees: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)

    def pose(self, pose: Pose) -> Pose:
        turn = rotation_from_euler(0, 0, self.degrees)
        middle = np.array([SIZE / 2, -SIZE / 2, 0], np.float32)
        moved = self.scale * turn @ (pose.translation - middle) + middle
        moved[:2] += self.shift
        return Pose(turn @ pose.rotation, moved.astype(np.float32), pose.scale * self.scale)

    def picture(self, picture: Tensor) -> Tensor:
        """A picture (3, size, size) in [-1, 1]; what comes into view is mirrored at the border."""
        if self == Change():
            return picture
        radians = np.radians(self.degrees)
        cos, sin = np.cos(radians) / self.scale, np.sin(radians) / self.scale
        x, y = (2 * s / SIZE for s in self.shift)
        # Target to source in [-1, 1], y down: the inverse of the similarity.
        theta = torch.tensor(
            [[cos, -sin, -cos * x - sin * y], [sin, cos, -sin * x + cos * y]], dtype=torch.float32
        )
        grid = F.affine_grid(theta[None], [1, *picture.shape], align_corners=False)
        moved = F.grid_sample(picture[None], grid, padding_mode="reflection", align_corners=False)
        return moved[0]


@dataclass(frozen=True)
class Pair:
    """One source and the target that the driver makes of it, with the true picture if there is
    one: for a driver of the same group, or for a changed copy of the same photograph.
    ``person`` is the source's."""

    picture: Tensor
    source: Head
    target: Head
    truth: Tensor
    person: str


class PairSource:
    """Random pairs of one split.

    Args:
        data: the prepared data.
        split: ``train``, ``val`` or ``test``.
        basis: what each blendshape adds to the canonical landmarks, (52, 478, 3); fitted to the
            training persons if left out.
        openings: share of the pairs of one person that are drawn by how far the mouth opens or
            shuts, instead of by motion.
    """

    STILLS = 0.2
    """Share of photographs that stand alone; their driver is a changed copy of themselves."""

    BY_BLENDSHAPES = 0.4
    """Share of same-person pairs whose target is made as for another person's driver."""

    def __init__(
        self,
        data: FaceFolder,
        split: str,
        basis: Floats | None = None,
        *,
        openings: float = 0.0,
    ) -> None:
        self.data, self.openings = data, openings
        frames = data.split(split)
        self.groups = filmed(data, split)
        self.by_person: dict[str, list[str]] = defaultdict(list)
        for name, members in self.groups.items():
            self.by_person[members[0].person].append(name)
        self.stills = [frame for frame in frames if frame.group not in self.groups]
        self.basis = fit_expression_basis(data).numpy() if basis is None else basis

    @property
    def examples(self) -> int:
        """Frames."""
        return sum(map(len, self.groups.values())) + len(self.stills)

    def pairs(self, count: int, random: torch.Generator, side: int = SIZE) -> dict[str, Any]:
        """Pairs with their truth.

        Returns:
            ``inputs`` of the generator (picture, source head, target head) and ``truth``
            (count, 3, side, side).
        """
        hand = _seeded(random)
        return collate([self.random_self(hand) for _ in range(count)], side)

    def crossed(self, count: int, random: torch.Generator, side: int = SIZE) -> dict[str, Any]:
        """Sources with other drivers: as ``pairs``, but ``truth`` is the drivers' pictures."""
        hand = _seeded(random)
        return collate([self.random_cross(hand) for _ in range(count)], side)

    def draw(self, count: int, random: torch.Generator) -> tuple[Any, ...]:
        """Inputs as users bring them: drivers of the same person, drivers of another, and controls
        in place of a driver, equally often."""
        hand = _seeded(random)
        kinds = self.random_self, self.random_cross, self.random_controls
        pairs = [kinds[hand.integers(len(kinds))](hand) for _ in range(count)]
        inputs: tuple[Any, ...] = collate(pairs, SIZE)["inputs"]
        return inputs

    def random_self(self, hand: np.random.Generator, *, stills: bool = True) -> Pair:
        """A pair with its truth; without ``stills`` two frames of a group always."""
        if stills and self.stills and hand.random() < self.STILLS:
            return self._still(hand)
        if self.openings and hand.random() < self.openings:
            source, driver = self._opening(hand)
        else:
            members = self.groups[hand.choice(self.by_person[self._person(hand)])]
            source = members[hand.integers(len(members))]
            driver = self._driver(source, members, hand)
        by_blendshapes = hand.random() < self.BY_BLENDSHAPES
        return self.make(source, driver, hand, by_blendshapes=by_blendshapes)

    def _person(self, hand: np.random.Generator) -> str:
        return str(hand.choice(list(self.by_person)))

    def _driver(self, source: Frame, members: list[Frame], hand: np.random.Generator) -> Frame:
        """Another frame of the group, the likelier the more the head moves."""
        motions = self.data.motions
        weights = np.array(
            [motion_distance(motions[source.index], motions[other.index]) for other in members]
        )
        weights = np.where([other.index == source.index for other in members], 0, weights + 0.1)
        return members[int(hand.choice(len(members), p=weights / weights.sum()))]

    def _opening(self, hand: np.random.Generator) -> tuple[Frame, Frame]:
        """Two frames of a group, the likelier the more the mouth opens or shuts between them."""
        names = self.by_person[self._person(hand)]
        ranges = np.array([np.ptp(self._gaps(self.groups[name])) for name in names]) + LEAST_GAP
        members = self.groups[names[int(hand.choice(len(names), p=ranges / ranges.sum()))]]
        gaps, index = self._gaps(members), int(hand.integers(len(members)))
        weights = np.abs(gaps - gaps[index]) + LEAST_GAP
        weights[index] = 0
        driver = int(hand.choice(len(members), p=weights / weights.sum()))
        return members[index], members[driver]

    def _gaps(self, frames: list[Frame]) -> NDArray[np.float64]:
        """How far the mouths are open, in widths of the mouth."""
        return np.array([self._openness[frame.index] for frame in frames])

    @cached_property
    def _openness(self) -> dict[int, float]:
        frames = [frame for members in self.groups.values() for frame in members]
        shapes = np.stack([self.data.motions[frame.index].canonical for frame in frames])
        gaps = openness(torch.from_numpy(shapes)).tolist()
        return {frame.index: gap for frame, gap in zip(frames, gaps, strict=True)}

    def make(
        self,
        source: Frame,
        driver: Frame,
        hand: np.random.Generator | None = None,
        *,
        by_blendshapes: bool = False,
    ) -> Pair:
        """The pair of two frames of a group; with ``hand`` both changed at random, alike."""
        here, there = (self.data.motions[frame.index] for frame in (source, driver))
        target = there
        if by_blendshapes:
            target = replace(drive(here, there, self.basis), pose=there.pose)
        change, flip = Change(), False
        if hand is not None:
            change, flip = _random_change(hand, 0.1), hand.random() < 0.5
        return self._assemble((source, here, change), (driver, target, change), flip, hand)

    def _still(self, hand: np.random.Generator) -> Pair:
        frame = self.stills[hand.integers(len(self.stills))]
        motion = self.data.motions[frame.index]
        changes = _random_change(hand, 0.15), _random_change(hand, 0.15)
        flip = hand.random() < 0.5
        return self._assemble((frame, motion, changes[0]), (frame, motion, changes[1]), flip, hand)

    def random_cross(self, hand: np.random.Generator) -> Pair:
        """Any source with any driver, driven absolutely or relative to a random frame."""
        source = self._any_frame(hand)
        members = self.groups[hand.choice(self.by_person[self._person(hand)])]
        driver = members[hand.integers(len(members))]
        reference = members[hand.integers(len(members))] if hand.random() < 0.5 else None
        return self.cross(source, driver, reference, hand)

    def _any_frame(self, hand: np.random.Generator) -> Frame:
        frames = [frame for members in self.groups.values() for frame in members] + self.stills
        return frames[hand.integers(len(frames))]

    def random_controls(self, hand: np.random.Generator) -> Pair:
        """Any source, moved by controls as somebody sets them who tries them."""
        return self.moved(self._any_frame(hand), random_controls(hand), hand)

    def moved(
        self, source: Frame, controls: Controls, hand: np.random.Generator | None = None
    ) -> Pair:
        """A source moved by controls; ``truth`` is the source's picture."""
        here = self.data.motions[source.index]
        target = controlled(here, controls, self.basis)
        flip = hand is not None and hand.random() < 0.5
        return self._assemble((source, here, Change()), (source, target, Change()), flip, hand)

    def cross(
        self,
        source: Frame,
        driver: Frame,
        reference: Frame | None = None,
        hand: np.random.Generator | None = None,
    ) -> Pair:
        """A source with another person's driver; ``truth`` is the driver's picture."""
        motions = self.data.motions
        here = motions[source.index]
        neutral = None if reference is None else motions[reference.index]
        target = drive(here, motions[driver.index], self.basis, neutral)
        flip = hand is not None and hand.random() < 0.5
        return self._assemble((source, here, Change()), (driver, target, Change()), flip, hand)

    def _assemble(
        self,
        source: tuple[Frame, Motion, Change],
        driver: tuple[Frame, Motion, Change],
        flip: bool,
        hand: np.random.Generator | None,
    ) -> Pair:
        crown = crown_of(source[1].canonical)
        heads, pictures = [], []
        for frame, motion, change in (source, driver):
            moved = replace(motion, pose=change.pose(motion.pose))
            picture = change.picture(_signed(self.data.images[frame.index]))
            if flip:
                moved, picture = _mirrored(moved), picture.flip(-1)
            heads.append(head_of(moved, _flipped(crown) if flip else crown, SIZE))
            pictures.append(picture)
        if hand is not None:
            pictures = _recoloured(pictures, hand)
        return Pair(pictures[0], heads[0], heads[1], pictures[1], source[0].person)


def random_controls(hand: np.random.Generator) -> Controls:
    """Controls relative to the source, each left alone half of the time: angles mostly small, parts
    of the expression evenly over their range."""
    chosen = {}
    for control in CONTROLS:
        if hand.random() < 0.5:
            continue
        if control.blendshapes:
            chosen[control.name] = float(hand.uniform(control.least, control.most))
        else:
            angle = hand.normal(0, control.most / 3)
            chosen[control.name] = float(np.clip(angle, control.least, control.most))
    return Controls(**chosen, relative=True)


def _seeded(random: torch.Generator) -> np.random.Generator:
    return np.random.default_rng(int(torch.randint(2**31, (), generator=random)))


def collate(pairs: list[Pair], side: int) -> dict[str, Any]:
    """A batch of pairs with pictures of ``side`` pixels."""
    columns = zip(
        *((p.picture[None], p.source, p.target, p.truth[None]) for p in pairs), strict=True
    )
    picture, source, target, truth = (_stacked(list(column)) for column in columns)
    return {
        "inputs": (_sized(picture, side), source, target),
        "truth": _sized(truth, side),
    }


def _stacked(items: list[Any]) -> Any:
    if isinstance(items[0], Tensor):
        return torch.cat(items)
    return type(items[0])(*(torch.cat(column) for column in zip(*items, strict=True)))


def _sized(pictures: Tensor, side: int) -> Tensor:
    sized = F.adaptive_avg_pool2d(pictures, side) if pictures.shape[2] != side else pictures
    return sized.contiguous(memory_format=torch.channels_last)


def _signed(picture: NDArray[np.uint8]) -> Tensor:
    return signed(torch.from_numpy(np.array(picture)).permute(2, 0, 1))


def _random_change(hand: np.random.Generator, strength: float) -> Change:
    """A little turn, zoom and shift, half of the time none."""
    if hand.random() < 0.3:
        return Change()
    scale = float(np.exp(hand.normal(0, strength / 1.5)))
    shift = hand.normal(0, strength * 60, 2)
    return Change(scale, float(hand.normal(0, 60 * strength)), (float(shift[0]), float(shift[1])))


def _recoloured(pictures: list[Tensor], hand: np.random.Generator) -> list[Tensor]:
    """Brightness, contrast and tint changed a little, alike in all pictures."""
    gain = torch.tensor(np.exp(hand.normal(0, 0.08) + hand.normal(0, 0.03, 3)), dtype=torch.float32)
    offset = float(hand.normal(0, 0.05))
    return [(p * gain.view(3, 1, 1) + offset).clamp(-1, 1) for p in pictures]


@cache
def _mirror_order() -> NDArray[np.int64]:
    """For each landmark the one that takes its place in a mirror image."""
    vertices = canonical_face().vertices
    distance = np.abs(vertices[:, None] - vertices[None] * (-1, 1, 1)).sum(-1)
    iris = np.array([0, 3, 2, 1, 4])
    return np.concatenate([distance.argmin(1), 473 + iris, 468 + iris])


def _mirrored(motion: Motion) -> Motion:
    """The motion in the mirror image of its picture (its blendshapes are left as they are)."""
    flip = np.diag([-1.0, 1.0, 1.0]).astype(np.float32)
    pose = motion.pose
    translation = pose.translation * (-1, 1, 1) + (SIZE, 0, 0)
    rotation = np.asarray(flip @ pose.rotation @ flip, np.float32)
    turned = Pose(rotation, translation.astype(np.float32), pose.scale)
    return replace(motion, canonical=_flipped(motion.canonical[_mirror_order()]), pose=turned)


def _flipped(points: Floats) -> Floats:
    return np.asarray(points * (-1, 1, 1), np.float32)
