"""The figures of evaluation.json that all families share: cost, time, exits and routing."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from fiancee_hub.core.cost import Costs, parameters
from fiancee_hub.core.errors import CheckpointError
from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.hub.checkpoints import CONFIG, WEIGHTS, load_checkpoint
from fiancee_hub.hub.config import CheckpointConfig
from fiancee_hub.measuring.measure import Measurement
from fiancee_hub.measuring.routing import budget_table, exit_table
from fiancee_hub.measuring.timing import exit_milliseconds, time_ratios

FORMAT = 1
THREADS = 2

Figures = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """The checkpoint that is judged."""

    folder: Path
    model: EarlyExitModel
    config: CheckpointConfig

    @classmethod
    def load(cls, folder: Path, family: str) -> "Subject":
        """Reads a calibrated checkpoint of ``family``.

        Raises:
            CheckpointError: it is none.
        """
        model, config = load_checkpoint(folder)
        if config.family != family:
            raise CheckpointError(f"{folder / CONFIG}: this data cannot judge '{config.family}'")
        if config.calibration is None:
            raise CheckpointError(
                f"{folder / CONFIG} has no calibration: run `train calibrate` first"
            )
        return cls(folder, model, config)


def identity(subject: Subject, split: str, count: int, seed: int) -> Figures:
    """What the figures belong to."""
    generator = subject.config.generator
    return {
        "format": FORMAT,
        "model_sha256": hashlib.sha256((subject.folder / WEIGHTS).read_bytes()).hexdigest(),
        "split": split,
        "n": count,
        "seed": seed,
        "size": [generator.height, generator.width],
        "torch": torch.__version__,
        "threads": THREADS,
    }


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
    times = exit_times(subject.model, example)
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


def exit_times(model: EarlyExitModel, example: tuple[Any, ...]) -> ExitTimes:
    """Takes the time of every exit with one thread and with ``THREADS``."""
    one, several = (exit_milliseconds(model, example, threads) for threads in (1, THREADS))
    pairs = zip(time_ratios(several), time_ratios(one), strict=True)
    return ExitTimes(
        {
            "milliseconds": median(row[-1] for row in several),
            "milliseconds_one_thread": median(row[-1] for row in one),
        },
        [{"time_ratio": a, "time_ratio_one_thread": b} for a, b in pairs],
    )


def write_json(path: Path, figures: Figures) -> None:
    path.write_text(json.dumps(figures, indent=1, allow_nan=False) + "\n", encoding="utf-8")
