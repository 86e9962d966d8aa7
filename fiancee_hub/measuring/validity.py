"""Does the promise hold? Calibration and test inputs split anew, many times over.

A promise "with confidence 0.9 over the draw of the calibration set" is a statement about many
calibrations. Here they are: all inputs that no phase trained on are split at random, the margins
chosen on one part as ``router.calibrate`` does, and judged on the other.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fiancee_hub.core.router import (
    BUDGETS,
    MARGINS,
    Openings,
    binomial_cdf,
    choose,
    confidences,
    delivered,
    narrowest,
)
from fiancee_hub.measuring.measure import Measurement, joined

SPLITS = 1000

Counts = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Drawn:
    """Inputs that no phase trained on.

    Args:
        found: measured on n inputs.
        groups: the kind of each.
        units: the independent thing that each comes from; the inputs of one are never parted.
    """

    found: Measurement
    groups: list[str]
    units: list[str]


def pooled(parts: list[Drawn]) -> Drawn:
    """Several sets of inputs as one."""
    return Drawn(
        joined([part.found for part in parts]),
        [group for part in parts for group in part.groups],
        [unit for part in parts for unit in part.units],
    )


def validity(
    drawn: Drawn,
    begin: Openings,
    *,
    level: float = 0.9,
    confidence: float = 0.9,
    splits: int = SPLITS,
    seed: int = 0,
) -> dict[str, Any]:
    """How often margins from one half of the units keep the promise on the other half.

    A split keeps the promise at a budget if at least ``level`` of the other half's deliveries
    keep the budget ("all"), or of those that leave early ("early"); one in which nothing leaves
    early keeps it, and is counted as "nothing_early" too. "kinds" is "early" for each kind by
    itself. The other half is no whole population: a share that truly is at the level falls below
    it there half of the time.

    Args:
        drawn: calibration and test inputs together.
        begin: where the sequences of margins begin, of ``router.openings``.
        splits: how many.
    """
    kinds = list(dict.fromkeys(drawn.groups))
    units, chosen = _splits(drawn, splits, seed)
    missed, early = _outcomes(drawn.found)
    of_kind = {kind: (np.asarray(drawn.groups) == kind)[:, None] for kind in kinds}
    counted = [(_sums(missed, chosen & r), _sums(early, chosen & r)) for r in of_kind.values()]
    taken = np.full((len(BUDGETS), splits), -1)
    for row, starts in enumerate(begin):
        passed = [
            np.logical_and.reduce([_passes(m[row], n[row], level, each) for m, n in counted])
            for each in confidences(confidence, len(starts))
        ]
        taken[row] = narrowest(np.stack(passed), starts)
    missing = {k: _taken(_sums(missed, ~chosen & rows), taken) for k, rows in of_kind.items()}
    leaving = {k: _taken(_sums(early, ~chosen & rows), taken) for k, rows in of_kind.items()}
    by_kind = {kind: _kept(missing[kind], leaving[kind], level) for kind in kinds}
    misses, left = (np.sum(list(counts.values()), 0) for counts in (missing, leaving))
    kept = {
        "all": _kept(misses, (~chosen).sum(0), level),
        "early": _kept(misses, left, level),
    }
    return {
        "splits": splits,
        "inputs": len(drawn.units),
        "units": units,
        "level": level,
        "confidence": confidence,
        "budgets": [
            {
                "budget": budget,
                "all": float(kept["all"][row].mean()),
                "early": float(kept["early"][row].mean()),
                "kinds": {kind: float(by_kind[kind][row].mean()) for kind in kinds},
                "nothing_early": float((left[row] == 0).mean()),
                "early_coverage": _pooled_coverage(misses[row], left[row]),
            }
            for row, budget in enumerate(BUDGETS)
        ],
        "jointly": {name: float(kept[name].all(0).mean()) for name in ("all", "early")},
    }


def _kept(misses: Counts, of: Counts, level: float) -> Flags:
    """Whether at least ``level`` keep the budget; none at all do."""
    return np.asarray(misses <= (1 - level) * of + 1e-9)


def _splits(drawn: Drawn, splits: int, seed: int) -> tuple[dict[str, int], Flags]:
    """How many units each kind has, and which inputs calibrate in each split, (n, splits).

    A unit's inputs stay together whatever their kind; of the units that occur in the same kinds
    half calibrate.
    """
    random = np.random.default_rng(seed)
    kinds: dict[str, set[str]] = {}
    for unit, group in zip(drawn.units, drawn.groups, strict=True):
        kinds.setdefault(unit, set()).add(group)
    strata: dict[frozenset[str], list[str]] = {}
    for unit, found in kinds.items():
        strata.setdefault(frozenset(found), []).append(unit)
    calibrates: dict[str, Flags] = {}
    for units in strata.values():
        order = random.random((splits, len(units))).argsort(1).argsort(1)
        half = order < (len(units) + 1) // 2
        calibrates |= {unit: half[:, place] for place, unit in enumerate(units)}
    counts = {kind: sum(kind in k for k in kinds.values()) for kind in dict.fromkeys(drawn.groups)}
    return counts, np.stack([calibrates[unit] for unit in drawn.units])


def _outcomes(found: Measurement) -> tuple[Flags, Flags]:
    """Which inputs miss the budget, and which leave early, (budgets, margins, n) each."""
    shape = len(BUDGETS), len(MARGINS), len(found.true)
    missed, early = np.empty(shape, bool), np.empty(shape, bool)
    for row, budget in enumerate(BUDGETS):
        for column, margin in enumerate(MARGINS):
            exits = choose(found.mean, found.spread, budget, margin)
            missed[row, column] = delivered(found.true, exits) > budget
            early[row, column] = exits <= found.true.shape[1]
    return missed, early


def _sums(flags: Flags, weights: Flags) -> Counts:
    """How many of each split's inputs are flagged, (budgets, margins, splits)."""
    # Whole numbers up to 2**24 are exact in float32, whose products are fast.
    sums = flags.astype(np.float32) @ weights.astype(np.float32)
    return sums.astype(np.int64)


def _passes(misses: Counts, early: Counts, level: float, confidence: float) -> Flags:
    """``router.passes`` on those that leave early, which the test on all then passes too."""
    allowed = np.asarray([_allowed(n, level, confidence) for n in range(int(early.max()) + 1)])
    return np.asarray(misses <= allowed[early])


@functools.cache
def _allowed(samples: int, level: float, confidence: float) -> int:
    """The most misses with which so many samples pass, −1 if none do."""
    misses = -1
    while misses + 1 < samples and binomial_cdf(misses + 1, samples, 1 - level) <= 1 - confidence:
        misses += 1
    return misses


def _taken(counts: Counts, taken: Counts) -> Counts:
    """The counts at the margins that were taken, 0 where nothing leaves early."""
    picked = np.take_along_axis(counts, taken[:, None].clip(0), 1)[:, 0]
    return np.where(taken < 0, 0, picked)


def _pooled_coverage(misses: Counts, leaving: Counts) -> float | None:
    """Over all splits, the share of those that left early that kept the budget."""
    return float(1 - misses.sum() / leaving.sum()) if leaving.sum() else None
