"""Sample grids."""

import torch
from PIL import Image
from torch import Tensor

from fiancee_hub.core.pixels import as_bytes


def grid(columns: list[Tensor], *, blocks: int = 2) -> Image.Image:
    """Rows of pictures side by side, ``blocks`` rows next to each other.

    Args:
        columns: one tensor (n, 3, h, w) in [-1, 1] for each column, equal n.
        blocks: how many of the n rows share one line of the grid.
    """
    rows = torch.stack([column.float().cpu() for column in columns], 1)
    count = len(rows) // blocks * blocks
    lines = rows[:count].unflatten(0, (-1, blocks))
    image = lines.permute(0, 4, 1, 2, 5, 3).flatten(2, 4).flatten(0, 1)
    return Image.fromarray(as_bytes(image).numpy())
