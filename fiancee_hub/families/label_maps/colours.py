"""Which class each pixel of a picture in class colours means, in spite of JPEG and soft brushes.

A picture whose pixels all have a class's exact colour is taken as it is. Any other is repaired:
pixels close to a class colour are certain, unless they look like the blend of two classes that
meet there; every other pixel takes the class of certain pixels beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

CERTAIN = 12
"""RGB distance up to which a pixel has its class's colour: JPEG moves few flat parts further."""

FITTING = 32
"""RGB distance up to which a pixel counts as drawn in a class colour. Of label maps in JPEG quality
75 at 192x256 at most a seventh of the pixels lie further away, of photographs more than half."""

FEW_RUNS = 1 << 14
"""Up to so many runs of equal pixels are sorted to find the distinct colours."""

REACH = 2
"""Pixels around an uncertain one whose classes are tried by colour."""

Colour = tuple[int, int, int]
Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Kind = TypeVar("Kind", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Palette:
    """Colours (n, 3), int32, and the class id (n,) that each means."""

    colours: NDArray[np.int32]
    ids: Bytes

    @classmethod
    def of(cls, entries: Sequence[tuple[Colour, int]]) -> "Palette":
        """A palette of (colour, class id) pairs; the first of equal colours counts."""
        first: dict[Colour, int] = {}
        for colour, class_id in entries:
            first.setdefault(colour, class_id)
        return cls(np.array(list(first), np.int32), np.array(list(first.values()), np.uint8))


@dataclass(frozen=True, eq=False)
class Snapped:
    """Class ids (height, width) and the shares (0 to 1) of pixels in an exact or fitting colour."""

    ids: Bytes
    exact: float
    fitting: float


def snap_colours(rgb: Bytes, palette: Palette) -> Snapped:
    """Class ids of a picture (height, width, 3) drawn in the palette's colours.

    Any picture gets an answer; ``fitting`` says how far to trust it.
    """
    entries, distances = _nearest_entries(rgb, palette)
    exact = float((distances == 0).mean())
    fitting = float((distances <= FITTING**2).mean())
    known = distances <= CERTAIN**2
    if exact < 1 and known.any():
        known &= ~_blends(entries, known, palette)
        _fill_by_colour(entries, known, rgb, palette)
        entries = _fill_from_coarser(entries, known)
    return Snapped(palette.ids[entries], exact, fitting)


def _nearest_entries(rgb: Bytes, palette: Palette) -> tuple[Bytes, NDArray[np.int32]]:
    """The nearest palette entry of each pixel and its squared distance, both (height, width)."""
    red, green, blue = np.moveaxis(rgb.astype(np.int32), -1, 0)
    packed = red << 16 | green << 8 | blue
    distinct, where = _distinct(packed)
    colours = (distinct[:, None] >> np.array([16, 8, 0], np.int32)) & 255
    nearest, distance = _nearest_of_colours(colours, palette)
    return nearest[where], distance[where]


def _distinct(packed: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[Any]]:
    """The distinct values below 2^24, ascending, and the place of each value among them."""
    flat = packed.ravel()
    # In a label map most pixels are like their neighbours, and sorting the others is quick.
    starts = np.flatnonzero(np.diff(flat, prepend=-1))
    if len(starts) <= FEW_RUNS:
        distinct, places = np.unique(flat[starts], return_inverse=True)
        return distinct, places.repeat(np.diff(starts, append=len(flat))).reshape(packed.shape)
    # A table over all 2^24 finds them many times faster than sorting does.
    seen = np.zeros(1 << 24, np.bool_)
    seen[flat] = True
    distinct = np.flatnonzero(seen).astype(np.int32)
    position = np.empty(1 << 24, np.int32)
    position[distinct] = np.arange(len(distinct), dtype=np.int32)
    return distinct, position[packed]


def _nearest_of_colours(
    colours: NDArray[np.int32], palette: Palette
) -> tuple[Bytes, NDArray[np.int32]]:
    nearest = np.zeros(len(colours), np.uint8)
    distance = np.full(len(colours), 1 << 20, np.int32)
    for entry, colour in enumerate(palette.colours):
        candidate = ((colours - colour) ** 2).sum(-1, dtype=np.int32)
        closer = candidate < distance
        nearest[closer], distance[closer] = entry, candidate[closer]
    return nearest, distance


def _blends(entries: Bytes, known: Mask, palette: Palette) -> Mask:
    """Known pixels between two classes whose blend gives the pixel's own colour by coincidence.

    Half tree, half black is the pedestrian's colour: a soft edge there would draw a thin person.
    """
    present = np.unique(entries)
    compact = np.zeros(256, np.uint8)
    compact[present] = np.arange(len(present), dtype=np.uint8)
    between = _between(palette.colours[present])
    possible = np.asarray(between.any(axis=(0, 1)))
    rows, columns = np.nonzero(known & possible[compact[entries]])
    padded = np.pad(compact[entries], REACH, mode="edge")
    own = padded[rows + REACH, columns + REACH]
    found = np.zeros(len(rows), np.bool_)
    for reach in range(1, REACH + 1):
        for down, right in ((0, reach), (reach, 0), (reach, reach), (reach, -reach)):
            before = padded[rows + REACH - down, columns + REACH - right]
            after = padded[rows + REACH + down, columns + REACH + right]
            found |= between[before, after, own]
    blends = np.zeros(entries.shape, np.bool_)
    blends[rows, columns] = found
    return blends


def _between(colours: NDArray[np.int32]) -> Mask:
    """Whether colour c lies between a and b: (n, n, n) indexed [a, b, c]."""
    start = colours[:, None, None].astype(np.float32)
    along = colours[None, :, None].astype(np.float32) - start
    length = (along**2).sum(-1)
    own = colours[None, None].astype(np.float32) - start
    share = (along * own).sum(-1) / np.maximum(length, 1)
    distance = ((own - share[..., None] * along) ** 2).sum(-1)
    between: Mask = (share > 0) & (share < 1) & (distance <= FITTING**2)
    return between


def _fill_by_colour(entries: Bytes, known: Mask, rgb: Bytes, palette: Palette) -> None:
    """Gives unknown pixels the known class nearby that is nearest in colour, in place."""
    rows, columns = np.nonzero(~known)
    padded = np.pad(entries, REACH)
    padded_known = np.pad(known, REACH)
    own = rgb[rows, columns].astype(np.int32)
    best = np.full(len(rows), 1 << 20, np.int32)
    chosen = entries[rows, columns]
    for down in range(2 * REACH + 1):
        for right in range(2 * REACH + 1):
            candidate = padded[rows + down, columns + right]
            distance = ((palette.colours[candidate] - own) ** 2).sum(-1, dtype=np.int32)
            better = padded_known[rows + down, columns + right] & (distance < best)
            best[better], chosen[better] = distance[better], candidate[better]
    entries[rows, columns] = chosen
    known[rows, columns] = best < 1 << 20


def _fill_from_coarser(entries: Bytes, known: Mask) -> Bytes:
    """Gives unknown pixels a class from near by, by way of the picture at half the size."""
    if known.all() or not known.any():
        return entries
    height, width = entries.shape
    pad = ((0, height % 2), (0, width % 2))
    entries_4, known_4 = _fours(np.pad(entries, pad)), _fours(np.pad(known, pad))
    first = known_4.argmax(0)
    coarse = np.take_along_axis(entries_4, first[None], 0)[0]
    filled = _fill_from_coarser(coarse, np.asarray(known_4.any(axis=0)))
    enlarged = filled.repeat(2, 0).repeat(2, 1)[:height, :width]
    return np.where(known, entries, enlarged)


def _fours(grid: NDArray[Kind]) -> NDArray[Kind]:
    """(height, width), both even, to the four pixels (4, height / 2, width / 2) of each block."""
    return np.stack([grid[::2, ::2], grid[::2, 1::2], grid[1::2, ::2], grid[1::2, 1::2]])
