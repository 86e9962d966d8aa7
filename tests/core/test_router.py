"""The router and its promise."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mapie.risk_control import control_fwer
from mapie.risk_control.fwer_control import FWERProcedure
from scipy.stats import binom, binomtest

from fiancee_hub import InputError
from fiancee_hub.core import router
from fiancee_hub.core.router import (
    MARGINS,
    Calibration,
    binomial_cdf,
    calibrate,
    check_budget,
    choose,
    delivered,
    openings,
    passes,
    route,
)

Arrays = tuple[router.FloatArray, router.FloatArray, router.FloatArray]

predictions = arrays(np.float64, (5, 4), elements=st.floats(0, 1))
budgets = st.floats(0, 1)
margins = st.floats(-2, 6)


@pytest.mark.parametrize(("samples", "misses"), [(2000, 182), (500, 40), (100, 5)])
def test_exact_test_allows_the_known_numbers_of_misses(samples: int, misses: int) -> None:
    assert passes(misses, samples, 0.9, 0.9)
    assert not passes(misses + 1, samples, 0.9, 0.9)


def test_too_few_samples_prove_nothing() -> None:
    assert not passes(0, 21, 0.9, 0.9)
    assert passes(0, 22, 0.9, 0.9)


@given(st.integers(1, 3000), st.floats(0.01, 0.99), st.data())
def test_binomial_cdf_equals_scipy(trials: int, probability: float, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    expected = binom.cdf(successes, trials, probability)
    assert binomial_cdf(successes, trials, probability) == pytest.approx(expected, abs=1e-9)


@given(st.integers(1, 1000), st.sampled_from([0.8, 0.9, 0.95]), st.data())
def test_passing_is_what_scipys_binomial_test_says(
    samples: int, level: float, data: st.DataObject
) -> None:
    # Near the border, where a difference would show.
    middle = round((1 - level) * samples)
    misses = data.draw(st.integers(max(0, middle - 25), min(samples, middle + 25)))
    found = binomtest(misses, samples, 1 - level, alternative="less").pvalue
    assert passes(misses, samples, level, 0.9) == (found <= 1 - 0.9)


@given(predictions, predictions, budgets, margins)
def test_the_cheapest_exit_that_fits_is_taken(
    mean: router.FloatArray, spread: router.FloatArray, budget: float, margin: float
) -> None:
    exits = choose(mean, spread, budget, margin)
    for row, exit_index in enumerate(exits):
        estimates = mean[row] + margin * spread[row]
        assert (estimates[: exit_index - 1] > budget).all()
        assert exit_index == 5 or estimates[exit_index - 1] <= budget


@given(predictions, predictions, budgets, budgets, margins)
def test_a_larger_budget_never_goes_deeper(
    mean: router.FloatArray, spread: router.FloatArray, one: float, other: float, margin: float
) -> None:
    small, large = sorted((one, other))
    assert (choose(mean, spread, large, margin) <= choose(mean, spread, small, margin)).all()


@given(predictions, predictions, budgets, margins, margins)
def test_a_wider_margin_never_goes_shallower(
    mean: router.FloatArray, spread: router.FloatArray, budget: float, one: float, other: float
) -> None:
    narrow, wide = sorted((one, other))
    assert (choose(mean, spread, budget, wide) >= choose(mean, spread, budget, narrow)).all()


@given(predictions, budgets)
def test_without_a_margin_only_full_depth_is_safe(mean: router.FloatArray, budget: float) -> None:
    assert (choose(mean, mean, budget, None) == 5).all()


def test_delivered_distance_is_the_chosen_exits() -> None:
    true = np.array([[0.3, 0.2], [0.5, 0.4], [0.7, 0.6]])
    assert delivered(true, np.array([1, 2, 3])).tolist() == [0.3, 0.4, 0.0]


def draw(random: np.random.Generator, samples: int) -> Arrays:
    """Predictions that are right on average, with the spread they claim."""
    mean = random.uniform(0.02, 0.2, (samples, 3)) * np.array([1.0, 0.7, 0.4])
    spread = random.uniform(0.005, 0.04, (samples, 3))
    # The spread is the way to the 90 % quantile: 1.28 standard deviations.
    return mean, spread, np.abs(mean + spread / 1.2816 * random.normal(size=(samples, 3)))


def few_budgets(monkeypatch: pytest.MonkeyPatch, *values: float) -> None:
    monkeypatch.setattr(router, "BUDGETS", values)


def test_calibrated_coverage_holds_on_fresh_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    few_budgets(monkeypatch, 0.08)
    random = np.random.default_rng(7)
    begin = openings(*draw(random, 200)[:2])
    fresh_mean, fresh_spread, fresh_true = draw(random, 20_000)
    kept, kept_early, saved = [], [], []
    for _ in range(100):
        mean, spread, true = draw(random, 300)
        calibration = calibrate(mean, spread, true, ["drawn"] * 300, begin=begin)
        exits = route(fresh_mean, fresh_spread, 0.08, calibration)
        within = delivered(fresh_true, exits) <= 0.08
        kept.append(within.mean() >= 0.9)
        kept_early.append(not (exits < 4).any() or within[exits < 4].mean() >= 0.9)
        saved.append((exits < 4).mean())
    assert np.mean(kept) >= np.mean(kept_early) >= 0.88
    assert np.mean(saved) > 0.5


def test_every_group_must_pass_on_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    few_budgets(monkeypatch, 0.08)
    random = np.random.default_rng(0)
    begin = openings(*draw(random, 200)[:2])
    mean, spread, true = draw(random, 600)
    easy = calibrate(mean, spread, true, ["drawn"] * 600, begin=begin)
    true[:60] += 1
    mixed = calibrate(mean, spread, true, ["hard"] * 60 + ["drawn"] * 540, begin=begin)
    assert easy.margins[0] is not None
    assert mixed.margins == (None,)
    assert mixed.groups == {"hard": 60, "drawn": 540}


def test_a_hopeless_predictor_gets_full_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    few_budgets(monkeypatch, 0.05, 0.1)
    mean = np.zeros((200, 3))
    calibration = calibrate(mean, mean, mean + 1, ["drawn"] * 200)
    assert calibration.margins == (None, None)
    assert calibration.rule(0.07) == (0.05, None)


def leaving(early: int, missed: int, samples: int) -> Arrays:
    """One branch that the first ``early`` inputs leave by at every margin; of these the first
    ``missed`` miss a budget of 0.1."""
    mean = np.where(np.arange(samples) < early, 0.05, 0.5)[:, None]
    true = np.where(np.arange(samples) < missed, 0.2, 0.05)[:, None]
    return mean, np.zeros((samples, 1)), true


@pytest.mark.parametrize(
    ("early", "missed", "margin"),
    [
        (300, 22, 0.0),  # as many as 300 may miss
        (300, 23, None),
        (22, 0, 0.0),  # as few as can be tested
        (21, 0, None),
        (7, 7, None),  # 7 of 300 miss, which their share of all deliveries hides
        (40, 2, None),
        (0, 0, None),
    ],
)
def test_those_that_leave_early_keep_the_promise_too(
    early: int, missed: int, margin: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_budgets(monkeypatch, 0.1)
    found = calibrate(*leaving(early, missed, 300), ["drawn"] * 300)
    assert found.margins == (margin,)
    assert found.early_level == found.level == 0.9


def test_one_kind_with_too_few_early_keeps_all_from_leaving(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few_budgets(monkeypatch, 0.1)
    some, few = leaving(200, 0, 200), leaving(10, 0, 200)
    mean, spread, true = (np.concatenate(pair) for pair in zip(some, few, strict=True))
    kinds = ["towns"] * 200 + ["drive"] * 200
    assert calibrate(mean, spread, true, kinds).margins == (None,)
    assert calibrate(mean, spread, true, ["mixed"] * 400).margins == (0.0,)


def test_margins_are_never_below_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    few_budgets(monkeypatch, 0.3)
    assert (MARGINS[0], MARGINS[-1]) == (6.0, 0.0)
    mean, spread, true = draw(np.random.default_rng(0), 300)
    assert calibrate(mean, spread, true / 100, ["drawn"] * 300).margins == (0.0,)
    older = Calibration(0.9, 0.9, 100, (0.1, 0.2), (-2.0, -0.3))
    assert [older.rule(budget) for budget in older.budgets] == [(0.1, 0.0), (0.2, 0.0)]
    assert route(np.array([[0.11]]), np.array([[0.1]]), 0.1, older).tolist() == [2]


def test_a_sequence_begins_where_enough_others_leave_early(monkeypatch: pytest.MonkeyPatch) -> None:
    few_budgets(monkeypatch, 0.01, 0.1, 0.2)
    mean, spread = np.full((10, 1), 0.05), np.full((10, 1), 0.02)
    spread[:5] = 0.05
    # At 0.1 the second half leaves early up to a margin of 2.5, the first up to 1.
    assert openings(mean, spread, (0.5,)) == ((), (2.5,), (6.0,))
    assert openings(mean, spread, (0.6,)) == ((), (1.0,), (3.0,))
    assert openings(mean, spread) == ((), (2.5, 1.0), (6.0, 3.0))
    # A kind from which fewer leave ends a sequence for all: the first half is one.
    kinds = ["hard"] * 5 + ["easy"] * 5
    assert openings(mean, spread, (0.5,), kinds) == ((), (1.0,), (3.0,))
    true = np.where(np.arange(300) < 250, 0.05, 0.5)[:, None]
    wide, narrow = np.full((300, 1), 0.02), np.where(np.arange(300) < 250, 0.02, 0.06)[:, None]
    found = calibrate(
        np.full((300, 1), 0.05), narrow, true, ["a"] * 300, begin=((), (2.5,), (0.0,))
    )
    assert found.openings == ((), (2.5,), (0.0,))
    # Down to 0.9 only those leave early that keep the budget; from 0 on, all do.
    assert found.margins == (None, 0.9, None)
    begin = ((), (2.5,), (2.5,))
    hopeless = calibrate(np.full((300, 1), 0.05), wide, true, ["a"] * 300, begin=begin)
    assert hopeless.margins == (None, None, None)


def two_kinds(missed: int) -> tuple[router.FloatArray, router.FloatArray, router.FloatArray]:
    """Of the second kind only 10 leave early at wide margins, all at those below 1; of these the
    last ``missed`` miss a budget of 0.1."""
    mean = np.full((400, 1), 0.05)
    spread = np.where(np.arange(400) < 210, 0.01, 0.05)[:, None]
    return mean, spread, np.where(np.arange(400) < 400 - missed, 0.05, 0.2)[:, None]


@pytest.mark.parametrize(
    ("begin", "missed", "margin"),
    [
        ((3.0,), 0, None),  # the second kind has too few there, and the sequence ends
        ((3.0, 0.9), 0, 0.0),
        ((0.9,), 14, 0.0),  # as many of 200 as one sequence allows
        ((3.0, 0.9), 14, None),  # two share what may go wrong
        ((3.0, 0.9), 12, 0.0),
        ((0.9, 0.5), 12, 0.0),
        ((0.9, 0.5), 14, None),  # the first sequence ends, the second has its own share only
    ],
)
def test_a_budget_may_have_several_sequences(
    begin: tuple[float, ...], missed: int, margin: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_budgets(monkeypatch, 0.1)
    kinds = ["towns"] * 200 + ["drive"] * 200
    assert calibrate(*two_kinds(missed), kinds, begin=(begin,)).margins == (margin,)
    assert passes(missed, 200, 0.9, 0.9)


@pytest.mark.parametrize(
    ("starts", "margin"), [((3.0,), 0.0), ((3.0, 0.9), 0.0), ((0.9, 0.0), None)]
)
def test_a_sequence_that_reaches_a_start_takes_its_share(
    starts: tuple[float, ...], margin: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All leave early from a margin of 0.9 on, and as many miss as one sequence alone allows."""
    few_budgets(monkeypatch, 0.1)
    mean = np.full((200, 1), 0.05)
    spread = np.where(np.arange(200) < 186, 0.01, 0.055)[:, None]
    true = np.where(np.arange(200) < 186, 0.05, 0.2)[:, None]
    found = calibrate(mean, spread, true, ["a"] * 200, begin=(starts,))
    assert found.margins == (margin,)


def sequence(found: Arrays, kinds: list[str], budget: float, begin: float) -> list[float]:
    """P-values of the margins from ``begin`` on, by scipy: the largest of all tests."""
    mean, spread, true = found
    values = []
    for margin in MARGINS[MARGINS.index(begin) :]:
        exits = choose(mean, spread, budget, margin)
        missed, early = delivered(true, exits) > budget, exits <= mean.shape[1]
        rows = [np.asarray([k == kind for k in kinds]) for kind in dict.fromkeys(kinds)]
        sets = [*rows, np.full(len(kinds), True), *(row & early for row in rows)]
        values.append(max(binom.cdf(missed[s].sum(), s.sum(), 0.1) if s.any() else 1 for s in sets))
    return values


class Fallback(FWERProcedure):  # type: ignore[misc]
    """A graph of tests (Bretz et al., 2009): what is accepted hands its level on to the next."""

    def __init__(self, shares: list[float]) -> None:
        self.shares = np.asarray(shares)

    def _init_state(self, n_lambdas: int, delta: float) -> None:
        assert len(self.shares) == n_lambdas
        self.levels, self.accepted = delta * self.shares, set[int]()

    def _select_next_hypothesis(self, p_values: router.FloatArray) -> int | None:
        ready = np.flatnonzero((self.levels > 0) & (p_values <= self.levels))
        return int(ready[-1]) if len(ready) else None  # any order ends alike

    def _local_significance_levels(self) -> router.FloatArray:
        return np.asarray(self.levels)

    def _update_on_reject(self, hypothesis_index: int) -> None:
        # What was accepted passes on whatever it still gets.
        following = hypothesis_index + 1
        while following in self.accepted:
            following += 1
        if following < len(self.levels):
            self.levels[following] += self.levels[hypothesis_index]
        self.accepted.add(hypothesis_index)
        self.levels[hypothesis_index] = 0.0


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 1000),
    st.floats(0.04, 0.12),
    st.floats(0.8, 1.4),
    st.sampled_from([(0.5,), (0.5, 0.75, 0.9), (0.3, 0.6)]),
)
def test_margins_are_those_of_mapies_control(
    seed: int, budget: float, optimism: float, shares: tuple[float, ...]
) -> None:
    random = np.random.default_rng(seed)
    mean, spread, true = draw(random, 400)
    found, kinds = (mean / optimism, spread, true), ["a"] * 150 + ["b"] * 250
    with pytest.MonkeyPatch.context() as patch:
        few_budgets(patch, budget)
        (starts,) = openings(*draw(random, 200)[:2], shares)
        margin = calibrate(*found, kinds, begin=(starts,)).margins[0]
    values = np.asarray(sequence(found, kinds, budget, MARGINS[0]))
    weights = [(each in starts) / max(1, len(starts)) for each in MARGINS]
    accepted = control_fwer(values, 1 - 0.9, fwer_method=Fallback(weights))
    assert margin == (MARGINS[accepted[-1]] if len(accepted) else None)
    if len(starts) == 1:
        begin = MARGINS.index(starts[0])
        alone = control_fwer(values[begin:], 1 - 0.9, fwer_method="fixed_sequence")
        assert (accepted - begin).tolist() == alone.tolist()


CALIBRATION = Calibration(0.9, 0.9, 100, (0.1, 0.2, 0.3), (2.0, 1.0, None))


@pytest.mark.parametrize(
    ("budget", "rule"),
    [
        (0.1, (0.1, 2.0)),
        (0.15, (0.1, 2.0)),
        (0.2, (0.2, 1.0)),
        (0.25, (0.2, 1.0)),
        (0.9, (0.3, None)),
        (0.05, (0.05, None)),
    ],
)
def test_only_tested_budgets_are_relied_on(budget: float, rule: tuple[float, float | None]) -> None:
    assert CALIBRATION.rule(budget) == rule


@pytest.mark.parametrize(
    "budget",
    [
        *(-0.01, 1.01, float("nan"), float("inf"), np.float32("nan"), Decimal("nan")),
        *("0.1", None, True, np.bool_(True), torch.tensor(True), 1j, np.complex64(0.1)),
        *([0.1], np.array([0.1]), torch.tensor([0.1]), torch.zeros((), device="meta"), 10**400),
    ],
)
def test_impossible_budgets(budget: object) -> None:
    with pytest.raises(InputError, match=r"budget .*(0\.1|0\.0 to 1\.0)"):
        check_budget(budget)


@pytest.mark.parametrize("budget", [0, 1, 0.1, 0.25, 0.09375, 1 / 3, np.int64(1), np.uint8(0)])
def test_possible_budgets(budget: float) -> None:
    found = check_budget(budget)
    assert found == float(budget) and type(found) is float


@pytest.mark.parametrize("budget", [*router.BUDGETS, 0.123, 0.0625])
def test_a_budget_buys_the_same_in_every_precision(budget: float) -> None:
    """So that it is written down the same as well."""
    tensor = torch.tensor(budget)
    forms = [
        *(np.float32(budget), np.array(budget, np.float32), np.array(budget), np.float16(budget)),
        *(tensor, tensor.item(), tensor.half(), torch.tensor(budget).double()),
        *(tensor.clone().requires_grad_(), np.longdouble(str(budget)), Decimal(str(budget))),
        *(Fraction(str(budget)), float(np.float32(budget))),
    ]
    assert [check_budget(form) for form in forms] == [budget] * len(forms)


def test_calibrated_budgets_hold_in_low_precision() -> None:
    whole = Calibration(0.9, 0.9, 100, router.BUDGETS, tuple(range(len(router.BUDGETS))))
    for budget in router.BUDGETS:
        assert whole.rule(float(np.float32(budget))) == whole.rule(budget)
        assert whole.rule(check_budget(torch.tensor(budget).bfloat16())) == whole.rule(budget)
        assert whole.rule(budget)[0] == budget


@settings(max_examples=50)
@given(st.floats(0, 1))
def test_a_rule_never_exceeds_the_budget(budget: float) -> None:
    assert CALIBRATION.rule(budget)[0] <= budget + 1e-9


def test_without_a_calibration_the_mean_decides() -> None:
    mean = np.array([[0.2, 0.1, 0.05]])
    assert route(mean, mean, 0.1, None).tolist() == [2]
