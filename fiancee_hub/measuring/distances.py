"""Distances between pictures and between sets of pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from fiancee_hub.core.perceptual import PerceptualDistance
from fiancee_hub.core.pixels import signed

BATCH = 8
"""Pictures in memory as features at a time."""


@torch.no_grad()
def mean_lpips(perceptual: PerceptualDistance, images: Tensor, photos: Tensor) -> float:
    """Mean LPIPS between two equally long sets of images, uint8 or in [-1, 1]."""
    pairs = zip(torch.split(images, BATCH), torch.split(photos, BATCH), strict=True)
    return float(torch.cat([perceptual(signed(a), signed(b)) for a, b in pairs]).mean())


@torch.no_grad()
def pooled_features(perceptual: PerceptualDistance, images: Tensor) -> Tensor:
    """The features of KID: AlexNet's fifth convolution after its ReLU, averaged over the image.

    They are not scaled to unit length. KID figures are comparable only between equal features
    and equal image sizes: these are not the Inception features of the literature.

    Args:
        perceptual: LPIPS, for its AlexNet (ImageNet weights) and its input scaling.
        images: (n, 3, height, width), uint8 or in [-1, 1].

    Returns:
        (n, 256) float32.
    """
    network = perceptual.lpips
    levels = [
        network.net.forward(network.scaling_layer(signed(batch)))[-1]
        for batch in torch.split(images, BATCH)
    ]
    return torch.cat([level.float().mean((2, 3)) for level in levels])


def kid(
    first: Tensor,
    second: Tensor,
    *,
    subsets: int = 100,
    subset_size: int = 100,
    seed: int = 0,
) -> tuple[float, float]:
    """Kernel inception distance (Binkowski et al., ICLR 2018): squared MMD, unbiased.

    The kernel is (x·y / dimensions + 1)³. Unbiased means that equal distributions give 0 on
    average, so slightly negative values occur.

    Args:
        first: features (n, dimensions).
        second: features (m, dimensions).
        subsets: how many random subsets, drawn without replacement, to average over.
        subset_size: rows of each set in a subset; fewer where a set is smaller.
        seed: of the subsets.

    Returns:
        Mean and standard deviation over the subsets.

    Raises:
        ValueError: a set has fewer than two rows.
    """
    if min(len(first), len(second)) < 2:
        raise ValueError("KID needs at least two images on each side")
    generator = torch.Generator().manual_seed(seed)
    size = min(subset_size, len(first), len(second))
    kernels = _kernel(first, first), _kernel(second, second), _kernel(first, second)
    estimates = []
    for _ in range(subsets):
        rows = torch.randperm(len(first), generator=generator)[:size]
        columns = torch.randperm(len(second), generator=generator)[:size]
        estimates.append(_squared_mmd(kernels, rows, columns))
    values = torch.stack(estimates)
    return float(values.mean()), float(values.std(correction=0))


def _kernel(first: Tensor, second: Tensor) -> Tensor:
    return (first.double() @ second.double().T / first.shape[1] + 1) ** 3


def _squared_mmd(kernels: tuple[Tensor, Tensor, Tensor], rows: Tensor, columns: Tensor) -> Tensor:
    within_first, within_second, across = kernels
    pairs = len(rows) * (len(rows) - 1)
    first = within_first[rows][:, rows]
    second = within_second[columns][:, columns]
    within = first.sum() - first.trace() + second.sum() - second.trace()
    return within / pairs - 2 * across[rows][:, columns].mean()
