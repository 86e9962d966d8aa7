"""Predicted and true LPIPS of every branch on many inputs: what all figures are computed from."""

from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from fiancee_hub.models.exits import EarlyExitModel, Progress, each_tensor
from fiancee_hub.perceptual import PerceptualDistance
from fiancee_hub.router import FloatArray


@dataclass(frozen=True)
class Measurement:
    """Arrays of shape (n, branches): the predictor's mean and spread, and the true LPIPS."""

    mean: FloatArray
    spread: FloatArray
    true: FloatArray


@torch.no_grad()
def render_all(
    model: EarlyExitModel, progress: Progress, *, guided: bool = True
) -> tuple[list[Tensor], Progress]:
    """Images of every exit, cheapest first, each stage run once."""
    images = []
    for exit_index in range(1, model.exits + 1):
        image, progress = model.render(progress, exit_index, guided=guided)
        images.append(image.float())
    return images, progress


@torch.no_grad()
def distances(images: list[Tensor], lpips: PerceptualDistance) -> Tensor:
    """LPIPS of every branch's image to full depth, (batch, branches)."""
    full = lpips.features(images[-1])
    columns = [lpips.between(lpips.features(image), full) for image in images[:-1]]
    return torch.stack(columns, 1)


@torch.no_grad()
def measure(
    model: EarlyExitModel,
    inputs: tuple[Any, ...],
    lpips: PerceptualDistance,
    *,
    batch_size: int = 4,
    guided: bool = True,
) -> Measurement:
    """Measures every branch on ``inputs``: (nested tuples of) tensors with n items each, as
    ``model.start`` takes them."""
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for begin in tqdm(range(0, len(inputs[0]), batch_size), desc="measuring"):
        batch = slice(begin, begin + batch_size)
        progress = model.start(*each_tensor(inputs, itemgetter(batch)))
        prediction = model.predict(progress)
        images, _ = render_all(model, progress, guided=guided)
        parts.append((prediction.mean, prediction.spread, distances(images, lpips)))
    mean, spread, true = (
        torch.cat(column).double().cpu().numpy() for column in zip(*parts, strict=True)
    )
    return Measurement(np.asarray(mean), np.asarray(spread), np.asarray(true))
