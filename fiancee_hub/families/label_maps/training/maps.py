"""Label maps for branches, predictor and calibration: real ones, widened, and drawn ones."""

import numpy as np
import torch
from torch import Tensor

from fiancee_hub.domains.streets.drawings import draw_label_map
from fiancee_hub.families.label_maps.training.edits import coarsen, repaint
from fiancee_hub.families.label_maps.training.photographs import DataFolder, enlarged, random_crops


class MapSource:
    """Random label maps of a split, as visitors and data sets bring them.

    Args:
        data: the prepared data.
        split: split to draw from.
        size: height and width of the maps.
        drawn: share of maps that are drawings from scratch, where the classes can be drawn.
        edited: share of maps that are real ones, coarsened or, the same, repainted.
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
        drawable = data.table.drawable
        self.edits = (repaint, coarsen) if drawable else (coarsen,)
        self.size, self.drawn, self.edited = size, drawn if drawable else 0.0, edited

    def draw(self, count: int, random: torch.Generator) -> Tensor:
        """Class ids, uint8 (count, height, width)."""
        return torch.stack([self._one(random) for _ in range(count)])

    def _one(self, random: torch.Generator) -> Tensor:
        kind = float(torch.rand((), generator=random))
        hand = np.random.default_rng(int(torch.randint(2**31, (), generator=random)))
        if kind < self.drawn:
            return torch.from_numpy(draw_label_map(self.size, hand))
        pick = torch.randint(len(self.maps), (1,), generator=random)
        (crop,) = random_crops((self.maps[pick],), self.size, random)
        if kind < self.drawn + self.edited:
            edit = self.edits[0 if hand.random() < 0.5 else -1]
            return torch.from_numpy(edit(crop[0].numpy(), hand))
        return crop[0]


def drawn_maps(count: int, size: tuple[int, int], seed: int) -> Tensor:
    """Drawings from scratch, uint8 (count, height, width), the same for the same seed."""
    hand = np.random.default_rng(seed)
    return torch.stack([torch.from_numpy(draw_label_map(size, hand)) for _ in range(count)])
