"""Phase 5: margins of the router, on inputs that no phase trained on."""

import torch

from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.core.perceptual import PerceptualDistance
from fiancee_hub.core.router import OPENING_SHARES, Calibration, calibrate, openings
from fiancee_hub.measuring.measure import measure, predictions
from fiancee_hub.training.task import Task

OPENING_INPUTS = 128
"""Training inputs of each kind whose predictions say where the sequences of margins begin."""


def calibrate_model(
    model: EarlyExitModel,
    task: Task,
    device: torch.device,
    *,
    level: float = 0.9,
    confidence: float = 0.9,
) -> Calibration:
    """Calibrates on the task's own inputs for it, in full precision; each kind must pass."""
    model = model.float().eval().to(device)
    inputs = task.calibration_inputs()
    # One kind of inputs needs one sequence only, and need not share its confidence.
    shares = OPENING_SHARES if len(set(inputs.groups)) > 1 else OPENING_SHARES[:1]
    others, kinds = task.opening_inputs(OPENING_INPUTS)
    begin = openings(*predictions(model, others), shares, kinds)
    found = measure(model, inputs.inputs, PerceptualDistance().to(device))
    return calibrate(
        found.mean,
        found.spread,
        found.true,
        inputs.groups,
        begin=begin,
        level=level,
        confidence=confidence,
    )
