"""The figures of evaluation.json that all families share: cost, time, exits and routing."""

import dataclasses
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import torch

from fiancee_hub.core.cost import Costs, parameters
from fiancee_hub.core.digest import digest_of
from fiancee_hub.core.errors import CheckpointError
from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.core.files import sha256_of, write_text
from fiancee_hub.core.router import Calibration
from fiancee_hub.core.second_test import KEY
from fiancee_hub.evaluation.card import TRAINING
from fiancee_hub.hub.checkpoints import CONFIG, WEIGHTS, load_checkpoint
from fiancee_hub.hub.config import CheckpointConfig
from fiancee_hub.hub.saving import EVALUATION, evaluation_of
from fiancee_hub.measuring.measure import Measurement
from fiancee_hub.measuring.routing import budget_table, exit_table
from fiancee_hub.measuring.timing import exit_milliseconds, time_ratios

FORMAT = 1
THREADS = 2
SMALL_NETS = "static"
FULL_DEPTH_RATIOS = {"time_ratio": 1.0, "time_ratio_one_thread": 1.0}

INPUTS = ("split", "n", "seed", "size")
ELSEWHERE = {KEY: (*INPUTS, "model_sha256"), SMALL_NETS: (*INPUTS, "trunk_sha256")}
"""What is added to evaluation.json after it was measured, and what has to be as it was for that to
stay: small nets are compared with full depth, whatever its branches are."""

Figures = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """The checkpoint that is judged.

    Args:
        folder: where it lies.
        model, config: what it is.
        timed: earlier figures of the same weights, whose times are taken over; None takes them.
    """

    folder: Path
    model: EarlyExitModel
    config: CheckpointConfig
    timed: Figures | None = None

    @property
    def calibration(self) -> Calibration:
        """The checkpoint's, which ``load`` has seen to."""
        assert self.config.calibration is not None
        return self.config.calibration

    @classmethod
    def load(cls, folder: Path, family: str, *, keep_times: bool = False) -> "Subject":
        """Reads a calibrated checkpoint of ``family``.

        Args:
            folder: of the checkpoint.
            family: its name.
            keep_times: take the times over from the folder's evaluation.json.

        Raises:
            CheckpointError: it is none, or there are no times of these very weights to keep.
        """
        model, config = load_checkpoint(folder)
        if config.family != family:
            raise CheckpointError(f"{folder / CONFIG}: this data cannot judge '{config.family}'")
        if config.calibration is None:
            raise CheckpointError(
                f"{folder / CONFIG} has no calibration: run `train calibrate` first"
            )
        timed = evaluation_of(folder) if keep_times else None
        if keep_times and timed is None:
            raise CheckpointError(
                f"{folder} has no evaluation of these very weights, so there are no times to keep: "
                "leave --keep-times out"
            )
        return cls(folder, model, config, timed)


def identity(subject: Subject, split: str, count: int, seed: int) -> Figures:
    """What the figures belong to."""
    generator = subject.config.generator
    return {
        "format": FORMAT,
        "model_sha256": sha256_of(subject.folder / WEIGHTS),
        "trunk_sha256": digest_of(subject.model.trunk.state_dict()),
        "split": split,
        "n": count,
        "seed": seed,
        "size": [generator.height, generator.width],
        "torch": torch.__version__,
        "threads": THREADS,
        "times": _when(subject.timed),
    }


def _when(timed: Figures | None) -> Figures:
    """When the times were taken, and with which torch; older files do not say when."""
    if timed is None:
        today = datetime.now(UTC).date().isoformat()
        return {"taken": today, "torch": torch.__version__, "kept": False}
    before = timed.get("times", {"taken": None, "torch": timed["torch"]})
    return {"taken": before["taken"], "torch": before["torch"], "kept": True}


def routing_figures(
    subject: Subject, found: Measurement, unguided: Measurement, example: tuple[Any, ...]
) -> Figures:
    """Cost and time of every exit, and what the router makes of the inputs.

    Args:
        subject: the checkpoint.
        found: measured on the inputs.
        unguided: measured on them with every guide left out.
        example: inputs of one image, to take the time of.
    """
    costs, calibration = subject.config.costs, subject.config.calibration
    bare = unguided_costs(costs)
    return {
        **_time_and_cost(subject, found, example),
        "overhead_macs_ratio": costs.overhead_ratio,
        "budgets": budget_table(found, costs, calibration),
        "without_guides": {
            "exits": exit_table(unguided, bare),
            "budgets": budget_table(unguided, bare, calibration),
        },
    }


def unguided_costs(costs: Costs) -> Costs:
    """Costs of calls that look up no guide."""
    *branches, full = costs.exits
    exits = (*(macs - costs.guides for macs in branches), full)
    return dataclasses.replace(costs, exits=exits, guides=0)


def _time_and_cost(subject: Subject, found: Measurement, example: tuple[Any, ...]) -> Figures:
    costs = subject.config.costs
    times = exit_times(subject, example)
    exits = exit_table(found, costs)
    for row, ratios in zip(exits, times.ratios, strict=False):
        row |= ratios
    return {
        "full_depth": {
            "macs": costs.full_depth,
            "parameters": parameters(subject.model.trunk),
            "parameters_in_all": costs.parameters,
            **times.full_depth,
        },
        "exits": exits,
    }


@dataclass(frozen=True)
class ExitTimes:
    """Time of full depth in milliseconds, and of all exits relative to it."""

    full_depth: dict[str, float]
    ratios: list[dict[str, float]]


def exit_times(subject: Subject, example: tuple[Any, ...], part: str | None = None) -> ExitTimes:
    """Takes the time of every exit with one thread and with ``THREADS``, or takes it over.

    Args:
        subject: the checkpoint.
        example: inputs of one image.
        part: of the figures that the times stand in; None for their top.
    """
    if subject.timed is not None:
        return _times_in(subject.timed[part] if part else subject.timed)
    one, several = (exit_milliseconds(subject.model, example, threads) for threads in (1, THREADS))
    pairs = zip(time_ratios(several), time_ratios(one), strict=True)
    return ExitTimes(
        {
            "milliseconds": median(row[-1] for row in several),
            "milliseconds_one_thread": median(row[-1] for row in one),
        },
        [{"time_ratio": a, "time_ratio_one_thread": b} for a, b in pairs],
    )


def _times_in(figures: Figures) -> ExitTimes:
    full, ratios = ("milliseconds", "milliseconds_one_thread"), tuple(FULL_DEPTH_RATIOS)
    branches = [{key: row[key] for key in ratios} for row in figures["exits"]]
    return ExitTimes(
        {key: figures["full_depth"][key] for key in full}, [*branches, dict(FULL_DEPTH_RATIOS)]
    )


def write_evaluation(folder: Path, figures: Figures) -> Figures:
    """Writes evaluation.json of a checkpoint; what others have measured on what is still the same
    stays in it.

    Returns:
        what is written.
    """
    before = _before(folder)
    kept = {
        name: before[name]
        for name, same in ELSEWHERE.items()
        if name in before and all(before.get(key) == figures.get(key) for key in same)
    }
    if SMALL_NETS in kept:
        kept[SMALL_NETS] |= {"exits": training_of_exits(folder)}
    whole = figures | kept
    write_json(folder / EVALUATION, whole)
    return whole


def _before(folder: Path) -> Figures:
    """evaluation.json as it is, of whatever weights; empty if there is none."""
    try:
        figures = json.loads((folder / EVALUATION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return figures if isinstance(figures, dict) else {}


def training_of_exits(folder: Path) -> Figures:
    """Images and hours of all exits of a checkpoint together, as far as they were noted."""
    path = folder / TRAINING
    notes = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    facts = notes.get("branches", {})
    return {name: facts[name] for name in ("images", "hours") if name in facts}


def write_json(path: Path, figures: Figures) -> None:
    write_text(path, json.dumps(figures, indent=1, allow_nan=False) + "\n")
