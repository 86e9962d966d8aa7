"""Budget to exit, and the calibration that makes the budget a promise.

The router takes the cheapest exit whose predicted LPIPS, plus a margin, stays within the budget.
The margin is a multiple of the predicted spread, never below 0. For each budget it is chosen by
learn-then-test (Angelopoulos et al., 2021) with several starts: from wide to narrow margins, exact
binomial tests at every step, a sequence ending at the first that fails; one that reaches another's
start takes over its share of what may go wrong (the fallback procedure of Wiens, 2003). See
``calibrate`` for what is promised.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fiancee_hub.core.arguments import decimal, shortest
from fiancee_hub.core.errors import InputError

FloatArray = NDArray[np.floating[Any]]

MARGINS = tuple(float(m) for m in np.round(np.arange(60, -1, -1) / 10, 1))
"""Multiples of the spread that calibration tries, widest first; the last is 0."""

OPENING_SHARES = (0.5, 0.75)
"""Shares of other inputs, of the kind that leaves least, that leave early at the margins where a
budget's sequences begin.

Chosen on targets that the predictor's training held out, drawn as kinds of several difficulties.
"""

BUDGETS = tuple(float(b) for b in np.round(np.arange(0.005, 0.3001, 0.005), 3))
"""Budgets that calibration covers; between two of them the smaller one stands in."""

BUDGET_LIMITS = (0.0, 1.0)

Openings = tuple[tuple[float, ...], ...]
"""For each budget the margins, widest first, where its sequences of tests begin; maybe none."""


@dataclass(frozen=True)
class Calibration:
    """Margins that keep the promise.

    Args:
        level: share of delivered images that keep the budget.
        confidence: probability, over the draw of the calibration set, that ``level`` is kept.
        samples: size of the calibration set.
        margins: for each of ``budgets`` the multiple of the spread, or None: nothing leaves
            early. Older files have negative ones; they count as 0.
        budgets: ascending.
        groups: size of each kind of input in the calibration set.
        early_level: share that keeps the budget among those that leave early; None in older
            files, which promise nothing about them.
        openings: for each of ``budgets`` the margins where its sequences of tests began; empty:
            all began at the widest.
    """

    level: float
    confidence: float
    samples: int
    budgets: tuple[float, ...]
    margins: tuple[float | None, ...]
    groups: dict[str, int] = field(default_factory=dict)
    early_level: float | None = None
    openings: Openings = ()

    def rule(self, budget: float) -> tuple[float, float | None]:
        """The calibrated budget that stands in for ``budget``, and its margin.

        The promise was tested at ``budgets`` only; the largest of them that does not exceed
        ``budget`` keeps it. Below the smallest nothing was tested: full depth. A budget in single
        precision counts as the decimal that it stands for.
        """
        budget = shortest(budget)
        position = int(np.searchsorted(np.asarray(self.budgets) - 1e-9, budget, side="right"))
        if position == 0:
            return budget, None
        margin = self.margins[position - 1]
        return self.budgets[position - 1], None if margin is None else max(margin, 0.0)


def check_budget(budget: Any) -> float:
    """A budget, an LPIPS distance, in any precision as the decimal that it stands for.

    Raises:
        InputError: it is no number from 0 to 1.
    """
    low, high = BUDGET_LIMITS
    found = decimal(budget, "budget", "0.1")
    if not low <= found <= high:
        raise InputError(f"budget {budget} is out of range: give an LPIPS from {low} to {high}")
    return found


def budget_notes(budget: Any, calibration: Calibration | None) -> tuple[str, ...]:
    """What to say of a budget beyond the range that was calibrated."""
    if calibration is None or not calibration.budgets:
        return ()
    wanted, largest = check_budget(budget), calibration.budgets[-1]
    if wanted <= largest:
        return ()
    return (f"Budgets are calibrated up to {largest:g}: {wanted:g} was taken as {largest:g}.",)


def choose(mean: FloatArray, spread: FloatArray, budget: float, margin: float | None) -> Any:
    """The cheapest exit within the budget, 1 … K; K, full depth, if no branch is.

    Args:
        mean: predicted LPIPS of the branches, (…, branches).
        spread: its spread, the same shape.
        budget: LPIPS.
        margin: multiple of the spread, None for full depth always.

    Returns:
        exit indices, integers (…).
    """
    branches = mean.shape[-1]
    if margin is None or not branches:
        return np.full(mean.shape[:-1], branches + 1)
    fits = mean + margin * spread <= budget
    return np.where(fits.any(-1), fits.argmax(-1), branches) + 1


def route(
    mean: FloatArray, spread: FloatArray, budget: float, calibration: Calibration | None
) -> Any:
    """The exit that ``budget`` (LPIPS) buys for each prediction (…, branches).

    Without a calibration the predicted mean is taken at its word.
    """
    tested, margin = calibration.rule(budget) if calibration else (budget, 0.0)
    return choose(mean, spread, tested, margin)


@dataclass(frozen=True, eq=False)
class Forecast:
    """What the predictor said of one input: enough to route it at any budget.

    Args:
        mean: predicted LPIPS of the branches, (1, branches).
        spread: its spread, the same shape.
        calibration: of the checkpoint.
    """

    mean: FloatArray
    spread: FloatArray
    calibration: Calibration | None = None

    @property
    def predicted(self) -> tuple[float, ...]:
        """Predicted LPIPS of every branch, cheapest first."""
        return tuple(float(value) for value in self.mean[0])

    def route(self, budget: float) -> int:
        """The exit, 1 … K, that ``budget`` (LPIPS) buys.

        Raises:
            InputError: the budget is no number from 0 to 1.
        """
        return int(route(self.mean, self.spread, check_budget(budget), self.calibration)[0])

    def keeps(self, budget: float, exit_index: int) -> bool:
        """Whether an exit (1 … K) is within the budget by the rule that ``route`` goes by."""
        branches = self.mean.shape[-1]
        if exit_index > branches:
            return True
        calibration = self.calibration
        tested, margin = calibration.rule(budget) if calibration else (budget, 0.0)
        mean, spread = (part[0, exit_index - 1] for part in (self.mean, self.spread))
        return margin is not None and bool(mean + margin * spread <= tested)


def delivered(true: FloatArray, exits: NDArray[np.integer[Any]]) -> FloatArray:
    """True LPIPS of what the chosen exits deliver; full depth has distance 0."""
    padded = np.concatenate([true, np.zeros((len(true), 1))], 1)
    return padded[np.arange(len(true)), exits - 1]


def openings(
    mean: FloatArray,
    spread: FloatArray,
    shares: tuple[float, ...] = OPENING_SHARES,
    groups: Sequence[str] | None = None,
) -> Openings:
    """Where the sequences of margins begin at each of ``BUDGETS``.

    The widest margins at which at least the ``shares`` of some inputs leave early, of each kind of
    them. At wider ones than the first hardly anything leaves early, so that no test could pass; as
    a kind from which few leave ends a sequence for all, it is the one that counts.

    Args:
        mean, spread: predictions (n, branches) for inputs that are *not* in the calibration set,
            so that the sequences are fixed before that is seen; training inputs will do.
        shares: of the inputs, one for each sequence; two that begin alike are one.
        groups: the kind of each input (n); None is one kind.
    """
    full_depth = mean.shape[-1] + 1
    kinds = np.asarray([""] * len(mean) if groups is None else groups)
    found = []
    for budget in BUDGETS:
        left = {}
        for m in MARGINS:
            early = choose(mean, spread, budget, m) < full_depth
            left[m] = min(early[kinds == kind].mean() for kind in dict.fromkeys(kinds))
        first = (next((m for m in MARGINS if left[m] >= share), None) for share in shares)
        found.append(tuple(dict.fromkeys(margin for margin in first if margin is not None)))
    return tuple(found)


def confidences(confidence: float, sequences: int) -> tuple[float, ...]:
    """Confidence of the tests in a sequence that holds one, two, … of the even shares of what may
    go wrong."""
    each = (1 - confidence) / max(1, sequences)
    return (*(1 - held * each for held in range(1, sequences)), confidence)


def narrowest(passed: NDArray[np.bool_], starts: tuple[float, ...]) -> NDArray[np.integer[Any]]:
    """Position in ``MARGINS`` of the narrowest margin that is accepted, −1 where none is.

    From wide to narrow: a sequence begins at each of ``starts`` with a share of its own, joins the
    one that reaches it, if any, and ends, with all shares that it holds, where a margin fails.

    Args:
        passed: whether a margin passes with one, two, … shares of what may go wrong,
            (shares, margins, …).
        starts: margins where sequences begin.

    Returns:
        positions (…).
    """
    held, taken = (np.full(passed.shape[2:], value) for value in (0, -1))
    for row, margin in enumerate(MARGINS):
        held = held + (margin in starts)
        with_held = np.take_along_axis(passed[:, row], np.maximum(held - 1, 0)[None], 0)[0]
        held = np.where(with_held, held, 0)
        taken = np.where(held > 0, row, taken)
    return taken


def calibrate(
    mean: FloatArray,
    spread: FloatArray,
    true: FloatArray,
    groups: list[str],
    *,
    begin: Openings | None = None,
    level: float = 0.9,
    confidence: float = 0.9,
) -> Calibration:
    """Margins from a set that no training phase saw.

    For one budget: with probability ``confidence`` over the draw of the calibration set, in
    every group of inputs at least ``level`` of all deliveries keep the budget, and at least
    ``level`` of those that leave early do. The first follows from the second (full depth is
    always right), and is tested all the same.

    Why: the margins are tried in an order that is fixed before the set is seen. How many inputs
    leave early at a margin is random, but given that number, their misses are independent draws
    of one share, so the exact binomial test at that number rejects a share of misses above
    1 − ``level`` wrongly with probability 1 − ``confidence`` at most. A margin is accepted when
    all tests of all groups reject, and the first that is not ends the sequence: to accept any
    margin that breaks the promise, the first such one must have passed. A budget may have
    several sequences, each from a start of its own to the narrowest margin; 1 − ``confidence`` is
    shared evenly between the starts, and a sequence that reaches the start of another goes on
    with the shares of both, so that one which meets no obstacle is tested as if it were alone.
    The narrowest margin that any accepts is taken. This is the fallback procedure: the first
    margin that breaks the promise after a start is tested with no more than the shares of the
    starts since the last such margin, and all shares together are 1 − ``confidence``. Too few
    inputs that leave early pass no test (22 without a miss are needed at 0.9 and 0.9); where no
    sequence begins with a test that passes, nothing leaves early.

    What is not promised: all budgets at once, inputs unlike the calibration set's, and anything
    if its inputs are no independent draws (neighbouring frames of a film).

    Args:
        mean, spread, true: predicted and measured LPIPS of the branches, (n, branches).
        groups: the kind of each input (n).
        begin: of ``openings``; None is one sequence from the widest margin everywhere.
    """
    kinds = {kind: np.asarray([g == kind for g in groups]) for kind in dict.fromkeys(groups)}
    begin = ((MARGINS[0],),) * len(BUDGETS) if begin is None else begin
    margins = []
    for budget, starts in zip(BUDGETS, begin, strict=True):
        p_values = [
            _p_value(mean, spread, true, kinds, budget, margin, level) for margin in MARGINS
        ]
        risks = [1 - each for each in confidences(confidence, len(starts))]
        row = int(narrowest(np.less_equal.outer(p_values, risks).T, starts))
        margins.append(None if row < 0 else MARGINS[row])
    sizes = {kind: int(rows.sum()) for kind, rows in kinds.items()}
    return Calibration(level, confidence, len(true), BUDGETS, tuple(margins), sizes, level, begin)


def _p_value(
    mean: FloatArray,
    spread: FloatArray,
    true: FloatArray,
    kinds: dict[str, NDArray[np.bool_]],
    budget: float,
    margin: float,
    level: float,
) -> float:
    """The largest of all tests of a margin; 1 where one of them has nothing to go by."""
    exits = choose(mean, spread, budget, margin)
    missed, early = delivered(true, exits) > budget, exits <= mean.shape[-1]
    tests = [missed, *(missed[rows] for rows in kinds.values())]
    tests += [missed[rows & early] for rows in kinds.values()]
    return max(binomial_cdf(int(test.sum()), len(test), 1 - level) for test in tests)


def passes(misses: int, samples: int, level: float, confidence: float) -> bool:
    """Exact binomial test: so few misses would be rarer than 1 − confidence, were the share of
    kept budgets below ``level``."""
    return binomial_cdf(misses, samples, 1 - level) <= 1 - confidence


def allowed(samples: int, level: float, confidence: float) -> int | None:
    """Misses with which so many samples still pass; None if not even none would do."""
    misses = 0
    while passes(misses, samples, level, confidence):
        misses += 1
    return misses - 1 if misses else None


def fewest(level: float, confidence: float) -> int:
    """Samples with which none may miss; with fewer nothing can be promised."""
    samples = 1
    while not passes(0, samples, level, confidence):
        samples += 1
    return samples


def binomial_cdf(successes: int, trials: int, probability: float) -> float:
    """P(X ≤ successes) for X binomial."""
    if successes >= trials:
        return 1.0
    k = np.arange(1, trials + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(k))])
    x = np.arange(successes + 1)
    log_terms = (
        log_factorial[trials]
        - log_factorial[x]
        - log_factorial[trials - x]
        + x * np.log(probability)
        + (trials - x) * np.log1p(-probability)
    )
    return float(np.exp(log_terms).sum())
