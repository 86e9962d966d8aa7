"""Where each budget stands on the control: room goes to those that a checkpoint can tell apart."""

from collections.abc import Sequence
from itertools import accumulate

from fiancee_hub.core.router import BUDGETS as CALIBRATED

BUDGET, MOST_BUDGET, BUDGET_STEP = 0.1, 0.3, 0.005
BUDGETS = tuple(
    round(step * BUDGET_STEP, 3) for step in range(round(MOST_BUDGET / BUDGET_STEP) + 1)
)
"""Every value of the control."""

EVEN_SHARE = 0.35
"""Of the length, shared out evenly; the rest goes where exits change."""

BELOW, ABOVE = 0.75, 1.15
"""An exit is taken first at budgets between so many times its usual LPIPS, typical and bad."""

Level = tuple[float, float]
"""LPIPS of an exit to full depth: mean, and what one input in ten exceeds."""


def widths(levels: Sequence[Level], budgets: Sequence[float] = BUDGETS) -> tuple[float, ...]:
    """The share of the length that each budget gets; all of them together are 1.

    Args:
        levels: of the early exits, as evaluated; without any, all budgets are alike.
        budgets: ascending.
    """
    changes = [float(sum(_within(budget, level) for level in levels)) for budget in budgets]
    if not any(changes):
        return (1 / len(budgets),) * len(budgets)
    even, most = EVEN_SHARE / len(budgets), (1 - EVEN_SHARE) / sum(changes)
    return tuple(even + most * change for change in changes)


def _within(budget: float, level: Level) -> bool:
    """Whether an exit begins to be taken about here; a budget stands for those up to the next."""
    first, last = BELOW * level[0], ABOVE * level[1]
    return first < budget + CALIBRATED[0] and budget <= last + CALIBRATED[0]


def places(found: Sequence[float]) -> tuple[float, ...]:
    """The middle of each budget's room, from 0 at the largest budget to 1 at the smallest."""
    ends = tuple(accumulate(found))
    return tuple(1 - (end - width / 2) for end, width in zip(ends, found, strict=True))


def step_of(budget: float) -> int:
    """Number of the control's value that stands for a budget: the largest that is no larger."""
    return min(len(BUDGETS) - 1, max(0, int(budget / BUDGET_STEP + 1e-6)))
