"""Phase 5: margins of the router, on maps that no phase trained on."""

import torch
from torch import Tensor

from fiancee_hub.evaluation.measure import measure
from fiancee_hub.models.exits import EarlyExitModel
from fiancee_hub.perceptual import PerceptualDistance
from fiancee_hub.router import Calibration, calibrate
from fiancee_hub.training.data import DataFolder
from fiancee_hub.training.maps import drawn_maps

DRAWN = 300
DRAWN_SEED = 900_000
"""Drawings for calibration start here; training draws its seeds below 2**31 at random."""

NOISE_SEED = 910_000


def calibrate_model(
    model: EarlyExitModel, data: DataFolder, *, level: float = 0.9, confidence: float = 0.9
) -> Calibration:
    """Calibrates on the splits ``calibration-*`` and on fresh drawings, in full precision."""
    labels, groups = calibration_maps(data, (model.trunk.config.height, model.trunk.config.width))
    noise = torch.randn(
        len(labels),
        model.trunk.config.noise_channels,
        generator=torch.Generator().manual_seed(NOISE_SEED),
    )
    found = measure(model.float().eval(), (labels, noise), PerceptualDistance())
    return calibrate(
        found.mean, found.spread, found.true, groups, level=level, confidence=confidence
    )


def calibration_maps(data: DataFolder, size: tuple[int, int]) -> tuple[Tensor, list[str]]:
    """Maps (n, height, width) and the kind of each: the split's KIND, or "drawn"."""
    maps, groups = [], []
    for split in data.splits("calibration-"):
        maps.append(data.label_maps(split, size))
        groups += [split.removeprefix("calibration-")] * len(maps[-1])
    maps.append(drawn_maps(DRAWN, size, DRAWN_SEED))
    return torch.cat(maps), groups + ["drawn"] * DRAWN
