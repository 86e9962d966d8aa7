"""The second test: does what was calibrated in eager float32 hold in another backend or type?

Margins are calibrated once. Whoever runs a checkpoint in something that rounds differently delivers
other pictures, at full depth too, so each budget's promise is tested there again, on inputs that no
calibration saw, and offered only where it passes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from fiancee_hub.core.router import Calibration, FloatArray, choose, delivered, fewest, passes

PRECISE = (torch.float32, torch.float64)
"""Types in which every backend's pictures are eager's to a grey level."""

KEY = "backends"
"""Of evaluation.json, where the tests are kept."""


class Place(NamedTuple):
    """What runs a model: a backend, a type and a kind of device, as evaluation.json names them."""

    backend: str
    dtype: str
    device: str = "cpu"

    @classmethod
    def of(cls, backend: str, dtype: torch.dtype, device: torch.device) -> "Place":
        return cls(backend, str(dtype).removeprefix("torch."), device.type)

    def __str__(self) -> str:
        return f"{self.backend} and {self.dtype}" + (
            "" if self.device == "cpu" else f" on {self.device}"
        )


@dataclass(frozen=True)
class SecondTest:
    """What came of it in one place.

    Args:
        holds: for each budget that was tested with its present margin, whether its promise holds
            there; None where too few inputs left early to tell.
        inputs: that it was tested on.
    """

    holds: Mapping[float, bool | None]
    inputs: int

    def from_on(self) -> float | None:
        """The smallest budget from which on all hold, if there is one."""
        first = None
        for budget in sorted(self.holds, reverse=True):
            if not self.holds[budget]:
                break
            first = budget
        return first


def rows(
    calibration: Calibration,
    mean: FloatArray,
    spread: FloatArray,
    true: FloatArray,
    groups: Sequence[str],
) -> list[dict[str, Any]]:
    """A row of evaluation.json for each calibrated budget.

    A budget holds where, by exact binomial tests at the calibration's level and confidence, enough
    of all deliveries keep it, of every kind of inputs, and of those of the kind that leave early.

    Args:
        calibration: of the checkpoint.
        mean, spread: predicted there, (n, branches).
        true: LPIPS of every exit's picture there to full depth in eager float32, (n, exits): full
            depth has a distance too.
        groups: the kind of each input.
    """
    kinds = [np.asarray([g == kind for g in groups]) for kind in dict.fromkeys(groups)]
    found = []
    for budget in calibration.budgets:
        _, margin = calibration.rule(budget)
        exits = choose(mean, spread, budget, margin)
        missed = delivered(true, exits) > budget
        early = exits <= mean.shape[-1]
        found.append(
            {
                "budget": budget,
                "margin": margin,
                "misses": int(missed.sum()),
                "early": int(early.sum()),
                "early_misses": int((missed & early).sum()),
                "holds": _holds(calibration, missed, early, kinds, margin is not None),
            }
        )
    return found


def _holds(
    calibration: Calibration, missed: Any, early: Any, kinds: list[Any], may_leave: bool
) -> bool | None:
    level, confidence = calibration.level, calibration.confidence
    parts = [missed, *(missed[rows] for rows in kinds)]
    if may_leave:
        parts += [missed[rows & early] for rows in kinds]
    least = fewest(level, confidence)
    enough = [part for part in parts if len(part) >= least]
    if not all(passes(int(part.sum()), len(part), level, confidence) for part in enough):
        return False
    return True if len(enough) == len(parts) else None


def second_test(
    figures: Mapping[str, Any] | None, calibration: Calibration, place: Place
) -> SecondTest | None:
    """What evaluation.json says of a place; None where it was not tested, or not with these
    margins."""
    for entry in _entries(figures):
        if place != Place(*(entry.get(name) for name in Place._fields)):  # type: ignore[arg-type]
            continue
        holds = dict(_verdicts(entry.get("budgets"), calibration))
        count = entry.get("n")
        return SecondTest(holds, count if isinstance(count, int) else 0) if holds else None
    return None


def _entries(figures: Mapping[str, Any] | None) -> Iterable[dict[str, Any]]:
    """The file may come from anybody: what is not as it should be counts as not tested."""
    found = figures.get(KEY) if figures is not None else None
    return (entry for entry in found if isinstance(entry, dict)) if isinstance(found, list) else ()


def _verdicts(found: Any, calibration: Calibration) -> Iterable[tuple[float, bool | None]]:
    for row in found if isinstance(found, list) else ():
        if not isinstance(row, dict) or row.get("budget") not in calibration.budgets:
            continue
        budget, holds = row["budget"], row.get("holds")
        same = "margin" in row and row["margin"] == calibration.rule(budget)[1]
        if same and (holds is None or isinstance(holds, bool)):
            yield budget, holds
