"""The last convolution of a branch, which sees the label map's own pixels.

Three quarters of its inputs are classes, one-hot: most products are with zero, and where one class
lies all around, the sum is always the same. On a processor those sums are looked up.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fiancee_hub.core.remembered import Remembered, being_traced
from fiancee_hub.families.label_maps.cells import kept_blank, one_hot_cells, pixels_in_channels
from fiancee_hub.families.label_maps.config import OasisConfig


class Painting(nn.Conv2d):
    """Features, cells of the label map and a guide to a picture of twice the size.

    What ``F.pixel_shuffle`` makes of 12 channels, 3 colours, in a tenth of its time: where the
    colours are the innermost, a row of pixels is one piece.

    Args:
        features: channels.
        labels: channels of a pixel of the label map: classes, then coordinates if any.
        guide: channels.
        config: classes and size.
    """

    def __init__(self, features: int, labels: int, guide: int, config: OasisConfig) -> None:
        super().__init__(features + 4 * labels + guide, 12, 3, padding=1)
        self.features, self.labels, self.guide = features, labels, guide
        self.config = config
        self._sums = Remembered()

    def forward(  # type: ignore[override]
        self, features: Tensor, cells: Tensor, guide: Tensor | None
    ) -> Tensor:
        """The picture before its tanh, (batch, 3, 2 · height, 2 · width).

        Args:
            features: (batch, channels, height, width).
            cells: class ids of each place's four pixels, (batch, 4, height, width).
            guide: of the same size, where there is one.
        """
        assert self.bias is not None
        others = [features] if guide is None else [features, guide]
        if self._looks_up(features):
            pixels = self._looked_up(others, cells)
        else:
            labels = self._one_hot(cells).to(features.dtype)
            seen = torch.cat([features, labels, *others[1:]], 1)
            weight, bias = _colours_innermost(self.weight, self.bias)
            pixels = self._conv_forward(seen, weight, bias).permute(0, 2, 3, 1)
        batch, height, width, _ = pixels.shape
        rows = pixels.reshape(batch, height, width, 2, 6).transpose(2, 3)
        return rows.reshape(batch, 2 * height, 2 * width, 3).permute(0, 3, 1, 2)

    def _one_hot(self, cells: Tensor) -> Tensor:
        classes = self.config.classes
        return one_hot_cells(cells, classes, coordinates=self.labels > classes)

    def _looks_up(self, features: Tensor) -> bool:
        """Only a processor, in float32 and with weights that are not being trained."""
        trained = self.training or self.weight.requires_grad
        whole = features.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        return features.device.type == "cpu" and whole and not trained and not being_traced()

    def _looked_up(self, others: list[Tensor], cells: Tensor) -> Tensor:
        """What the convolution makes of the same, (batch, height, width, 12)."""
        assert self.bias is not None
        sums = self._sums.of((self.weight, self.bias), self._summed)
        of_window, of_class, of_place, weight = sums
        pixels = F.conv2d(torch.cat(others, 1), weight, padding=1).permute(0, 2, 3, 1) + of_place
        outside = self.config.classes
        ids = F.pad(cells.int().contiguous(), (1, 1, 1, 1), value=outside)
        lowest, highest = _around(ids.amin(1), torch.minimum), _around(ids.amax(1), torch.maximum)
        alike = (lowest == highest).flatten()
        flat = pixels.reshape(-1, 12)
        flat += of_class.index_select(0, torch.where(alike, lowest.flatten(), outside))
        mixed = alike.logical_not().nonzero().squeeze(1)
        pixels_before = torch.arange(36, dtype=ids.dtype, device=ids.device)
        rows = _windows(ids, mixed) + (outside + 1) * pixels_before
        flat.index_add_(0, mixed, F.embedding_bag(rows, of_window, mode="sum"))
        return flat.view(pixels.shape)

    def _summed(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, ...]:
        """What the convolution adds up for label maps, 12 numbers a row.

        Returns:
            what a pixel of a window adds, a row for each of 36 pixels and each class and what lies
            outside the map; what a window full of a class adds, a row for each, the last nothing;
            what coordinates and bias add at every place, (height, width, 12); and the weights for
            what is no label map.
        """
        height, width, classes = self.config.height, self.config.width, self.config.classes
        weight, bias = _colours_innermost(weight, bias)
        before, cells, after = weight.split([self.features, 4 * self.labels, self.guide], 1)
        by_class = cells.unflatten(1, (4, self.labels))[:, :, :classes].permute(1, 3, 4, 2, 0)
        of_window = F.pad(by_class, (0, 0, 0, 1)).flatten(0, 2)
        place = width, classes, self.labels > classes, weight.dtype, weight.device
        blank = pixels_in_channels(kept_blank(height, *place)[0].permute(0, 3, 1, 2))
        of_place = F.conv2d(blank, cells, bias, padding=1)[0].permute(1, 2, 0)
        others = torch.cat([before, after], 1)
        return of_window.flatten(0, 1), of_window.sum(0), of_place.contiguous(), others


def _colours_innermost(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias with a pixel's colours side by side, not a colour's places in the cell."""
    order = torch.arange(12, device=weight.device).view(3, 4).T.flatten()
    return weight[order], bias[order]


def _around(cells: Tensor, chosen: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The least or the greatest of every 3x3 cells: (batch, h + 2, w + 2) to (batch, h, w)."""
    rows = chosen(chosen(cells[:, :-2], cells[:, 1:-1]), cells[:, 2:])
    return chosen(chosen(rows[..., :-2], rows[..., 1:-1]), rows[..., 2:])


def _windows(ids: Tensor, chosen: Tensor) -> Tensor:
    """The 36 pixels that a 3x3 convolution sees at chosen cells.

    Args:
        ids: with a margin, (batch, 4, h + 2, w + 2).
        chosen: places in (batch · h · w).

    Returns:
        (chosen, 36), in the order of place in the cell, row and column.
    """
    height, width = ids.shape[2] - 2, ids.shape[3] - 2
    image, row = chosen // (height * width), chosen // width % height
    first = image * ids[0].numel() + row * (width + 2) + chosen % width
    pixel, down, across = (
        torch.arange(count, device=ids.device) * step
        for count, step in zip((4, 3, 3), ids.stride()[1:], strict=True)
    )
    window = pixel.view(4, 1, 1) + down.view(3, 1) + across
    return ids.flatten()[first[:, None] + window.flatten()]
