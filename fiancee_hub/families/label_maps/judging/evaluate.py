"""Every figure of a streets checkpoint, on data that training did not see."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from fiancee_hub.core.perceptual import PerceptualDistance
from fiancee_hub.evaluation.evaluate import Figures, Subject, identity, routing_figures
from fiancee_hub.families.label_maps.config import OasisConfig
from fiancee_hub.families.label_maps.judging.quality import PhotoQuality
from fiancee_hub.families.label_maps.judging.segmenter import load_segmenter
from fiancee_hub.families.label_maps.training.maps import drawn_maps
from fiancee_hub.families.label_maps.training.photographs import DataFolder
from fiancee_hub.hub.config import CheckpointConfig
from fiancee_hub.measuring.measure import Measurement, measure, try_exits
from fiancee_hub.measuring.routing import BUDGETS, budget_table, routed_exits

DRAWN = 200
DRAWN_SEED = 1_900_000
"""Drawings that neither training nor calibration draws."""


@dataclass(frozen=True)
class EvaluatedStreets:
    """What was found, and the pictures that the card shows."""

    figures: Figures
    maps: Tensor
    images: list[Tensor]
    photos: Tensor


def evaluate_streets(
    folder: Path, data: DataFolder, segmenter: Path, *, seed: int = 0
) -> EvaluatedStreets:
    """Measures a checkpoint on the split ``test``, and its routing on towns and drawings too.

    Args:
        folder: the checkpoint.
        data: prepared data with the splits ``test``, ``towns`` and ``photos``.
        segmenter: folder of the net that judges pictures.
        seed: of the noise.

    Raises:
        CheckpointError, DataError: naming what is missing.
    """
    subject = Subject.load(folder, "label_maps")
    for split in ("test", "towns", "photos"):
        data.names(split)
    size = _size(subject.config)
    lpips = PerceptualDistance()
    judge = PhotoQuality.of_folder(data, size, load_segmenter(segmenter), lpips)
    maps = data.label_maps("test", size)
    inputs = maps, _noise(subject.config, len(maps), seed)
    trial = try_exits(subject.model, inputs, lpips)
    example = inputs[0][:1], inputs[1][:1]
    figures = {
        **identity(subject, "test", len(maps), seed),
        **routing_figures(subject, trial.found, trial.unguided, example),
        "full_depth_quality": judge.score(trial.images[-1]),
        "delivered_quality": _delivered(trial.found, subject.config, trial.images, judge),
        "other_inputs": _other_inputs(subject, data, lpips, seed),
    }
    return EvaluatedStreets(figures, maps, trial.images, data.images("test", size))


def _size(config: CheckpointConfig) -> tuple[int, int]:
    return config.generator.height, config.generator.width


def _noise(config: CheckpointConfig, count: int, seed: int) -> Tensor:
    assert isinstance(config.generator, OasisConfig)
    random = torch.Generator().manual_seed(seed)
    return torch.randn(count, config.generator.noise_channels, generator=random)


def _delivered(
    found: Measurement, config: CheckpointConfig, images: list[Tensor], judge: PhotoQuality
) -> list[Figures]:
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
    subject: Subject, data: DataFolder, lpips: PerceptualDistance, seed: int
) -> list[Figures]:
    config, size = subject.config, _size(subject.config)
    rows = []
    for name, maps in (
        ("towns", data.label_maps("towns", size)),
        ("drawn", drawn_maps(DRAWN, size, DRAWN_SEED)),
    ):
        found = measure(subject.model, (maps, _noise(config, len(maps), seed)), lpips)
        table = budget_table(found, config.costs, config.calibration)
        rows.append({"split": name, "n": len(maps), "budgets": table})
    return rows
