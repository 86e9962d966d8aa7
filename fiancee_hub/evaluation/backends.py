"""The second test of a checkpoint's promise, in other backends and types; see
``core.second_test``."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from fiancee_hub.backends.choosing import AUTO, EAGER, check_backend, run_in
from fiancee_hub.core.errors import CheckpointError, DataError
from fiancee_hub.core.exits import EarlyExitModel, Progress, Runner
from fiancee_hub.core.nested import each_tensor
from fiancee_hub.core.perceptual import PerceptualDistance
from fiancee_hub.core.placing import CPU
from fiancee_hub.core.second_test import KEY, PRECISE, Place, rows
from fiancee_hub.evaluation.evaluate import Figures, Subject, write_json
from fiancee_hub.evaluation.parts import HeldOut
from fiancee_hub.hub.checkpoints import load_checkpoint
from fiancee_hub.hub.saving import EVALUATION, evaluation_of
from fiancee_hub.measuring.measure import Measurement, joined, render_all

BATCH = 4


@dataclass(frozen=True)
class Candidate:
    """A backend to test.

    Args:
        place: its names.
        model: placed where it runs, in its type.
        runner: of stages and branches; None for the model itself.
    """

    place: Place
    model: EarlyExitModel
    runner: Runner | None

    @classmethod
    def load(
        cls, folder: Path, backend: str, dtype: torch.dtype, device: torch.device
    ) -> "Candidate":
        """A checkpoint's model in a backend.

        Raises:
            InputError, MissingPackageError: it cannot run so here.
            DataError: it is what the checkpoint was calibrated in.
        """
        place = Place.of(check_backend(backend), dtype, device)
        if backend == AUTO:
            raise DataError("--backend auto is one of the others: name it")
        if backend == EAGER and dtype in PRECISE:
            raise DataError(
                f"checkpoints are calibrated in eager float32, {place} keeps what that promises: "
                "name another backend, or --dtype bfloat16"
            )
        model, _ = load_checkpoint(folder)
        return cls(place, model, run_in(model, backend, device, dtype))

    def images(self, inputs: tuple[Any, ...]) -> tuple[Progress, list[Tensor]]:
        """What a batch began with, and the pictures of every exit on the CPU, in float32."""
        device = next(self.model.parameters()).device
        began = self.model.start(*each_tensor(inputs, lambda tensor: tensor.to(device)))
        made, _ = render_all(self.model, began, runner=self.runner)
        return began, [image.to(CPU) for image in made]


def second_tests(
    subject: Subject, candidates: Sequence[Candidate], held_out: HeldOut, lpips: PerceptualDistance
) -> list[Figures]:
    """Entries of evaluation.json, one for each candidate.

    ``lpips`` is the mean distance of every exit's picture there to full depth in eager float32.

    Args:
        subject: the checkpoint, in eager float32.
        candidates: what to test.
        held_out: inputs that no calibration saw.
        lpips: distance.
    """
    found = _measured(subject.model, candidates, held_out.inputs, lpips)
    return [
        {
            **candidate.place._asdict(),
            "version": metadata.version(_package(candidate.place.backend)),
            "n": len(measured.true),
            "level": subject.calibration.level,
            "confidence": subject.calibration.confidence,
            "lpips": [float(mean) for mean in measured.true.mean(0)],
            "budgets": rows(
                subject.calibration,
                measured.mean,
                measured.spread,
                measured.true,
                held_out.groups,
            ),
        }
        for candidate, measured in zip(candidates, found, strict=True)
    ]


@torch.no_grad()
def _measured(
    model: EarlyExitModel,
    candidates: Sequence[Candidate],
    inputs: tuple[Any, ...],
    lpips: PerceptualDistance,
) -> list[Measurement]:
    """Of each candidate the predictions there, and the true LPIPS of all its exits."""
    parts: list[list[Measurement]] = [[] for _ in candidates]
    for begin in tqdm(range(0, len(inputs[0]), BATCH), desc="second test"):
        batch = each_tensor(inputs, itemgetter(slice(begin, begin + BATCH)))
        full, _ = model.render(model.start(*batch), model.exits)
        wanted = lpips.features(full.float())
        for candidate, found in zip(candidates, parts, strict=True):
            began, images = candidate.images(batch)
            mean, spread = candidate.model.predict(began)
            true = [lpips.between(lpips.features(image), wanted) for image in images]
            found.append(Measurement(*map(_array, (mean, spread, torch.stack(true, 1)))))
    return [joined(found) for found in parts]


def _package(backend: str) -> str:
    """Whose version stands beside the figures."""
    return "torch" if backend in (EAGER, "compile") else backend


def _array(tensor: Tensor) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(tensor.double().cpu())


def measured(folder: Path) -> Figures:
    """evaluation.json of a checkpoint that was evaluated.

    Raises:
        CheckpointError: it was not, or has other weights now.
    """
    figures = evaluation_of(folder)
    if figures is None:
        raise CheckpointError(
            f"{folder} has no evaluation of these very weights: run `evaluate` without --backend "
            "first"
        )
    return figures


def add_tests(folder: Path, tests: Sequence[Figures]) -> Figures:
    """Puts entries of ``second_tests`` into evaluation.json in the place of older ones.

    Returns:
        what is written.
    """
    figures = measured(folder)
    new = [_place(test) for test in tests]
    kept = [test for test in figures.get(KEY, ()) if _place(test) not in new]
    whole = figures | {KEY: sorted([*kept, *tests], key=_place)}
    write_json(folder / EVALUATION, whole)
    return whole


def _place(test: Figures) -> tuple[str, ...]:
    return tuple(test[name] for name in Place._fields)
