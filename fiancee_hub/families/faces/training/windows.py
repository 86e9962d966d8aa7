"""Where faces are painted: windows over mouths, eyes and whatever the plain warp gets wrong.

A whole picture's step spends nine tenths of its time where the warp is right already.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from fiancee_hub.core.exits import fitted
from fiancee_hub.core.perceptual import PerceptualDistance
from fiancee_hub.families.faces.crops import PARTS, box
from fiancee_hub.families.faces.heads import plain_warp
from fiancee_hub.families.faces.windows import Windows
from fiancee_hub.training.adversarial import Example
from fiancee_hub.training.losses import shifted
from fiancee_hub.training.task import Inputs, Scene

SIDE = 112
"""Pixels along a side of a window, or the next larger multiple of a cell of the volume."""

MARGIN = 8
"""Pixels along each border of a window that no loss sees: the picture beyond it is missing."""

AROUND = 9
"""Pixels along a side of the neighbourhood over which the warp's error is averaged."""

SHARES = (0.6, 0.2, 0.2)
"""How often the first window of a picture lies on each of ``PARTS``."""


@dataclass(frozen=True)
class WindowExample(Example):
    """A batch seen through two windows a picture: first all that lie on a part of the face, then
    all that lie where the plain warp is wrong. ``truth`` and ``labels`` are what they show
    without their margins.

    Args:
        windows: of both kinds, in cells.
        importance: weights of the L1 in them, (windows, 1, side, side).
    """

    windows: Windows
    importance: Tensor


@torch.no_grad()
def warp_error(inputs: Inputs, truth: Tensor) -> Tensor:
    """How wrong the plain warp is around each pixel, (batch, 1, size, size), 1 on average.

    Args:
        inputs: source picture, its head, and the head to show.
        truth: pictures that the warp should be, (batch, 3, size, size).
    """
    error = (plain_warp(*inputs) - truth).abs().mean(1, keepdim=True)
    around = F.avg_pool2d(error, AROUND, 1, AROUND // 2, count_include_pad=False)
    return around / around.mean((1, 2, 3), keepdim=True).clamp(min=1e-6)


def draw_windows(residual: Tensor, points: Tensor, cells: int, random: torch.Generator) -> Windows:
    """Two windows for every picture.

    Args:
        residual: how wrong the plain warp is, (batch, 1, size, size).
        points: landmarks of the truth, (batch, 478, 3) in [-1, 1].
        cells: of the volume, along a side.
        random: on the pictures' device.
    """
    batch, cell = len(residual), residual.shape[2] // cells
    side = min(-(-SIDE // cell), cells)
    most = cells - side
    shares = residual.new_tensor(SHARES)
    part = torch.multinomial(shares.expand(batch, -1), 1, generator=random)
    middles = torch.stack([box(points, name)[0] for name in PARTS], 1)
    middle = middles[torch.arange(batch, device=part.device), part[:, 0]]
    corner = ((middle + 1) / 2 * cells - side / 2).round().long().clamp(0, most)
    # Squared, since an even draw over all that is wrong hardly ever meets the worst.
    wrong = F.avg_pool2d(F.avg_pool2d(residual, cell), side, 1).square().flatten(1)
    place = torch.multinomial(wrong + 1e-6, 1, generator=random)[:, 0]
    own = torch.arange(batch, device=part.device)
    return Windows(
        own.repeat(2),
        torch.cat([corner[:, 1], place // (most + 1)]),
        torch.cat([corner[:, 0], place % (most + 1)]),
        side,
    )


def seen_through(
    example: Example, windows: Windows, cells: int, importance: Tensor
) -> WindowExample:
    """A batch of whole pictures as windows.

    Args:
        example: of whole pictures.
        windows: from ``draw_windows``.
        cells: of the volume, along a side.
        importance: weights of the L1, (batch, 1, size, size).
    """
    truth, weights = (
        without_margin(windows.cut(images, cells)) for images in (example.truth, importance)
    )
    labels = torch.zeros(len(truth), *truth.shape[2:], device=truth.device)
    return WindowExample(example.inputs, truth, labels, example.weights, windows, weights)


def focused(scene: Scene, inputs: Inputs, cells: int, random: torch.Generator) -> Scene:
    """What branches see, through two windows a picture.

    Args:
        scene: whole pictures.
        inputs: source picture, its head, and the head to show.
        cells: of the volume, along a side.
        random: on the CPU.
    """
    error = warp_error(inputs, scene.target)
    seed = int(torch.randint(2**31, (), generator=random))
    drawn = torch.Generator(error.device).manual_seed(seed)
    windows = draw_windows(error, inputs[2].points, cells, drawn)
    state = replace(
        scene.state,
        condition=scene.state.condition.cut(windows),
        features=tuple(windows.cut(features, cells) for features in scene.state.features),
    )
    target = without_margin(windows.cut(scene.target, cells))
    return Scene(
        state,
        None if scene.guide is None else windows.cut(fitted(scene.guide, (cells, cells)), cells),
        target,
        torch.zeros(len(target), *target.shape[2:], device=target.device),
        scene.weights,
        MARGIN,
    )


def without_margin(images: Tensor) -> Tensor:
    """Windows (windows, c, side, side) as the losses see them."""
    return images[:, :, MARGIN:-MARGIN, MARGIN:-MARGIN]


def window_lpips(
    lpips: PerceptualDistance, leaf: Tensor, truth: Tensor, random: torch.Generator
) -> Tensor:
    """Mean LPIPS of windows, parts of faces at twice their size as well."""
    seen, wanted = shifted(leaf, truth, random)
    parts = len(leaf) // 2
    doubled = (
        F.interpolate(images[:parts], scale_factor=2, mode="bilinear", align_corners=False)
        for images in (seen, wanted)
    )
    return lpips(seen, wanted).mean() / 2 + lpips(*doubled).mean() / 2
