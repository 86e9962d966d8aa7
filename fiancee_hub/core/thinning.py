"""Thin copies of wide layers: which channels a branch keeps of the trunk that it leaves."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


def thinner(channels: int, scale_factor: float) -> int:
    """Channels divided by the scale factor, to a multiple of 8."""
    return max(8, round(channels / scale_factor / 8) * 8)


def strongest(weight: Tensor, count: int) -> Tensor:
    """Indices, rising, of the ``count`` input channels that a convolution listens to most."""
    return weight.square().sum((0, 2, 3)).topk(count).indices.sort().values


@torch.no_grad()
def take(thin: nn.Conv2d, wide: nn.Conv2d, outputs: Tensor, inputs: Tensor | None = None) -> None:
    """Copies the chosen output and input channels of a wider convolution."""
    weight = wide.weight[outputs]
    thin.weight.copy_(weight if inputs is None else weight[:, inputs])
    if thin.bias is not None and wide.bias is not None:
        thin.bias.copy_(wide.bias[outputs])


@torch.no_grad()
def select_channels(join: nn.Conv2d, kept: Tensor) -> None:
    """Makes a 1x1 convolution pass on the ``kept`` of its first inputs, and nothing else."""
    join.weight.zero_()
    join.weight[torch.arange(len(kept)), kept] = 1
    assert join.bias is not None
    join.bias.zero_()


def inherit_stages(join: nn.Conv2d, thin: Sequence[Any], wide: Sequence[Any]) -> None:
    """A branch starts from the trunk's own later stages: of each, the channels that weigh most.

    A wide branch then begins near the full-depth image instead of at noise.

    Args:
        join: the branch's first convolution, on the trunk's features.
        thin: the branch's stages. A stage has ``entry``, the convolution that listens to the
            stage before, ``width``, its channels, and ``inherit(wide, entering, leaving)``.
        wide: the trunk's stages from the same one on; one more than ``thin``.
    """
    kept = strongest(wide[0].entry.weight, join.out_channels)
    select_channels(join, kept)
    for copy, stage, after in zip(thin, wide[:-1], wide[1:], strict=True):
        leaving = strongest(after.entry.weight, copy.width)
        copy.inherit(stage, kept, leaving)
        kept = leaving
