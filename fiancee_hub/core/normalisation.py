"""Pixel norm (Karras et al., ICLR 2018) with a backward pass of its own.

The plain formula takes four times as long to train with: it is half of a generator's time on a
processor.
"""

from typing import Any

import torch
from torch import Tensor

EPSILON = 1e-6


def unit_length(features: Tensor) -> Tensor:
    """Features (batch, channels, h, w) of mean square 1 at every pixel.

    Without it Adam blows the features up until the gate sticks; unlike batch normalisation it
    is the same in training and use.
    """
    normalised: Tensor = _UnitLength.apply(features)  # type: ignore[no-untyped-call]
    return normalised


class _UnitLength(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        wide = torch.promote_types(features.dtype, torch.float32)
        length = torch.linalg.vector_norm(features, dim=1, keepdim=True, dtype=wide)
        inverse = torch.rsqrt(length.square() / features.shape[1] + EPSILON).to(features.dtype)
        normalised = features * inverse
        ctx.save_for_backward(normalised, inverse)
        return normalised

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        normalised, inverse = ctx.saved_tensors
        (gradient,) = gradients
        along = (gradient * normalised).mean(1, keepdim=True)
        return torch.addcmul(gradient, normalised, along, value=-1) * inverse
