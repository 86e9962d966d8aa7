"""Every figure of a checkpoint, on data that training did not see: evaluation.json."""

import dataclasses
import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from fiancee_hub.config import CheckpointConfig
from fiancee_hub.cost import Costs, parameters
from fiancee_hub.errors import CheckpointError
from fiancee_hub.evaluation.measure import Measurement, measure, render_all
from fiancee_hub.evaluation.quality import PhotoQuality
from fiancee_hub.evaluation.routing import BUDGETS, budget_table, exit_table, routed_exits
from fiancee_hub.evaluation.segmenter import load_segmenter
from fiancee_hub.evaluation.timing import exit_milliseconds, time_ratios
from fiancee_hub.hub import CONFIG, WEIGHTS, load_checkpoint
from fiancee_hub.models.exits import EarlyExitModel
from fiancee_hub.models.oasis import OasisConfig
from fiancee_hub.perceptual import PerceptualDistance
from fiancee_hub.training.data import DataFolder
from fiancee_hub.training.maps import drawn_maps

logger = logging.getLogger(__name__)

FORMAT = 1
THREADS = 2
DRAWN = 200
DRAWN_SEED = 1_900_000
"""Drawings that neither training nor calibration draws."""


@dataclass(frozen=True)
class Evaluated:
    """What ``evaluate`` found, and the pictures that the card shows."""

    figures: dict[str, Any]
    maps: Tensor
    images: list[Tensor]
    photos: Tensor


def evaluate(folder: Path, data: DataFolder, segmenter: Path, *, seed: int = 0) -> Evaluated:
    """Measures a checkpoint on the split ``test``, and its routing on towns and drawings too.

    Args:
        folder: the checkpoint.
        data: prepared data with the splits ``test``, ``towns`` and ``photos``.
        segmenter: folder of the net that judges pictures.
        seed: of the noise.

    Raises:
        CheckpointError, DataError: naming what is missing.
    """
    model, config = load_checkpoint(folder)
    _check(folder, config, data)
    size = config.generator.height, config.generator.width
    lpips = PerceptualDistance()
    judge = PhotoQuality.of_folder(data, size, load_segmenter(segmenter), lpips)
    maps = data.label_maps("test", size)
    inputs = maps, _noise(config, len(maps), seed)
    found = measure(model, inputs, lpips)
    images = _images(model, inputs)
    figures = {
        "format": FORMAT,
        "model_sha256": hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest(),
        "split": "test",
        "n": len(maps),
        "seed": seed,
        "size": list(size),
        "torch": torch.__version__,
        "threads": THREADS,
        **_time_and_cost(model, config, inputs, found),
        "overhead_macs_ratio": config.costs.overhead_ratio,
        "budgets": budget_table(found, config.costs, config.calibration),
        "without_guides": _without_guides(model, config, inputs, lpips),
        "full_depth_quality": judge.score(images[-1]),
        "delivered_quality": _delivered(found, config, images, judge),
        "other_inputs": _other_inputs(model, config, data, lpips, seed),
    }
    return Evaluated(figures, maps, images, data.images("test", size))


def _check(folder: Path, config: CheckpointConfig, data: DataFolder) -> None:
    """Finds what is missing before hours are spent."""
    if config.family != "oasis":
        raise CheckpointError(f"{folder / CONFIG}: streets data cannot judge '{config.family}'")
    if config.calibration is None:
        raise CheckpointError(f"{folder / CONFIG} has no calibration: run `train calibrate` first")
    for split in ("test", "towns", "photos"):
        data.names(split)


def _noise(config: CheckpointConfig, count: int, seed: int) -> Tensor:
    assert isinstance(config.generator, OasisConfig)
    random = torch.Generator().manual_seed(seed)
    return torch.randn(count, config.generator.noise_channels, generator=random)


@torch.no_grad()
def _images(model: EarlyExitModel, inputs: tuple[Tensor, ...]) -> list[Tensor]:
    """uint8 images of every exit for all inputs."""
    columns: list[list[Tensor]] = [[] for _ in range(model.exits)]
    for begin in tqdm(range(0, len(inputs[0]), 4), desc="rendering"):
        images, _ = render_all(model, model.start(*(item[begin : begin + 4] for item in inputs)))
        for column, image in zip(columns, images, strict=True):
            column.append(((image.clamp(-1, 1) + 1) * 127.5).round().byte())
    return [torch.cat(column) for column in columns]


def _without_guides(
    model: EarlyExitModel,
    config: CheckpointConfig,
    inputs: tuple[Tensor, ...],
    lpips: PerceptualDistance,
) -> dict[str, Any]:
    """The same branches, predictor and margins with every guide left out."""
    found, costs = measure(model, inputs, lpips, guided=False), unguided_costs(config.costs)
    return {
        "exits": exit_table(found, costs),
        "budgets": budget_table(found, costs, config.calibration),
    }


def unguided_costs(costs: Costs) -> Costs:
    """Costs of calls that look up no guide."""
    *branches, full = costs.exits
    exits = (*(macs - costs.guides for macs in branches), full)
    return dataclasses.replace(costs, exits=exits, guides=0)


def _time_and_cost(
    model: EarlyExitModel,
    config: CheckpointConfig,
    inputs: tuple[Tensor, ...],
    found: Measurement,
) -> dict[str, Any]:
    one = tuple(item[:1] for item in inputs)
    rounds = {threads: exit_milliseconds(model, one, threads) for threads in (1, THREADS)}
    exits = exit_table(found, config.costs)
    for key, threads in (("time_ratio", THREADS), ("time_ratio_one_thread", 1)):
        for row, ratio in zip(exits, time_ratios(rounds[threads]), strict=False):
            row[key] = ratio
    return {
        "full_depth": {
            "macs": config.costs.full_depth,
            "parameters": parameters(model.trunk),
            "parameters_in_all": config.costs.parameters,
            "milliseconds": median(row[-1] for row in rounds[THREADS]),
            "milliseconds_one_thread": median(row[-1] for row in rounds[1]),
        },
        "exits": exits,
    }


def _delivered(
    found: Measurement, config: CheckpointConfig, images: list[Tensor], judge: PhotoQuality
) -> list[dict[str, Any]]:
    """KID and mIoU of what each budget delivers: LPIPS to a dull full depth proves nothing."""
    rows = []
    for budget in BUDGETS:
        exits = routed_exits(found, config.calibration, budget)
        picked = torch.stack([images[int(e) - 1][row] for row, e in enumerate(exits)])
        score = judge.score(picked)
        keys = ("lpips_to_photo", "kid", "kid_std", "miou")
        rows.append({"budget": budget} | {key: score[key] for key in keys})
    return rows


def _other_inputs(
    model: EarlyExitModel,
    config: CheckpointConfig,
    data: DataFolder,
    lpips: PerceptualDistance,
    seed: int,
) -> list[dict[str, Any]]:
    size = config.generator.height, config.generator.width
    rows = []
    for name, maps in (
        ("towns", data.label_maps("towns", size)),
        ("drawn", drawn_maps(DRAWN, size, DRAWN_SEED)),
    ):
        found = measure(model, (maps, _noise(config, len(maps), seed)), lpips)
        table = budget_table(found, config.costs, config.calibration)
        rows.append({"split": name, "n": len(maps), "budgets": table})
    return rows


def write_json(path: Path, figures: dict[str, Any]) -> None:
    path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
