"""Windows: squares of pictures and of everything that belongs to them, cut alike."""

from typing import NamedTuple

import torch
from torch import Tensor


class Windows(NamedTuple):
    """Squares of a batch, any number for each picture.

    ``owner`` (windows,) says whose picture each one is of; ``row`` and ``column`` (windows,) are
    its upper left corner, and ``side`` its length, in cells of a square grid over the picture.
    """

    owner: Tensor
    row: Tensor
    column: Tensor
    side: int

    def cut(self, images: Tensor, cells: int) -> Tensor:
        """Images or features (batch, c, size, size) to (windows, c, side', side').

        Args:
            images: their size is a multiple of ``cells``.
            cells: along a side of the whole grid.
        """
        scale = images.shape[2] // cells
        steps = torch.arange(self.side * scale, device=images.device)
        rows = (self.row * scale)[:, None, None] + steps[:, None]
        columns = (self.column * scale)[:, None, None] + steps
        seen = images.permute(0, 2, 3, 1)[self.owner[:, None, None], rows, columns]
        return seen.permute(0, 3, 1, 2)
