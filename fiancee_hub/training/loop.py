"""The loop that every phase runs in: progress, sample grids, saving and resuming."""

import logging
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor

from fiancee_hub.core.marking import save_picture
from fiancee_hub.training.state import load_state, save_state

logger = logging.getLogger(__name__)


Losses = dict[str, Tensor]
"""By name, still on the accelerator: to read one is to wait for it."""


class Phase(Protocol):
    """What one training phase gives to the loop."""

    def step(self, progress: float) -> Losses:
        """One optimizer step; ``progress`` runs from 0 to 1."""

    def state(self) -> dict[str, Any]:
        """Everything that resuming needs."""

    def restore(self, state: dict[str, Any]) -> None:
        """Takes back what ``state`` returned."""

    def samples(self) -> Image.Image:
        """A picture of how far the training has come."""


@dataclass(frozen=True)
class Schedule:
    """How long a phase trains and how often it reports.

    Args:
        minutes: training time in all, resumed runs included.
        batch_size: images in a step.
        report_every: steps between two lines of the log.
        save_minutes: minutes between two saves.
    """

    minutes: float
    batch_size: int = 4
    report_every: int = 100
    save_minutes: float = 3.0


def run(
    phase: Phase, folder: Path, schedule: Schedule, accelerator: Accelerator
) -> dict[str, float]:
    """Trains ``phase`` until its time is up, resuming from ``folder/state.safetensors``.

    Every process of a distributed run calls this; the main one reports and saves.

    Returns:
        steps, images and hours trained in all.
    """
    path = folder / "state.safetensors"
    seconds, steps, images = 0.0, 0, 0
    images_a_step = schedule.batch_size * accelerator.num_processes
    if path.is_file():
        saved = load_state(path)
        phase.restore(saved["phase"])
        seconds, steps = saved["seconds"], saved["steps"]
        images = saved.get("images", steps * images_a_step)
        logger.info("resumed after %d steps, %.1f minutes", steps, seconds / 60)
    clock = time.monotonic() - seconds
    meter = _Meter(schedule, accelerator.num_processes)
    saved_at = seconds
    while seconds < 60 * schedule.minutes:
        meter.add(phase.step(seconds / (60 * schedule.minutes)))
        steps, images = steps + 1, images + images_a_step
        seconds = _agreed(time.monotonic() - clock, accelerator)
        if not accelerator.is_main_process:
            continue
        if steps % schedule.report_every == 0:
            meter.report(steps, seconds)
        if seconds - saved_at > 60 * schedule.save_minutes:
            _save(phase, path, seconds, steps, images)
            saved_at = seconds
    if accelerator.is_main_process:
        _save(phase, path, seconds, steps, images)
    return {"steps": steps, "images": images, "hours": seconds / 3600}


def _agreed(seconds: float, accelerator: Accelerator) -> float:
    """One clock for all processes, so that they stop after the same step."""
    if accelerator.num_processes == 1:
        return seconds
    clock = torch.tensor(seconds, device=accelerator.device, dtype=torch.float32)
    return float(accelerator.reduce(clock, "mean"))


def _save(phase: Phase, path: Path, seconds: float, steps: int, images: int) -> None:
    state = {"phase": phase.state(), "seconds": seconds, "steps": steps, "images": images}
    save_state(path, state)
    save_picture(phase.samples(), path.with_name("samples.png"))


class _Meter:
    """Mean losses and the rate since the last report."""

    def __init__(self, schedule: Schedule, processes: int) -> None:
        self.schedule, self.images = schedule, schedule.batch_size * processes
        self.reset()

    def reset(self) -> None:
        self.sums: defaultdict[str, Tensor] = defaultdict(lambda: torch.zeros(()))
        self.count, self.since = 0, time.monotonic()

    def add(self, losses: Losses) -> None:
        self.count += 1
        for name, value in losses.items():
            self.sums[name] = self.sums[name].to(value.device) + value.detach()

    def report(self, steps: int, seconds: float) -> None:
        rate = self.count * self.images / (time.monotonic() - self.since)
        losses = "  ".join(
            f"{name} {float(total) / self.count:.4f}" for name, total in self.sums.items()
        )
        left = self.schedule.minutes - seconds / 60
        logger.info("step %d  %.2f images/s  %.0f minutes left  %s", steps, rate, left, losses)
        self.reset()
