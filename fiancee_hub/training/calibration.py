"""Phase 5: margins of the router, on inputs that no phase trained on."""

import torch

from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.core.perceptual import PerceptualDistance
from fiancee_hub.core.router import Calibration, calibrate
from fiancee_hub.measuring.measure import measure
from fiancee_hub.training.task import Task


def calibrate_model(
    model: EarlyExitModel,
    task: Task,
    device: torch.device,
    *,
    level: float = 0.9,
    confidence: float = 0.9,
) -> Calibration:
    """Calibrates on the task's own inputs for it, in full precision; each kind must pass."""
    inputs, groups = task.calibration_inputs()
    found = measure(model.float().eval().to(device), inputs, PerceptualDistance().to(device))
    return calibrate(
        found.mean, found.spread, found.true, groups, level=level, confidence=confidence
    )
