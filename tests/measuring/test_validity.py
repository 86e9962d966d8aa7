"""Many splits of calibration and test inputs: does the promise hold?"""

import numpy as np
import pytest

from fiancee_hub.core import router
from fiancee_hub.core.router import (
    MARGINS,
    Openings,
    calibrate,
    choose,
    confidences,
    delivered,
    narrowest,
    openings,
    passes,
)
from fiancee_hub.measuring import validity as module
from fiancee_hub.measuring.measure import Measurement
from fiancee_hub.measuring.validity import Drawn, pooled, validity

BUDGETS = (0.06, 0.08, 0.1)


@pytest.fixture(autouse=True)
def _few_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (router, module):
        monkeypatch.setattr(place, "BUDGETS", BUDGETS)


def drawn(samples: int, *, seed: int = 0, of_unit: int = 1, kinds: int = 1) -> Drawn:
    """Predictions that are right on average; the inputs of a unit are all the same."""
    random = np.random.default_rng(seed)
    units = -(-samples // of_unit)
    mean = random.uniform(0.02, 0.2, (units, 3)) * np.array([1.0, 0.7, 0.4])
    spread = random.uniform(0.005, 0.04, (units, 3))
    true = np.abs(mean + spread / 1.2816 * random.normal(size=(units, 3)))
    rows = np.repeat(np.arange(units), of_unit)[:samples]
    found = Measurement(mean[rows], spread[rows], true[rows])
    return Drawn(found, [f"kind {row % kinds}" for row in rows], [f"unit {row}" for row in rows])


def begin(seed: int = 99) -> Openings:
    other = drawn(200, seed=seed).found
    return openings(other.mean, other.spread)


def test_a_promise_among_independent_inputs_holds_as_surely_as_stated() -> None:
    found = validity(drawn(1200), begin(), splits=200)
    assert (found["splits"], found["inputs"], found["units"]) == (200, 1200, {"kind 0": 1200})
    for row in found["budgets"]:
        assert row["all"] >= row["early"] >= 0.8
        assert row["nothing_early"] == 0
        assert row["early_coverage"] >= 0.9
    assert 0.7 <= found["jointly"]["early"] <= min(row["early"] for row in found["budgets"])


def test_inputs_that_are_alike_are_not_counted_as_many() -> None:
    # 1,200 inputs, but only 24 different ones: a calibration on half of them knows little.
    one = validity(drawn(1200, seed=3, of_unit=50), begin(), splits=200)
    assert one["units"] == {"kind 0": 24}
    assert min(row["early"] for row in one["budgets"]) < 0.8


def test_every_split_calibrates_as_the_router_does() -> None:
    inputs, first = drawn(300, kinds=2), begin()
    _, chosen = module._splits(inputs, 5, 0)
    assert (chosen.sum(0) == 150).all()
    for split in range(5):
        rows = chosen[:, split]
        half, groups = inputs.found, [g for g, row in zip(inputs.groups, rows, strict=True) if row]
        margins = calibrate(
            half.mean[rows], half.spread[rows], half.true[rows], groups, begin=first
        ).margins
        missed, early = module._outcomes(half)
        for row, starts in enumerate(first):
            levels = confidences(0.9, len(starts))
            passed = np.ones((len(levels), len(MARGINS), 1), bool)
            for kind in ("kind 0", "kind 1"):
                weights = (rows & (np.asarray(inputs.groups) == kind))[:, None]
                misses, leaving = (module._sums(flags, weights)[row] for flags in (missed, early))
                for held, each in enumerate(levels):
                    passed[held] &= module._passes(misses, leaving, 0.9, each)
            (taken,) = narrowest(passed, starts)
            assert margins[row] == (None if taken < 0 else MARGINS[taken])


def test_the_other_half_is_judged_as_it_is_delivered() -> None:
    """One split, done by hand."""
    inputs, first = drawn(300, seed=5), begin()
    row = validity(inputs, first, splits=1, seed=4)["budgets"][1]
    _, chosen = module._splits(inputs, 1, 4)
    half = chosen[:, 0]
    found = inputs.found
    margin = calibrate(
        found.mean[half], found.spread[half], found.true[half], ["kind 0"] * 150, begin=first
    ).margins[1]
    exits = choose(found.mean[~half], found.spread[~half], BUDGETS[1], margin)
    kept = delivered(found.true[~half], exits) <= BUDGETS[1]
    assert row["early_coverage"] == pytest.approx(kept[exits < 4].mean())
    assert row["all"] == float(kept.mean() >= 0.9)
    assert row["kinds"] == {"kind 0": float(kept[exits < 4].mean() >= 0.9)}


def test_a_person_is_never_on_both_sides() -> None:
    found = drawn(12).found
    groups = ["self"] * 4 + ["cross"] * 8
    units = ["a", "a", "b", "c", "a", "b", "b", "c", "d", "e", "f", "g"]
    counts, chosen = module._splits(Drawn(found, groups, units), 50, 0)
    assert counts == {"self": 3, "cross": 7}
    for unit in set(units):
        rows = chosen[[row for row, name in enumerate(units) if name == unit]]
        assert (rows == rows[0]).all()
        assert 0 < rows[0].sum() < 50
    assert (chosen[[0, 2, 3]].sum(0) == 2).all()  # of three persons in both kinds two calibrate
    assert (chosen[8:].sum(0) == 2).all()


def test_where_nothing_leaves_early_the_promise_is_kept() -> None:
    hopeless = drawn(100)
    hopeless = Drawn(
        Measurement(hopeless.found.mean, hopeless.found.spread, hopeless.found.true + 1),
        hopeless.groups,
        hopeless.units,
    )
    for row in validity(hopeless, begin(), splits=10)["budgets"]:
        assert (row["all"], row["early"], row["nothing_early"]) == (1, 1, 1)
        assert row["early_coverage"] is None


def test_sets_are_pooled_in_order() -> None:
    both = pooled([drawn(3), drawn(2, seed=1)])
    assert both.units == ["unit 0", "unit 1", "unit 2", "unit 0", "unit 1"]
    assert len(both.found.true) == len(both.groups) == 5


@pytest.mark.parametrize("samples", [0, 1, 21, 22, 100, 500])
def test_as_many_misses_are_allowed_as_pass(samples: int) -> None:
    most = module._allowed(samples, 0.9, 0.9)
    assert most < 0 or passes(most, samples, 0.9, 0.9)
    assert not passes(most + 1, samples, 0.9, 0.9)
