"""Phase 2: the guide bank, filled once from training inputs (FIANCEE, arXiv 2304.10306)."""

from operator import itemgetter
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from fiancee_hub.core.digest import SHORT, digest_of
from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.core.guides import KEY_CELLS, GuideBank, RegionBank, value_of
from fiancee_hub.core.nested import each_tensor
from fiancee_hub.training.state import load_state, save_state
from fiancee_hub.training.task import Inputs, InputSource, Task

INPUTS = 1024
"""Training inputs that a bank is made of at most, where nothing else is said."""

VARIATIONS = 16
"""Of each training example, at most."""

BATCH, SAVE_EVERY = 4, 16
"""Inputs at once, and batches between two saves."""

WIDE = 17
"""Side, in cells, of the surroundings that speak for a place where a region was seldom seen."""

DOUBT = 3.0
"""Pixels seen at a place that weigh as much as its surroundings."""


def fill_guides(model: EarlyExitModel, task: Task, folder: Path, inputs: int | None = None) -> None:
    """Fills the bank of ``model`` in place, from full depth's pictures.

    Args:
        model: its trunk must be trained.
        task: gives training inputs.
        folder: where a bank of regions is kept on the way, to go on from when interrupted.
        inputs: that the entries of regions are averages of, at most (``INPUTS``); other
            banks have an entry for each of theirs.
    """
    if isinstance(model.guides, GuideBank):
        _fill_whole(model, model.guides, task.guide_inputs(len(model.guides.keys)))
    elif isinstance(model.guides, RegionBank):
        _fill_regions(model, model.guides, task.source(), folder, inputs or INPUTS)


@torch.inference_mode()
def _fill_whole(model: EarlyExitModel, bank: GuideBank, inputs: Inputs) -> None:
    """Keys from stage l1, values from full depth, of one input for each entry."""
    device = bank.keys.device
    shape = tuple(bank.values.shape[1:])
    descriptors, values = [], []
    for row in tqdm(range(len(bank.keys)), desc="guide bank"):
        one = each_tensor(inputs, itemgetter(slice(row, row + 1)))
        one = each_tensor(one, lambda tensor: tensor.to(device))
        image, progress = model.render(model.start(*one), model.exits)
        pooled = F.adaptive_avg_pool2d(progress.features[0].float(), KEY_CELLS)
        descriptors.append(pooled.flatten(1))
        values.append(value_of(image.float(), shape))  # type: ignore[arg-type]
    described = torch.cat(descriptors)
    bank.centre.copy_(described.mean(0))
    bank.keys.copy_(F.normalize(described - bank.centre, dim=1))
    bank.values.copy_(torch.cat(values))


@torch.no_grad()
def _fill_regions(
    model: EarlyExitModel, bank: RegionBank, source: InputSource, folder: Path, inputs: int
) -> None:
    """Every region's mean picture over so many inputs or fewer, saved on the way."""
    # Another trunk paints other pictures.
    trunk = digest_of(model.trunk.state_dict())[:SHORT]
    path = folder / f"regions-{trunk}.safetensors"
    sums, counts, done = torch.zeros_like(bank.values), torch.zeros_like(bank.values), 0
    batches = -(-min(inputs, VARIATIONS * source.examples) // BATCH)
    if path.is_file() and (begun := load_state(path))["done"] <= batches:  # else it has too many
        sums.copy_(begun["sums"])
        counts.copy_(begun["counts"])
        done = begun["done"]
    for batch in tqdm(range(done, batches), desc="guide bank", initial=done, total=batches):
        random = torch.Generator().manual_seed(3_000_000 + batch)
        _add_pictures(model, source.draw(BATCH, random), sums, counts)
        if (batch + 1) % SAVE_EVERY == 0 or batch + 1 == batches:
            save_state(path, {"done": batch + 1, "sums": sums.cpu(), "counts": counts.cpu()})
    bank.values.copy_(_means(sums, counts))


def _add_pictures(model: EarlyExitModel, inputs: Inputs, sums: Tensor, counts: Tensor) -> None:
    """Adds full depth's pictures of ``inputs`` to what their regions have so far, in place."""
    inputs = each_tensor(inputs, lambda tensor: tensor.to(sums.device))
    image, progress = model.render(model.start(*inputs), model.exits)
    colours = value_of(image.float(), tuple(sums.shape[1:]))  # type: ignore[arg-type]
    regions = model.trunk.regions(progress.condition)
    regions = regions.repeat(1, colours.shape[1] // regions.shape[1], 1, 1)
    for region, colour in zip(regions, colours, strict=True):
        sums.scatter_add_(0, region[None], colour[None])
        counts.scatter_add_(0, region[None], torch.ones_like(colour[None]))


def _means(sums: Tensor, counts: Tensor) -> Tensor:
    """Mean colours; where a region was seldom seen, drawn to those of its surroundings, and where
    it was not seen at all, to those that it has elsewhere."""
    everywhere = _ratio(sums.sum((2, 3), keepdim=True), counts.sum((2, 3), keepdim=True))
    near_sums, near_counts = (
        F.avg_pool2d(part, WIDE, 1, WIDE // 2, count_include_pad=False) for part in (sums, counts)
    )
    faint = 0.02
    near = (near_sums + faint * everywhere) / (near_counts + faint)
    return (sums + DOUBT * near) / (counts + DOUBT)


def _ratio(sums: Tensor, counts: Tensor) -> Tensor:
    return sums / counts.clamp(min=1)
