"""What the router delivers on a held-out split, beside the oracle and the best fixed exit."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from fiancee_hub.core.cost import Costs
from fiancee_hub.core.router import Calibration, FloatArray, delivered, route
from fiancee_hub.measuring.measure import Measurement

BUDGETS = (0.02, 0.05, 0.1, 0.15)

FIFTHS = 5
"""Bins of a reliability table."""

Flags = NDArray[np.bool_]


def budget_table(
    found: Measurement, costs: Costs, calibration: Calibration | None, level: float = 0.9
) -> list[dict[str, Any]]:
    """One row of figures for each budget; see ``budget_row``."""
    return [budget_row(found, costs, calibration, budget, level) for budget in BUDGETS]


def budget_row(
    found: Measurement,
    costs: Costs,
    calibration: Calibration | None,
    budget: float,
    level: float = 0.9,
) -> dict[str, Any]:
    """Cost, coverage and exit shares at one budget (LPIPS).

    Coverage is over all deliveries; over those that leave early alone (full depth is always
    right, and would hide their misses) it is None where nothing does.

    The oracle takes the cheapest exit that truly keeps the budget, and pays for no predictor.
    The fixed exit is the cheapest single exit that reaches the router's coverage, the one at
    level the cheapest that reaches the promised level. Both are picked in hindsight, on the very
    inputs they are judged on, and neither pays for a predictor.
    """
    level = calibration.level if calibration else level
    exits = routed_exits(found, calibration, budget)
    kept = delivered(found.true, exits) <= budget
    count = len(costs.exits)
    early = exits < count
    fixed, fixed_coverage = fixed_exit(found.true, budget, float(kept.mean()))
    at_level, at_level_coverage = fixed_exit(found.true, budget, level)
    macs = np.asarray([costs.routed(index) for index in range(1, count + 1)], float)
    return {
        "budget": budget,
        "level": level,
        "mean_macs_ratio": float(macs[exits - 1].mean() / costs.full_depth),
        "coverage": float(kept.mean()),
        "coverage_interval": _interval(kept),
        "early": int(early.sum()),
        "early_coverage": float(kept[early].mean()) if early.any() else None,
        "early_coverage_interval": _interval(kept[early]) if early.any() else None,
        "exit_shares": [float((exits == index).mean()) for index in range(1, count + 1)],
        "oracle_macs_ratio": oracle_ratio(found.true, costs, budget),
        "fixed_exit": fixed,
        "fixed_exit_macs_ratio": costs.exits[fixed - 1] / costs.full_depth,
        "fixed_exit_coverage": fixed_coverage,
        "fixed_exit_at_level": at_level,
        "fixed_exit_at_level_macs_ratio": costs.exits[at_level - 1] / costs.full_depth,
        "fixed_exit_at_level_coverage": at_level_coverage,
    }


def _interval(kept: Flags) -> list[float]:
    """Exact binomial 95 % interval of the share that is kept."""
    interval = binomtest(int(kept.sum()), len(kept)).proportion_ci(0.95)
    return [float(interval.low), float(interval.high)]


def routed_exits(
    found: Measurement, calibration: Calibration | None, budget: float
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The exit (1 … K) that the router takes for every input."""
    exits: np.ndarray[Any, np.dtype[np.int64]] = route(
        found.mean, found.spread, budget, calibration
    )
    return exits


def oracle_ratio(true: FloatArray, costs: Costs, budget: float) -> float:
    """Mean MACs, relative to full depth, of the cheapest exits that truly keep the budget."""
    macs = np.asarray(costs.exits, float)
    fits = np.concatenate([true <= budget, np.ones((len(true), 1), bool)], 1)
    return float(np.where(fits, macs, np.inf).min(1).mean() / costs.full_depth)


def fixed_exit(true: FloatArray, budget: float, coverage: float) -> tuple[int, float]:
    """The cheapest single exit whose share of kept budgets is at least ``coverage``."""
    shares = [*(true <= budget).mean(0), 1.0]
    index = next(i for i, share in enumerate(shares) if share >= coverage)
    return index + 1, float(shares[index])


def exit_table(found: Measurement, costs: Costs) -> list[dict[str, Any]]:
    """Cost, true LPIPS and the predictor's error of every branch."""
    return [
        {
            "exit": index + 1,
            "macs_ratio": costs.exits[index] / costs.full_depth,
            "lpips_mean": float(found.true[:, index].mean()),
            "lpips_p90": float(np.quantile(found.true[:, index], 0.9)),
            "predictor_mae": float(np.abs(found.mean - found.true)[:, index].mean()),
        }
        for index in range(found.true.shape[1])
    ]


def reliability(found: Measurement) -> list[dict[str, Any]]:
    """Is the predicted spread what it claims to be, the way from the mean to the 90 % quantile?

    For every branch the inputs in five equal bins by their predicted spread, narrowest first.

    Returns:
        by branch: ``exit`` and ``bins``, each with its mean predicted ``spread``, the 90 %
        quantile of true − predicted LPIPS (``needed``) and the ``share`` of inputs whose true
        LPIPS is at most predicted mean + spread.
    """
    error = found.true - found.mean
    rows = []
    for branch in range(found.true.shape[1]):
        order = np.argsort(found.spread[:, branch], kind="stable")
        bins = [
            {
                "n": len(part),
                "spread": float(found.spread[part, branch].mean()),
                "needed": float(np.quantile(error[part, branch], 0.9)),
                "share": float((error[part, branch] <= found.spread[part, branch]).mean()),
            }
            for part in np.array_split(order, min(FIFTHS, len(order)))
        ]
        rows.append({"exit": branch + 1, "bins": bins})
    return rows
