"""Label maps for branches, predictor and calibration: real ones, widened, and drawn ones."""

import numpy as np
import torch
from torch import Tensor

from fiancee_hub.families.label_maps.colours import Bytes
from fiancee_hub.families.label_maps.training.class_table import Draw
from fiancee_hub.families.label_maps.training.edits import coarsen, repaint
from fiancee_hub.families.label_maps.training.photographs import DataFolder, enlarged, random_crops


class MapSource:
    """Random label maps of a split, as visitors and data sets bring them.

    Args:
        data: the prepared data.
        split: split to draw from.
        size: height and width of the maps.
        drawn: share of maps that are drawings from scratch, where the classes can be drawn.
        edited: share of maps that are real ones, half of them coarsened, half repainted where
            it is known with what.
    """

    def __init__(
        self,
        data: DataFolder,
        split: str,
        size: tuple[int, int],
        *,
        drawn: float = 0.2,
        edited: float = 0.2,
    ) -> None:
        self.maps = data.label_maps(split, enlarged(size))
        self.sketch, self.instead = data.draw, data.table.instead
        self.size, self.drawn, self.edited = size, drawn if self.sketch else 0.0, edited

    def draw(self, count: int, random: torch.Generator) -> Tensor:
        """Class ids, uint8 (count, height, width)."""
        return torch.stack([self._one(random) for _ in range(count)])

    def _one(self, random: torch.Generator) -> Tensor:
        kind = float(torch.rand((), generator=random))
        hand = np.random.default_rng(int(torch.randint(2**31, (), generator=random)))
        if self.sketch and kind < self.drawn:
            return torch.from_numpy(self.sketch(self.size, hand))
        pick = torch.randint(len(self.maps), (1,), generator=random)
        (crop,) = random_crops((self.maps[pick],), self.size, random)
        if kind < self.drawn + self.edited:
            return torch.from_numpy(self._edited(crop[0].numpy(), hand))
        return crop[0]

    def _edited(self, label_map: Bytes, hand: np.random.Generator) -> Bytes:
        if hand.random() < 0.5 and self.instead:
            return repaint(label_map, hand, self.instead)
        return coarsen(label_map, hand)


def drawn_maps(draw: Draw, count: int, size: tuple[int, int], seed: int) -> Tensor:
    """Drawings from scratch, uint8 (count, height, width), the same for the same seed."""
    hand = np.random.default_rng(seed)
    return torch.stack([torch.from_numpy(draw(size, hand)) for _ in range(count)])
