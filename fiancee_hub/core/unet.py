"""A U-Net on an encoder: what the discriminator and the judge of label maps have in common."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (32, 48, 64, 96, 128)
"""Channels of the decoder, from half the picture's size down to a thirty-second."""


class UNet(nn.Module):
    """Pictures (batch, 3, height, width) in [-1, 1] to features of half the size.

    Args:
        encoder: gives five levels of features, from half the picture's size down to a
            thirty-second; its ``channels`` are theirs.
        merge: makes the layers that join a level with what lies below it, from channels to
            channels.
        outputs: channels of the last layer, ``classify``.
    """

    def __init__(
        self, encoder: nn.Module, merge: Callable[[int, int], nn.Module], outputs: int
    ) -> None:
        super().__init__()
        self.encoder = encoder
        channels: tuple[int, ...] = encoder.channels  # type: ignore[assignment]
        self.entries = nn.ModuleList(
            nn.Conv2d(level, width, 1) for level, width in zip(channels, WIDTHS, strict=True)
        )
        below = (*WIDTHS[1:], 0)
        self.merges = nn.ModuleList(
            merge(width + lower, width) for width, lower in zip(WIDTHS, below, strict=True)
        )
        self.classify = nn.Conv2d(WIDTHS[0], outputs, 1)

    def features(self, images: Tensor) -> Tensor:
        """What the classes are told from, (batch, channels, height / 2, width / 2)."""
        levels = [entry(f) for entry, f in zip(self.entries, self.encoder(images), strict=True)]
        features: Tensor = self.merges[-1](levels[-1])
        for level, merge in list(zip(levels, self.merges, strict=True))[-2::-1]:
            features = F.interpolate(features, size=level.shape[2:], mode="nearest")
            features = merge(torch.cat([features, level], 1))
        return features
