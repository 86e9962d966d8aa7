"""Sample grids."""

import torch
from PIL import Image
from torch import Tensor

from fiancee_hub.families.label_maps.reading import ClassEntry


def colour(label_maps: Tensor, classes: tuple[ClassEntry, ...]) -> Tensor:
    """Class ids (n, h, w) to class colours, float (n, 3, h, w) in [-1, 1]."""
    palette = torch.tensor([entry.colour for entry in classes]) / 127.5 - 1
    return palette[label_maps.long()].permute(0, 3, 1, 2)


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
    return Image.fromarray(((image.clamp(-1, 1) + 1) * 127.5).round().byte().numpy())
