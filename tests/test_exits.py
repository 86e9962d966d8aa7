"""Exits resume: what was computed is kept, and nobody else's call changes it."""

from collections.abc import Iterator
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import EXITS, maps, noise
from torch import Tensor

from fiancee_hub.models.exits import EarlyExitModel, Progress, select

ALL_EXITS = range(1, len(EXITS) + 2)


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def direct(model: EarlyExitModel, inputs: tuple[Tensor, Tensor], exit_index: int) -> Tensor:
    return model.render(model.start(*inputs), exit_index)[0]


@pytest.mark.parametrize(("first", "then"), list(product(ALL_EXITS, ALL_EXITS)))
def test_going_on_gives_what_a_direct_call_gives(
    model: EarlyExitModel, first: int, then: int
) -> None:
    inputs = maps(2), noise(2)
    _, progress = model.render(model.start(*inputs), first)
    image, _ = model.render(progress, then)
    assert torch.equal(image, direct(model, inputs, then))


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    order=st.lists(st.sampled_from(ALL_EXITS), min_size=2, max_size=5),
)
def test_any_order_of_exits(model: EarlyExitModel, seed: int, order: list[int]) -> None:
    inputs = maps(1, seed), noise(1, seed)
    progress = model.start(*inputs)
    for exit_index in order:
        image, progress = model.render(progress, exit_index)
        assert torch.equal(image, direct(model, inputs, exit_index))


def test_every_stage_runs_once(model: EarlyExitModel, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []
    stage = model.trunk.stage

    def counted(index: int, features: Tensor | None, condition: object) -> Tensor:
        ran.append(index)
        return stage(index, features, condition)

    monkeypatch.setattr(model.trunk, "stage", counted)
    progress = model.start(maps(1), noise(1))
    for exit_index, stages in zip(ALL_EXITS, (1, 2, 4, 6), strict=True):
        _, progress = model.render(progress, exit_index)
        assert ran == list(range(stages))
    model.render(progress, 1)
    assert len(ran) == 6


def test_the_guide_is_looked_up_once(model: EarlyExitModel) -> None:
    _, progress = model.render(model.start(maps(1), noise(1)), 1)
    guide = progress.guide
    assert guide is not None
    _, progress = model.render(progress, 3)
    assert progress.guide is guide


def test_interleaved_calls_do_not_disturb_each_other(model: EarlyExitModel) -> None:
    calls = [(maps(1, 1), noise(1, 1)), (maps(1, 2), noise(1, 2))]
    progresses: list[Progress] = [model.start(*inputs) for inputs in calls]
    for exit_index in ALL_EXITS:
        for index, inputs in enumerate(calls):
            image, progresses[index] = model.render(progresses[index], exit_index)
            assert torch.equal(image, direct(model, inputs, exit_index))


def test_rendering_leaves_the_progress_it_was_given(model: EarlyExitModel) -> None:
    progress = model.start(maps(1), noise(1))
    model.render(progress, 4)
    assert progress.features == ()
    assert progress.guide is None


@pytest.mark.parametrize("exit_index", ALL_EXITS)
def test_guides_matter_to_branches_alone(model: EarlyExitModel, exit_index: int) -> None:
    progress = model.start(maps(1), noise(1))
    guided, _ = model.render(progress, exit_index)
    unguided, _ = model.render(progress, exit_index, guided=False)
    assert torch.equal(guided, unguided) == (exit_index == model.exits)


@pytest.mark.parametrize("done", [0, 2])
def test_selected_rows_equal_single_calls(model: EarlyExitModel, done: int) -> None:
    inputs = maps(5), noise(5)
    progress = model.start(*inputs)
    if done:
        _, progress = model.render(progress, done)
    rows = torch.tensor([3, 0])
    for exit_index in ALL_EXITS:
        images, _ = model.render(select(progress, rows), exit_index)
        for image, row in zip(images, rows, strict=True):
            alone = direct(model, (inputs[0][row : row + 1], inputs[1][row : row + 1]), exit_index)
            torch.testing.assert_close(image, alone[0], atol=1e-5, rtol=0)


def test_images_have_full_size_and_range(model: EarlyExitModel) -> None:
    for exit_index in ALL_EXITS:
        image = model(maps(2), noise(2), exit_index=exit_index)
        assert image.shape == (2, 3, 64, 96)
        assert image.abs().max() <= 1
