"""Image losses that several phases share."""

import torch
from torch import Tensor
from torch.nn import functional as F

from fiancee_hub.core.perceptual import PerceptualDistance

STRIDE = 8
"""LPIPS's AlexNet samples its input on a grid of 4 pixels; shifts run over twice that."""


def shifted(images: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Both with mirrored borders that move them by the same random 0 to 7 pixels."""
    left, top = (int(torch.randint(STRIDE, (), generator=generator)) for _ in range(2))
    pad = (left, STRIDE - 1 - left, top, STRIDE - 1 - top)
    pair = F.pad(torch.cat([images, targets.to(images.dtype)]), pad, mode="reflect")
    moved, wanted = pair.chunk(2)
    return moved, wanted


def shifted_lpips(
    lpips: PerceptualDistance, images: Tensor, targets: Tensor, generator: torch.Generator
) -> Tensor:
    """LPIPS at the images' size and, on a random quarter, at twice the size, averaged.

    Both pictures are moved by the same random 0 to 7 pixels first: AlexNet's first convolution
    has a stride of 4 and would otherwise print its grid into the images.
    """
    pair = torch.cat(shifted(images, targets, generator))
    whole = lpips(*pair.chunk(2)).mean()
    height, width = images.shape[2] // 2, images.shape[3] // 2
    row = int(torch.randint(pair.shape[2] - height + 1, (), generator=generator))
    column = int(torch.randint(pair.shape[3] - width + 1, (), generator=generator))
    quarter = pair[:, :, row : row + height, column : column + width]
    doubled = F.interpolate(quarter, scale_factor=2, mode="bilinear", align_corners=False)
    return (whole + lpips(*doubled.chunk(2)).mean()) / 2
