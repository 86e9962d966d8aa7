"""What a backend's test of the promise says, and what of it is believed."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from fiancee_hub.core.router import Calibration
from fiancee_hub.core.second_test import KEY, Place, SecondTest, rows, second_test

PLACE = Place("openvino", "bfloat16")
CALIBRATION = Calibration(0.9, 0.9, 500, (0.02, 0.05, 0.1), (None, 1.0, 0.0))
INPUTS = 100


def rows_of(true: Any, groups: list[str] | None = None) -> list[dict[str, Any]]:
    """Rows for inputs with one branch, predicted at 0.04, and true LPIPS (n, 2) of both exits."""
    found = np.asarray(true, float)
    mean = np.full((len(found), 1), 0.04)
    spread = np.full_like(mean, 0.02)
    return rows(CALIBRATION, mean, spread, found, groups or ["a"] * len(found))


def holds(found: list[dict[str, Any]]) -> list[bool | None]:
    return [row["holds"] for row in found]


def test_rows_counted_by_hand() -> None:
    true = [[0.12, 0.01]] * 3 + [[0.06, 0.01]] * 2 + [[0.03, 0.03]] * 95
    first, second, third = rows_of(true)
    # At 0.05 the margin lets nothing leave, so all deliver full depth, which is off as well.
    assert first == {
        "budget": 0.02, "margin": None, "misses": 95, "early": 0, "early_misses": 0, "holds": False
    }  # fmt: skip
    assert (second["early"], second["misses"], second["holds"]) == (0, 0, None)
    assert third == {
        "budget": 0.1, "margin": 0.0, "misses": 3, "early": 100, "early_misses": 3, "holds": True
    }  # fmt: skip


@pytest.mark.parametrize(("misses", "expected"), [(5, True), (6, False)])
def test_as_many_may_miss_as_the_exact_test_allows(misses: int, expected: bool) -> None:
    """Of 100, 5 at a level of 0.9 and a confidence of 0.9."""
    assert holds(rows_of([[0.2, 0]] * misses + [[0.03, 0]] * (100 - misses)))[2] is expected


def test_every_kind_must_hold() -> None:
    true = [[0.2, 0]] * 5 + [[0.03, 0]] * 95
    assert holds(rows_of(true, ["a"] * 25 + ["b"] * 75))[2] is False
    assert holds(rows_of(true, ["b", "a"] * 50))[2] is False  # 3 of 50
    assert holds(rows_of([[0.03, 0]] * 100, ["a"] * 21 + ["b"] * 79))[2] is None  # too few to tell


def entry(**changes: Any) -> dict[str, Any]:
    budgets = rows_of([[0.03, 0]] * INPUTS)
    return PLACE._asdict() | {"n": INPUTS, "budgets": budgets} | changes


def test_what_was_tested_is_found() -> None:
    others = entry(dtype="float32"), entry(device="cuda"), entry(backend="eager")
    found = second_test({KEY: [*others, entry()]}, CALIBRATION, PLACE)
    assert found == SecondTest({0.02: True, 0.05: None, 0.1: True}, INPUTS)
    assert found.from_on() == 0.1
    assert second_test({KEY: others}, CALIBRATION, PLACE) is None
    assert SecondTest({0.1: False}, 1).from_on() is None


def test_other_margins_make_it_void() -> None:
    later = dataclasses.replace(CALIBRATION, margins=(None, 1.0, 0.5))
    found = second_test({KEY: [entry()]}, later, PLACE)
    assert found is not None
    assert found.holds == {0.02: True, 0.05: None}


@pytest.mark.parametrize(
    "figures",
    [
        None,
        {},
        {KEY: None},
        {KEY: {}},
        {KEY: [None, 3, [], {}]},
        {KEY: [entry(budgets=None)]},
        {KEY: [entry(budgets=[None, {}, {"budget": []}, {"budget": 0.1, "holds": True}])]},
        {KEY: [entry(budgets=[{"budget": 0.1, "margin": 0.0, "holds": "yes"}])]},
    ],
)
def test_what_is_not_as_it_should_be_was_not_tested(figures: Any) -> None:
    assert second_test(figures, CALIBRATION, PLACE) is None


def test_places_have_names() -> None:
    assert Place.of("openvino", torch.bfloat16, torch.device("cpu")) == PLACE
    assert str(PLACE) == "openvino and bfloat16"
    on_card = Place.of("eager", torch.float16, torch.device("cuda:1"))
    assert str(on_card) == "eager and float16 on cuda"
