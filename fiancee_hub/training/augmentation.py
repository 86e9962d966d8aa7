"""Differentiable augmentation of what the discriminator sees (Zhao et al., NeurIPS 2020).

It knows a few hundred photographs by heart soon; changed at random, on both sides alike, they
stay hard to tell from generated ones.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """How strongly pictures are changed; 0 leaves that change out.

    Args:
        colour: of brightness, saturation and contrast; 1 as published.
        cutout: height and width of the square that is blanked, as a share of the picture's.
        translation: farthest shift, as a share of the picture's height and width; what comes into
            view is mirrored at the border, and the classes move along.
    """

    colour: float = 0.0
    cutout: float = 0.0
    translation: float = 0.0

    def draw(self, count: int, random: torch.Generator) -> "Change":
        """Changes of ``count`` pictures, each its own; draws nothing where all is left out.

        Args:
            count: of the pictures.
            random: a generator on the pictures' device.
        """
        if self == OFF:
            return Change(self, torch.empty(0))
        draws = torch.rand(7, count, 1, 1, 1, generator=random, device=random.device)
        return Change(self, draws)


OFF = Augmentation()
DIFF_AUGMENT = Augmentation(colour=1.0, cutout=0.5)
"""As published, but for the translation: a street's sky is at its top."""


@dataclass(frozen=True)
class Change:
    """A drawn change, to be made alike to several batches.

    Args:
        settings: how strong it is.
        draws: uniform numbers (7, count, 1, 1, 1); empty where nothing changes.
    """

    settings: Augmentation
    draws: Tensor

    def images(self, images: Tensor) -> Tensor:
        """Pictures (count, 3, height, width) in [-1, 1], changed; gradients pass through, and
        values may leave [-1, 1]."""
        if not len(self.draws):
            return images
        if self.settings.colour:
            images = _recoloured(images, (self.draws[:3] - 0.5) * self.settings.colour)
        if self.settings.translation:
            images = self._moved(images)
        if self.settings.cutout:
            row, column = self.draws[5:]
            images = images * _window(images, row, column, self.settings.cutout)
        return images

    def labels(self, labels: Tensor) -> Tensor:
        """The classes (count, height, width) of the changed pictures."""
        if not self.settings.translation:
            return labels
        return self._moved(labels[:, None])[:, 0]

    def _moved(self, images: Tensor) -> Tensor:
        height, width = images.shape[2:]
        shift = (self.draws[3:5, :, 0, 0] * 2 - 1) * self.settings.translation
        rows = _mirrored(torch.arange(height, device=images.device) + shift[0] * height, height)
        columns = _mirrored(torch.arange(width, device=images.device) + shift[1] * width, width)
        items = torch.arange(len(images), device=images.device)[:, None, None]
        found = images.movedim(1, -1)[items, rows[:, :, None], columns[:, None]]
        return found.movedim(-1, 1)


def _recoloured(images: Tensor, amounts: Tensor) -> Tensor:
    brightness, saturation, contrast = amounts
    images = images + brightness
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * (1 + 2 * saturation)
    middle = images.mean((1, 2, 3), keepdim=True)
    return middle + (images - middle) * (1 + contrast)


def _mirrored(places: Tensor, length: int) -> Tensor:
    """Whole places, those beyond 0 … length - 1 mirrored at the border."""
    inside = places.round().long().abs()
    return torch.where(inside >= length, 2 * (length - 1) - inside, inside)


def _window(images: Tensor, row: Tensor, column: Tensor, side: float) -> Tensor:
    """1 everywhere but in a square around the drawn place, (count, 1, height, width)."""
    height, width = images.shape[2:]
    rows = torch.arange(height, device=images.device).view(1, 1, -1, 1) / height
    columns = torch.arange(width, device=images.device).view(1, 1, 1, -1) / width
    inside = ((rows - row).abs() < side / 2) & ((columns - column).abs() < side / 2)
    return (~inside).to(images.dtype)
