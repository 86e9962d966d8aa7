"""Arguments in the types of other libraries."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fiancee_hub.core.arguments import check_path, several, shortest, whole
from fiancee_hub.core.errors import InputError


@pytest.mark.parametrize(
    "number",
    [3, np.int64(3), np.uint8(3), np.array(3), torch.tensor(3), torch.tensor(3, dtype=torch.uint8)],
)
def test_whole_numbers_become_pythons_own(number: object) -> None:
    found = whole(number, "seed", 0, 9)
    assert found == 3 and type(found) is int


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        *((value, "must be a whole number, not") for value in ("3", 3.0, None, [3], True)),
        *((value, "must be a whole number, not") for value in (np.float32(3), np.True_)),
        *((value, "must be a whole number, not") for value in (torch.tensor([3]), np.array([3]))),
        (torch.zeros((), device="meta", dtype=torch.int), "must be a whole number, not"),
        (-1, "-1 is out of range: give 0 to 9"),
        (np.int64(10), "10 is out of range: give 0 to 9"),
    ],
)
def test_what_is_no_whole_number_is_named(number: object, reason: str) -> None:
    with pytest.raises(InputError, match=f"seed {reason}"):
        whole(number, "seed", 0, 9)


@pytest.mark.parametrize(
    "values", [[1], (1,), range(3), np.zeros((2, 3)), torch.zeros(2), iter([1]), {1}]
)
def test_many_things(values: object) -> None:
    assert several(values, "maps", "label maps") is values


@pytest.mark.parametrize(
    "values",
    [
        *("a.png", b"a.png", Path("a.png"), Image.new("L", (8, 8)), {"a": 1}, 5, None),
        *(np.array(3), torch.tensor(3)),
    ],
)
def test_one_thing_is_not_many(values: object) -> None:
    with pytest.raises(InputError, match="maps must be a list of label maps, not"):
        several(values, "maps", "label maps")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (["a.png"], "must be one path, not list"),
        (b"a.png", "must be one path, not bytes"),
        (None, "must be one path, not NoneType"),
        (3, "must be one path, not int"),
        ("", "is '': give a path"),
        ("a\0.png", "is .*: give a path"),
    ],
)
def test_what_is_no_path_is_named(value: object, reason: str) -> None:
    with pytest.raises(InputError, match=f"out {reason}"):
        check_path(value, "out")
    assert check_path("a.png", "out") == check_path(Path("a.png"), "out") == Path("a.png")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_shortest_decimal_is_the_same_number(number: float) -> None:
    found = shortest(number)
    assert found == number or np.float32(found) == np.float32(number) == number
