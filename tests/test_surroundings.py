"""What a caller sets for all of torch does not change what comes out."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import random_map

from fiancee_hub import Comparison, Controls, FianceePipeline, InputError
from fiancee_hub.core.perceptual import PerceptualDistance, perceptual_distance
from fiancee_hub.families.faces.landmarks.expression import _weights
from fiancee_hub.families.faces.pipeline import FacesPipeline

ROOT = Path(__file__).resolve().parents[1]
PHOTO = ROOT / "space" / "examples" / "faces" / "london_008_neutral.jpg"
FEW_LEVELS = 24
"""Of 255, by which one channel of a random network's picture may differ in bfloat16."""

Call = Callable[[FianceePipeline], Comparison]


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def default_device(name: str) -> Iterator[None]:
    torch.set_default_device(name)
    try:
        yield
    finally:
        torch.set_default_device(None)


SURROUNDINGS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "float64": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "another device": lambda: default_device("meta"),
    "inference mode": torch.inference_mode,
    "gradients": torch.enable_grad,
}


def call_streets(pipe: FianceePipeline) -> Comparison:
    (batched,) = pipe.generate_batch([random_map(1)], seeds=[3], budget=0.5)  # type: ignore[attr-defined]
    found = pipe.compare(random_map(1), budget=0.5, seed=3)
    assert batched.exit == found.early.exit
    return found


def call_faces(pipe: FianceePipeline) -> Comparison:
    driver = Controls(yaw=8, smile=0.4)
    made: Any = pipe(source=PHOTO, driver=[driver], budget=0.1)
    found = pipe.compare(source=PHOTO, driver=driver, budget=0.1)
    assert [each.exit for each in made] == [found.early.exit]
    return found


@pytest.fixture(params=["streets", "faces"])
def checkpoint(request: pytest.FixtureRequest) -> tuple[Path, Call]:
    """A checkpoint of each family, and a call that goes through all of it."""
    if request.param == "streets":
        return request.getfixturevalue("tiny_checkpoint"), call_streets
    return request.getfixturevalue("tiny_face_checkpoint"), call_faces


def forget() -> None:
    """What is built once and kept would hide where it was built."""
    perceptual_distance.cache_clear()
    _weights.cache_clear()


def greys(found: Comparison) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.stack([np.asarray(each.image, np.int64) for each in (found.early, found.full)])


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_the_same_pictures_come_out(name: str, checkpoint: tuple[Path, Call]) -> None:
    folder, call = checkpoint
    expected = call(FianceePipeline.from_pretrained(folder))
    forget()
    with SURROUNDINGS[name]():
        found = call(FianceePipeline.from_pretrained(folder))
    forget()
    assert found.early.exit == expected.early.exit
    assert found.early.predicted_lpips == expected.early.predicted_lpips
    assert found.lpips == expected.lpips
    assert (greys(found) == greys(expected)).all()


def test_a_budget_that_is_not_offered_is_refused_at_once(tiny_checkpoint: Path) -> None:
    pipe: Any = FianceePipeline.from_pretrained(tiny_checkpoint, dtype=torch.bfloat16)
    never = "never tested in eager and bfloat16"
    with pytest.raises(InputError, match=never):
        pipe.stream(iter([]), budget=0.1)
    with pytest.raises(InputError, match=never):
        pipe.generate_batch(["no map"] * 2, budget=[0.0, 0.1])
    assert list(pipe.stream([("a", random_map(1), 0)], budget=0.1, exit=1))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_is_another_type(dtype: torch.dtype, tiny_checkpoint: Path) -> None:
    """Stages follow it, so a budget is offered where it was tested in that type."""
    pipe: Any = FianceePipeline.from_pretrained(tiny_checkpoint)
    label_map = random_map(1)
    expected = pipe.prepare(label_map, seed=3)
    reason = f"never tested in eager and {str(dtype)[6:]}: .*, or call it outside of torch.autocast"
    with torch.autocast("cpu", dtype=dtype):
        found = pipe.prepare(label_map, seed=3)
        assert found.predicted == expected.predicted
        for exit_index in (1, pipe.model.exits):
            one, other = (np.asarray(r.result(exit_index).image, int) for r in (found, expected))
            assert abs(one - other).max() <= FEW_LEVELS
        for given in (label_map, [label_map]):
            with pytest.raises(InputError, match=reason):
                pipe(given, budget=0.1)
        pipe.to(torch.float64)(label_map, budget=0.1)
        with torch.autocast("cpu", enabled=False):
            pipe.to(torch.float32)(label_map, budget=0.1)


def test_what_is_loaded_in_inference_mode_can_be_changed(tiny_checkpoint: Path) -> None:
    with torch.inference_mode():
        pipe = FianceePipeline.from_pretrained(tiny_checkpoint)
        pipe.to(torch.float64)
    pipe.to(torch.float32)
    for parameter in pipe.model.parameters():
        parameter.mul_(1.5)


def test_the_distance_is_built_alike_in_any_surroundings() -> None:
    images = torch.rand(2, 1, 3, 64, 64) * 2 - 1
    expected = perceptual_distance()(*images)
    with default_dtype(torch.bfloat16), default_device("meta"):
        built = PerceptualDistance()
    assert torch.equal(built(*images), expected)


def test_faces_have_their_basis_whatever_the_type(tiny_face_checkpoint: Path) -> None:
    pipe = FacesPipeline.from_pretrained(tiny_face_checkpoint)
    expected = pipe.basis.copy()
    again = FacesPipeline.from_pretrained(tiny_face_checkpoint).to(torch.bfloat16)
    assert (again.basis == expected).all()
