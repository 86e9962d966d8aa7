"""Exponential moving average of a model's effective weights."""

from collections.abc import Iterator
from operator import attrgetter

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm


def add_spectral_norm(model: nn.Module) -> nn.Module:
    """Puts spectral norm on every main-path convolution (``conv_*``) of ``model``."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d) and name.rpartition(".")[2].startswith("conv_"):
            spectral_norm(module)
    return model


def effective_tensors(model: nn.Module, like: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs (tensor of ``like``, the same tensor of ``model`` with spectral norm folded in)."""
    for name, tensor in like.state_dict(keep_vars=True).items():
        yield tensor, attrgetter(name)(model)


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Moves ``average``, a plain copy of the model, towards ``model``, statistics included."""
    pairs = list(effective_tensors(model, average))
    moving = [pair for pair in pairs if pair[0].is_floating_point()]
    targets, sources = (list(column) for column in zip(*moving, strict=True))
    # All at once: on an accelerator one call for each tensor takes longer than the sums.
    torch._foreach_lerp_(targets, sources, 1 - decay)
    for target, source in pairs:
        if not target.is_floating_point():
            target.copy_(source)
