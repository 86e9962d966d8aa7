"""What a family brings to the evaluation of its checkpoints."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Figures = dict[str, Any]
"""Content of evaluation.json."""


@dataclass(frozen=True)
class EvaluationRequest:
    """A checkpoint and the data to judge it on.

    Args:
        checkpoint: folder; pictures for its card are written into it.
        data: prepared data.
        options: values of the options that the family has added.
        seed: of noise and pairs.
        domains: what is known of the family's data sets beside their folders.
        keep_times: take the times over from the checkpoint's evaluation.json.
    """

    checkpoint: Path
    data: Path
    options: argparse.Namespace
    seed: int = 0
    domains: tuple[Any, ...] = ()
    keep_times: bool = False


@dataclass(frozen=True)
class HeldOut:
    """Inputs that neither training nor calibration has seen.

    Args:
        inputs: as ``model.start`` takes them, (nested tuples of) tensors with n items each.
        groups: the kind of each.
    """

    inputs: tuple[Any, ...]
    groups: list[str]


@dataclass(frozen=True)
class EvaluationParts:
    """A family's part of ``evaluate``.

    Args:
        add_options: adds the options that only this family has.
        evaluate: measures and draws; returns what evaluation.json is to hold. Raises
            CheckpointError or DataError, naming what is missing.
        held_out: the inputs that ``evaluate`` judges routing on, with the same seed the same ones.
    """

    add_options: Callable[[argparse.ArgumentParser], None]
    evaluate: Callable[[EvaluationRequest], Figures]
    held_out: Callable[[EvaluationRequest], HeldOut]
