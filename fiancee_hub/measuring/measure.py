"""Predicted and true LPIPS of every branch on many inputs: what all figures are computed from."""

from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from fiancee_hub.core.exits import EarlyExitModel, Progress, Runner
from fiancee_hub.core.nested import each_tensor
from fiancee_hub.core.perceptual import PerceptualDistance
from fiancee_hub.core.pixels import as_bytes
from fiancee_hub.core.predictor import Prediction
from fiancee_hub.core.router import FloatArray


@dataclass(frozen=True)
class Measurement:
    """Arrays of shape (n, branches): the predictor's mean and spread, and the true LPIPS."""

    mean: FloatArray
    spread: FloatArray
    true: FloatArray


@torch.no_grad()
def render_all(
    model: EarlyExitModel,
    progress: Progress,
    *,
    guided: bool = True,
    runner: Runner | None = None,
) -> tuple[list[Tensor], Progress]:
    """Images of every exit, cheapest first, each stage run once, by a runner or the model."""
    images = []
    for exit_index in range(1, model.exits + 1):
        image, progress = model.render(progress, exit_index, guided=guided, runner=runner)
        images.append(image.float())
    return images, progress


@torch.no_grad()
def distances(images: list[Tensor], lpips: PerceptualDistance) -> Tensor:
    """LPIPS of every branch's image to full depth, the last one, (batch, branches)."""
    full = lpips.features(images[-1])
    return _to_full(images[:-1], full, lpips)


def _to_full(images: list[Tensor], full: list[Tensor], lpips: PerceptualDistance) -> Tensor:
    columns = [lpips.between(lpips.features(image), full) for image in images]
    return torch.stack(columns, 1)


@dataclass(frozen=True)
class Trial:
    """Every exit on many inputs.

    Args:
        found: with guides.
        unguided: the same branches and predictions with every guide left out.
        images: uint8 (n, 3, height, width), one tensor for each exit.
    """

    found: Measurement
    unguided: Measurement
    images: list[Tensor]


@torch.no_grad()
def measure(
    model: EarlyExitModel,
    inputs: tuple[Any, ...],
    lpips: PerceptualDistance,
    *,
    batch_size: int = 4,
) -> Measurement:
    """Measures every branch on ``inputs``: (nested tuples of) tensors with n items each, as
    ``model.start`` takes them."""
    parts = []
    for progress in _batches(model, inputs, batch_size):
        images, _ = render_all(model, progress)
        parts.append(_measured(model.predict(progress), distances(images, lpips)))
    return joined(parts)


@torch.no_grad()
def predictions(
    model: EarlyExitModel, inputs: tuple[Any, ...], *, batch_size: int = 16
) -> tuple[FloatArray, FloatArray]:
    """The predictor's mean and spread, (n, branches) each; nothing is rendered."""
    found = [model.predict(progress) for progress in _batches(model, inputs, batch_size)]
    mean, spread = (torch.cat(column).double().cpu() for column in zip(*found, strict=True))
    return np.asarray(mean), np.asarray(spread)


@torch.no_grad()
def try_exits(
    model: EarlyExitModel,
    inputs: tuple[Any, ...],
    lpips: PerceptualDistance,
    *,
    batch_size: int = 4,
) -> Trial:
    """Measures every branch with and without guides, and keeps the pictures; see ``measure``."""
    found, unguided, columns = [], [], []
    for progress in _batches(model, inputs, batch_size):
        images, done = render_all(model, progress)
        branches = range(1, model.exits)
        bare = [model.render(done, index, guided=False)[0].float() for index in branches]
        full, prediction = lpips.features(images[-1]), model.predict(progress)
        found.append(_measured(prediction, _to_full(images[:-1], full, lpips)))
        unguided.append(_measured(prediction, _to_full(bare, full, lpips)))
        columns.append([as_bytes(image) for image in images])
    pictures = [torch.cat(column) for column in zip(*columns, strict=True)]
    return Trial(joined(found), joined(unguided), pictures)


def _batches(model: EarlyExitModel, inputs: tuple[Any, ...], batch_size: int) -> Iterator[Progress]:
    device = next(model.parameters()).device
    for begin in tqdm(range(0, len(inputs[0]), batch_size), desc="measuring"):
        batch = each_tensor(inputs, itemgetter(slice(begin, begin + batch_size)))
        yield model.start(*each_tensor(batch, lambda tensor: tensor.to(device)))


def _measured(prediction: Prediction, true: Tensor) -> Measurement:
    columns = prediction.mean, prediction.spread, true
    return Measurement(*(np.asarray(c.double().cpu().numpy()) for c in columns))


def joined(parts: list[Measurement]) -> Measurement:
    """Measurements of several sets of inputs as one."""
    columns = zip(*((part.mean, part.spread, part.true) for part in parts), strict=True)
    return Measurement(*(np.concatenate(column) for column in columns))
