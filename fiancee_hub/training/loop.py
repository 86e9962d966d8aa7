"""The loop that every phase runs in: progress, sample grids, saving and resuming."""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor

from fiancee_hub.core.marking import save_picture
from fiancee_hub.training.curve import Curve
from fiancee_hub.training.state import load_state, save_state
from fiancee_hub.training.stopping import stop_requests

STATE, BEST = "state.safetensors", "best.safetensors"

FIRST_REPORT, REPORT = 10.0, 60.0
"""Seconds until the first line of the log, and between two, where steps take long."""

PATIENCE = 8.0
"""Seconds into the first step after which the log says that it takes long."""

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


OVERALL = "overall"


@dataclass(frozen=True)
class Judging:
    """Who says how good a phase is, and how often.

    Args:
        minutes: between two judgements.
        judge: values by name, smaller is better; the best state is that of the least ``overall``.
    """

    minutes: float
    judge: Callable[[], dict[str, float]]


@dataclass(frozen=True)
class Schedule:
    """How long a phase trains and how often it reports.

    Args:
        minutes: training time in all, resumed runs included.
        batch_size: images in a step.
        report_every: steps between two lines of the log; where they take long, it comes sooner.
        save_minutes: minutes between two saves.
        judging: None leaves out what a judge says, and with it the best state.
        earlier_images: trained before the first step, for the curve.
        curve: folder of ``curve.json`` and ``curve.png``; that of the state if None.
        images: to train on in all, resumed runs included; progress is counted in them then, and
            ``minutes`` is where to stop before. None leaves the end to the minutes.
    """

    minutes: float
    batch_size: int = 4
    report_every: int = 100
    save_minutes: float = 3.0
    judging: Judging | None = None
    earlier_images: int = 0
    curve: Path | None = None
    images: int | None = None

    def progress(self, seconds: float, images: int) -> float:
        """How much is done, from 0 to 1."""
        return images / self.images if self.images else seconds / (60 * self.minutes)

    def goes_on(self, seconds: float, images: int) -> bool:
        """Whether there is anything left to do."""
        enough = self.images is not None and images >= self.images
        return seconds < 60 * self.minutes and not enough

    def whole(self) -> str:
        """How long it is in all."""
        return f"{self.images} images" if self.images else f"{self.minutes:.1f} minutes"

    def left(self, seconds: float, images: int) -> str:
        """How much is left to do."""
        if self.images:
            return f"{self.images - images} images"
        return f"{self.minutes - seconds / 60:.0f} minutes"


def run(
    phase: Phase, folder: Path, schedule: Schedule, accelerator: Accelerator
) -> dict[str, float]:
    """Trains ``phase`` until its time is up, resuming from ``folder/state.safetensors``.

    Every process of a distributed run calls this; the main one reports, judges and saves. Where
    there is a judge, ``folder/best.safetensors`` is the state that it liked best. Whoever is asked
    to stop, by Ctrl-C or SIGTERM, ends the step, saves, and leaves; and all others with it.

    Returns:
        steps, images and hours trained in all.
    """
    path = folder / STATE
    seconds, steps, images = 0.0, 0, 0
    images_a_step = schedule.batch_size * accelerator.num_processes
    if path.is_file():
        saved = load_state(path)
        phase.restore(saved["phase"])
        seconds, steps = saved["seconds"], saved["steps"]
        images = saved.get("images", steps * images_a_step)
        logger.info("resumed after %d steps, %.1f minutes", steps, seconds / 60)
    logger.info(
        "training for %s in all, %d images a step, on %s; state in %s",
        schedule.whole(),
        images_a_step,
        accelerator.device,
        folder,
    )
    clock, begun = time.monotonic() - seconds, steps
    book = _Book(
        phase, folder, schedule, accelerator.num_processes, _Moment(seconds, steps, images)
    )
    with stop_requests() as request:
        stopped = False
        while not stopped and schedule.goes_on(seconds, images):
            with _patience(first=steps == begun):
                losses = phase.step(schedule.progress(seconds, images))
            steps, images = steps + 1, images + images_a_step
            seconds, stopped = _agreed(time.monotonic() - clock, bool(request), accelerator)
            if accelerator.is_main_process:
                book.keep(losses, _Moment(seconds, steps, images))
        if accelerator.is_main_process:
            book.close(_Moment(seconds, steps, images), stopped=stopped)
        # Saving and judging take a while, and nobody asks twice for the next phase not to begin.
        _, asked = _agreed(seconds, bool(request), accelerator)
    if stopped or asked:
        # Whoever left before the others would tear the connections to them.
        accelerator.wait_for_everyone()
        accelerator.end_training()
        request.follow()
    return {"steps": steps, "images": images, "hours": seconds / 3600}


@contextmanager
def _patience(*, first: bool) -> Iterator[None]:
    """Says that the first step takes long, where it does: figures come only after it."""
    if not first:
        yield
        return
    timer = threading.Timer(PATIENCE, _still_at_it)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _still_at_it() -> None:
    logger.info(
        "the first step takes longer than %.0f seconds: figures come with its end", PATIENCE
    )


@dataclass(frozen=True)
class _Moment:
    """How far the training has come."""

    seconds: float
    steps: int
    images: int


class _Book:
    """Keeps the log, the curve, and the states: the last and the best."""

    def __init__(
        self, phase: Phase, folder: Path, schedule: Schedule, processes: int, now: _Moment
    ) -> None:
        self.phase, self.folder, self.schedule = phase, folder, schedule
        self.meter = _Meter(schedule, processes)
        self.curve = Curve(schedule.curve or folder, now.images + schedule.earlier_images)
        self.saved_at = self.judged_at = self.reported_at = now.seconds
        self.patience = FIRST_REPORT
        # A run that was interrupted while its end was judged is judged when it goes on.
        self.judged = now.steps if self._has_judged(now) else 0
        self.least = float("inf")
        if schedule.judging and (folder / BEST).is_file():
            self.least = load_state(folder / BEST)["judged"]

    def keep(self, losses: Losses, now: _Moment) -> None:
        """Notes a step, and reports, saves and judges when it is time to."""
        self.meter.add(losses)
        schedule, judging = self.schedule, self.schedule.judging
        waited = now.seconds - self.reported_at
        if now.steps % schedule.report_every == 0 or waited > self.patience:
            self.reported_at, self.patience = now.seconds, REPORT
            self._add(now, losses=self.meter.report(now))
        if now.seconds - self.saved_at > 60 * schedule.save_minutes:
            self._save(now)
        if judging and now.seconds - self.judged_at > 60 * judging.minutes:
            self._judge(now)

    def close(self, now: _Moment, *, stopped: bool) -> None:
        """Saves the last state, and judges it unless the run was stopped and will go on."""
        self._save(now)
        if stopped:
            logger.info("stopped after %d steps; the same command goes on from there", now.steps)
        elif self.schedule.judging and self.judged < now.steps:
            self._judge(now)

    def _has_judged(self, now: _Moment) -> bool:
        images = now.images + self.schedule.earlier_images
        return any("judge" in point for point in self.curve.points if point["images"] == images)

    def _add(self, now: _Moment, **kinds: dict[str, float]) -> None:
        self.curve.add(now.images + self.schedule.earlier_images, now.seconds / 60, **kinds)

    def _save(self, now: _Moment) -> None:
        save_state(self.folder / STATE, self._state(now))
        save_picture(self.phase.samples(), self.folder / "samples.png")
        self.curve.save()
        self.saved_at = now.seconds

    def _judge(self, now: _Moment) -> None:
        assert self.schedule.judging is not None
        values = self.schedule.judging.judge()
        text = "  ".join(f"{name} {value:.4f}" for name, value in values.items())
        logger.info("step %d  judge: %s", now.steps, text)
        self._add(now, judge=values)
        if values[OVERALL] < self.least:
            self.least = values[OVERALL]
            save_state(self.folder / BEST, self._state(now) | {"judged": self.least})
        self.curve.save()
        self.judged_at, self.judged = now.seconds, now.steps

    def _state(self, now: _Moment) -> dict[str, Any]:
        return {
            "phase": self.phase.state(),
            "seconds": now.seconds,
            "steps": now.steps,
            "images": now.images,
        }


def _agreed(seconds: float, stopped: bool, accelerator: Accelerator) -> tuple[float, bool]:
    """One clock for all processes, and whether any of them was asked to stop, so that they end
    after the same step."""
    if accelerator.num_processes == 1:
        return seconds, stopped
    clock = torch.tensor([seconds, stopped], device=accelerator.device, dtype=torch.float32)
    mean, asking = accelerator.reduce(clock, "mean").tolist()
    return mean, asking > 0


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

    def report(self, now: _Moment) -> dict[str, float]:
        """Writes a line of the log; the mean losses by name."""
        rate = self.count * self.images / (time.monotonic() - self.since)
        means = {name: float(total) / self.count for name, total in self.sums.items()}
        losses = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
        left = self.schedule.left(now.seconds, now.images)
        logger.info("step %d  %.2f images/s  %s left  %s", now.steps, rate, left, losses)
        self.reset()
        return means
