"""Changes to any label map that make more of it: repainted regions, coarse outlines."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from fiancee_hub.families.label_maps.colours import Bytes


def repaint(label_map: Bytes, random: Generator, instead: Mapping[int, Sequence[int]]) -> Bytes:
    """A real map (height, width) in which one to three classes or regions are painted over.

    Args:
        label_map: class ids.
        random: source of the randomness.
        instead: ids of what may replace each class; a class that is not listed stays.
    """
    painted = label_map.copy()
    for _ in range(random.integers(1, 4)):
        row, column = (int(random.integers(side)) for side in painted.shape)
        old = int(painted[row, column])
        if random.random() < 0.3:
            # Large classes hide the small ones from a random pixel; these should go as well.
            old = int(random.choice(np.unique(painted)))
        region = painted == old
        if random.random() < 0.5 and region[row, column]:
            region = _connected(region, row, column)
        if old in instead:
            painted[region] = random.choice(instead[old])
    return painted


def _connected(mask: NDArray[np.bool_], row: int, column: int) -> NDArray[np.bool_]:
    """The part of a mask (height, width) that hangs together with one of its pixels."""
    across = np.cumsum(np.diff(mask, axis=1, prepend=False), axis=None).reshape(mask.shape)
    down = np.cumsum(np.diff(mask, axis=0, prepend=False).T, axis=None).reshape(mask.T.shape).T
    found = np.zeros_like(mask)
    found[row, column] = True
    size = 0
    while size < (size := int(found.sum())):
        # All runs of the mask that are touched, first along rows, then along columns.
        for runs in (across, down):
            touched = np.zeros(int(runs.max()) + 1, np.bool_)
            touched[runs[found]] = True
            found = touched[runs] & mask
    return found


def coarsen(label_map: Bytes, random: Generator) -> Bytes:
    """A real map (height, width) with the smooth blobs of a brush of 4 to 16 pixels (at 192 high).

    Some classes come out larger than they are and some vanish, as when drawn by hand.
    """
    brush = max(2, round(random.uniform(4, 16) * label_map.shape[0] / 192))
    painted, most = np.zeros_like(label_map), np.zeros(label_map.shape, np.float32)
    for class_id in np.unique(label_map):
        share = _blurred(label_map == class_id, brush) * np.float32(np.exp(random.normal(0, 0.5)))
        painted[share > most] = class_id
        np.maximum(most, share, out=most)
    return painted


def _blurred(mask: NDArray[np.bool_], brush: int) -> NDArray[np.float32]:
    small = Image.fromarray(mask.astype(np.uint8) * 255).reduce(brush)
    smooth = small.resize(mask.shape[::-1], Image.Resampling.BICUBIC)
    return np.asarray(smooth, np.float32)
