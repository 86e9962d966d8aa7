"""Kernel distance on features that no loss uses: the judge that training is chosen by.

EfficientNet-Lite2 (the discriminator looks through Lite1, LPIPS through AlexNet) at two levels, an
eighth of the picture's size, where textures show, and a thirty-second, where things do.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fiancee_hub.core.pixels import signed
from fiancee_hub.measuring.distances import BATCH, kid
from fiancee_hub.measuring.efficientnet import load_efficientnet

LEVELS = ("texture", "things")
"""What a kernel distance is taken on."""

SUBSETS, SUBSET_SIZE = 50, 100

TEXTURE_STRIDE = 8

LEAST = 1e-4
"""A level of real pictures below this is noise: nothing is divided by less."""

Pooled = dict[str, Tensor]
"""Features (n, channels) of each level, averaged over the picture."""

Distances = dict[str, float]
"""Kernel distance (squared MMD, unbiased) on each level."""


class JudgeNet(nn.Module):
    """Pictures in [-1, 1] to pooled features of both levels, from 0 to 6 each."""

    def __init__(self) -> None:
        super().__init__()
        self.network = load_efficientnet("lite2")

    def forward(self, images: Tensor) -> Pooled:
        network, stride, found = self.network, 2, {}
        features = F.relu6(network._bn0(network._conv_stem(images)))
        for block in network._blocks:
            if block._depthwise_conv.stride[0] == 2:
                if stride == TEXTURE_STRIDE:
                    found["texture"] = F.relu6(block._bn0(block._expand_conv(features)))
                stride *= 2
            features = block(features)
        found["things"] = F.relu6(network._bn1(network._conv_head(features)))
        return {name: level.float().mean((2, 3)) for name, level in found.items()}

    @torch.no_grad()
    def pooled(self, images: Tensor) -> Pooled:
        """Features of (n, 3, height, width), uint8 or in [-1, 1], on the CPU."""
        device = next(self.parameters()).device
        found = [self(signed(batch.to(device))) for batch in torch.split(images, BATCH)]
        return {name: torch.cat([batch[name].cpu() for batch in found]) for name in LEVELS}


@cache
def judge_net() -> JudgeNet:
    """The shared instance on the CPU, built at the first call."""
    with torch.inference_mode(False):
        return JudgeNet()


def kernel_distances(first: Pooled, second: Pooled) -> tuple[Distances, Distances]:
    """Means over 50 subsets of 100 pictures (fewer where a set is smaller), and their spread."""
    pairs = {
        name: kid(first[name], second[name], subsets=SUBSETS, subset_size=SUBSET_SIZE)
        for name in LEVELS
    }
    means, spreads = ({name: pair[side] for name, pair in pairs.items()} for side in (0, 1))
    return means, spreads


def relative(ratio: float, full: float) -> float | None:
    """A ``ratio`` of ``RealLevel.score`` as a multiple of full depth's; an unbiased distance may
    be 0 or less, and then there is none."""
    return ratio / full if full > 0 else None


@dataclass(frozen=True)
class RealLevel:
    """How far real pictures are from real pictures.

    Args:
        photos: features of the photographs that generated pictures are compared with.
        other: features of photographs from elsewhere, such as another drive's.
    """

    photos: Pooled
    other: Pooled

    def score(self, images: Pooled) -> dict[str, Any]:
        """``kid``, ``kid_std`` and ``kid_real`` by level, and ``ratio``: how many times as far as
        real pictures from elsewhere, averaged over the levels."""
        means, spreads = kernel_distances(images, self.photos)
        real, _ = kernel_distances(self.other, self.photos)
        ratios = [means[name] / max(real[name], LEAST) for name in LEVELS]
        return {
            "kid": means,
            "kid_std": spreads,
            "kid_real": real,
            "ratio": sum(ratios) / len(ratios),
        }
