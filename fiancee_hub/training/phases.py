"""The phases of one checkpoint's training, in order.

Each takes the run folder, resumes what it finds there, and leaves its part in
``RUN/checkpoint``, a checkpoint folder like any other. Guides come before branches here, since
every branch sees a guide while it learns.
"""

import dataclasses
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from fiancee_hub.core.cost import count
from fiancee_hub.core.errors import DataError
from fiancee_hub.core.exits import Branch, EarlyExitModel
from fiancee_hub.core.files import write_text
from fiancee_hub.hub.checkpoints import build, load_checkpoint, save_checkpoint, stored
from fiancee_hub.hub.config import CheckpointConfig
from fiancee_hub.training.adopting import adopted
from fiancee_hub.training.adversarial import AdversarialPhase
from fiancee_hub.training.branches import BranchPhase, BranchSettings
from fiancee_hub.training.calibration import calibrate_model
from fiancee_hub.training.guides import fill_guides
from fiancee_hub.training.loop import Schedule, run
from fiancee_hub.training.packing import pack_backbone, unpack
from fiancee_hub.training.predictor import PredictorPhase, fingerprint, measure_targets
from fiancee_hub.training.state import load_state
from fiancee_hub.training.task import Task

logger = logging.getLogger(__name__)

GROW_SHARE = 0.15
"""Share of the backbone's minutes spent at half the size first."""

STATE = "state.safetensors"


@dataclass(frozen=True)
class Run:
    """Where a training run lives and what it runs on."""

    folder: Path
    task: Task
    accelerator: Accelerator

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint"

    def load(self) -> tuple[EarlyExitModel, CheckpointConfig]:
        return load_checkpoint(self.checkpoint)

    def save(self, model: EarlyExitModel, config: CheckpointConfig) -> None:
        if self.accelerator.is_main_process:
            save_checkpoint(self.checkpoint, model, config)
        self.accelerator.wait_for_everyone()

    def notes(self) -> dict[str, Any]:
        """What the phases have cost so far: ``RUN/training.json``."""
        path = self.folder / "training.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def note(self, phase: str, facts: dict[str, Any]) -> None:
        """Keeps what a phase cost."""
        if self.accelerator.is_main_process:
            notes = json.dumps(self.notes() | {phase: facts}, indent=1)
            write_text(self.folder / "training.json", notes + "\n")


def train_backbone(job: Run, minutes: float, start: Path | None = None) -> None:
    """Phase 1: half size first, then the shipped size; or on from what ``pack`` kept.

    Args:
        job: the run.
        minutes: in all, resumed runs included; those before ``start`` are not.
        start: a file of ``pack``.
    """
    if adopted(job.folder):
        logger.info("the backbone is that of a checkpoint, and stays as it is")
        return
    config, large = job.task.recipe.generator, job.folder / "backbone"
    phase = job.task.backbone(config, job.accelerator)
    earlier: dict[str, Any] = {"images": 0, "hours": 0.0}
    if start is not None:
        earlier = unpack(start)
        phase.grow_from(earlier["phase"])
    else:
        small = job.folder / "backbone-half"
        if not (large / STATE).is_file():
            half = job.task.backbone(config.half_size(), job.accelerator)
            job.note("backbone-half", _train(half, small, minutes * GROW_SHARE, job))
        phase.grow_from(load_state(small / STATE)["phase"])
        minutes *= 1 - GROW_SHARE
    facts = _train(phase, large, minutes, job)
    facts |= {name: facts[name] + earlier[name] for name in ("images", "hours")}
    job.note("backbone", facts)


def pack(job: Run, target: Path) -> None:
    """Keeps what going on with the backbone on another machine needs, beside a checkpoint."""
    if adopted(job.folder):
        raise DataError(f"{job.folder} has a backbone from a checkpoint: there is nothing to pack")
    if job.accelerator.is_main_process:
        pack_backbone(job.folder / "backbone" / STATE, target, job.notes()["backbone"])


def _train(
    phase: AdversarialPhase | BranchPhase | PredictorPhase, folder: Path, minutes: float, job: Run
) -> dict[str, Any]:
    schedule = Schedule(minutes, phase.batch_size)
    try:
        facts = run(phase, folder, schedule, job.accelerator)
    finally:
        phase.close()
    job.accelerator.wait_for_everyone()
    where = {"processes": job.accelerator.num_processes, "device": _name(job.accelerator.device)}
    return dict(facts) | where


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type.upper()


def build_guides(job: Run) -> None:
    """Phase 2: a model around the trained trunk, its guide bank filled."""
    config = job.task.config()
    model = build(config).eval()
    model.trunk.load_state_dict(_backbone(job)["average"])
    for branch in model.branches:
        assert isinstance(branch, Branch)
        branch.inherit(model.trunk)
    # Everything that follows is measured on the weights as the checkpoint stores them.
    rounded = {name: stored(name, t).to(t.dtype) for name, t in model.state_dict().items()}
    model.load_state_dict(rounded)
    fill_guides(model.to(job.accelerator.device), job.task.guide_inputs(config.guides.entries))
    job.save(model, dataclasses.replace(config, costs=count(model)))


def _backbone(job: Run) -> dict[str, dict[str, Tensor]]:
    path = job.folder / "backbone" / STATE
    if not path.is_file():
        raise DataError(f"{path} is missing: train the backbone first")
    state: dict[str, dict[str, Tensor]] = load_state(path)["phase"]
    return state


def train_branches(job: Run, minutes: float, settings: BranchSettings = BranchSettings()) -> None:
    """Phase 3."""
    model, config = job.load()
    judge = _backbone(job).get("discriminator")
    phase = BranchPhase(model, judge, job.task, job.accelerator, settings)
    job.note("branches", _train(phase, job.folder / "branches", minutes, job))
    job.save(model, config)


def train_predictor(job: Run, minutes: float, samples: int) -> None:
    """Phase 4."""
    model, config = job.load()
    source = job.task.source()
    # Other branches have other distances: neither targets nor progress may outlive them.
    folder = job.folder / "predictor" / fingerprint(model)
    targets = measure_targets(model, source, samples, folder, job.accelerator)
    phase = PredictorPhase(model, targets, job.accelerator)
    facts = _train(phase, folder, minutes, job)
    errors = phase.error()
    logger.info("mean absolute error, held out: %s", [f"{error:.4f}" for error in errors])
    job.note("predictor", facts | {"samples": len(targets["lpips"]), "errors": errors})
    job.save(model, config)


def calibrate(job: Run) -> None:
    """Phase 5."""
    model, config = job.load()
    calibration = calibrate_model(model, job.task, job.accelerator.device)
    job.note("calibration", {"samples": calibration.samples, "groups": calibration.groups})
    job.save(model, dataclasses.replace(config, calibration=calibration))
