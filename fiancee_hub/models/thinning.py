"""Thin copies of wide layers: which channels a branch keeps of the trunk that it leaves."""

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
