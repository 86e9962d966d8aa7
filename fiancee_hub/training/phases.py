"""The phases of one checkpoint's training, in order, each resumable from its run folder."""

import logging
from pathlib import Path

from accelerate import Accelerator

from fiancee_hub.models.configs import OASIS_CONFIGS
from fiancee_hub.training.backbone import BackbonePhase
from fiancee_hub.training.data import DataFolder
from fiancee_hub.training.loop import Schedule, run
from fiancee_hub.training.state import load_state

logger = logging.getLogger(__name__)

GROW_SHARE = 0.2
"""Share of the backbone's minutes spent at half the size first."""


def train_backbone(
    folder: Path, data: DataFolder, minutes: float, accelerator: Accelerator
) -> dict[str, float]:
    """Half size first, then the shipped size; resumes either."""
    config = OASIS_CONFIGS["streets"]
    small, large = folder / "backbone-half", folder / "backbone"
    schedule = Schedule(minutes * GROW_SHARE)
    if not (large / "state.safetensors").is_file():
        run(BackbonePhase(config.half_size(), data, accelerator), small, schedule, accelerator)
        accelerator.wait_for_everyone()
    phase = BackbonePhase(config, data, accelerator)
    phase.grow_from(load_state(small / "state.safetensors")["phase"])
    return run(phase, large, Schedule(minutes * (1 - GROW_SHARE)), accelerator)
