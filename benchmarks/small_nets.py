"""Generators without exits that cost what an exit costs."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from fiancee_hub.core.cost import count
from fiancee_hub.core.errors import DataError
from fiancee_hub.core.exits import Branch, EarlyExitModel
from fiancee_hub.core.thinning import strongest, take
from fiancee_hub.families.label_maps.config import OasisConfig
from fiancee_hub.families.label_maps.generator import Condition, OasisGenerator

KINDS = TRAINED, DISTILLED = "trained", "distilled"

STEP, WIDEST, NARROWEST = 4, 1.0, 64.0
"""Channels come in multiples of the first; factors that they are divided by."""


@dataclass(frozen=True)
class Net:
    """A net without exits.

    Args:
        kind: one of ``KINDS``.
        exit: whose cost it has, 1 for the cheapest.
        shape: of its generator.
    """

    kind: str
    exit: int
    shape: OasisConfig

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.exit}"

    def generator(self) -> OasisGenerator:
        return OasisGenerator(self.shape)


def macs_of(shape: OasisConfig) -> int:
    return count(EarlyExitModel(OasisGenerator(shape), ())).full_depth


def fitting_shape(whole: OasisConfig, macs: int) -> OasisConfig:
    """The widest thin copy of a generator that costs no more than ``macs`` a picture.

    As in a branch, channels are divided by a factor and those of the embeddings by its root.

    Raises:
        DataError: not even the thinnest is that cheap.
    """
    wide, narrow = WIDEST, NARROWEST
    if macs_of(_thinned(whole, narrow)) > macs:
        raise DataError(f"no thin copy of the generator costs as little as {macs} MACs")
    for _ in range(10):
        middle = (wide * narrow) ** 0.5
        if macs_of(_thinned(whole, middle)) > macs:
            wide = middle
        else:
            narrow = middle
    return _thinned(whole, narrow)


def _thinned(whole: OasisConfig, factor: float) -> OasisConfig:
    channels = tuple(_thinner(width, factor) for width in whole.channels)
    hidden = tuple(_thinner(width, factor**0.5) for width in whole.hidden)
    return replace(whole, channels=channels, hidden=hidden)


def _thinner(channels: int, factor: float) -> int:
    return max(STEP, round(channels / factor / STEP) * STEP)


class Distilled(Branch):
    """A whole generator in the place of a branch: it takes nothing from the trunk."""

    def __init__(self, generator: OasisGenerator) -> None:
        super().__init__(guide_channels=0)
        self.generator = generator

    def forward(
        self, features: Tensor | None, condition: Condition, guide: Tensor | None
    ) -> Tensor:
        made = None
        for index in range(self.generator.stages):
            made = self.generator.stage(index, made, condition)
        assert made is not None
        return self.generator.to_image(made, condition)


@torch.no_grad()
def inherit(thin: OasisGenerator, wide: OasisGenerator) -> None:
    """A thin copy starts, as branches do, from the channels of the wide one that weigh most."""
    blocks: list[Any] = list(thin.blocks)
    others: list[Any] = list(wide.blocks)
    kept = strongest(others[0].entry.weight, thin.config.channels[0])
    take(thin.head, wide.head, kept)
    thin.place.copy_(wide.place[:, kept])
    listeners = [*(other.entry for other in others[1:]), wide.to_rgb]
    for block, other, listener in zip(blocks, others, listeners, strict=True):
        leaving = strongest(listener.weight, block.width)
        block.inherit(other, kept, leaving)
        kept = leaving
    take(thin.to_rgb, wide.to_rgb, torch.arange(3), kept)
