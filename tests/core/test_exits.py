"""Exits of both families resume: what was computed is kept, and nobody else's call changes it."""

from collections.abc import Iterator
from itertools import product
from operator import itemgetter
from types import ModuleType
from typing import Any

import pytest
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from fiancee_hub.core.exits import EarlyExitModel, Progress, select
from fiancee_hub.core.nested import each_tensor

ALL_EXITS = range(1, len(tiny.EXITS) + 2)
LEAK = 0.2


@pytest.fixture(scope="module")
def model(family_model: EarlyExitModel) -> EarlyExitModel:
    return family_model


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def direct(model: EarlyExitModel, inputs: tuple[Any, ...], exit_index: int) -> Tensor:
    return model.render(model.start(*inputs), exit_index)[0]


@pytest.mark.parametrize(("first", "then"), list(product(ALL_EXITS, ALL_EXITS)))
def test_going_on_gives_what_a_direct_call_gives(
    model: EarlyExitModel, family: ModuleType, first: int, then: int
) -> None:
    inputs = family.inputs(2)
    _, progress = model.render(model.start(*inputs), first)
    image, _ = model.render(progress, then)
    assert torch.equal(image, direct(model, inputs, then))


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    order=st.lists(st.sampled_from(ALL_EXITS), min_size=2, max_size=5),
)
def test_any_order_of_exits(
    model: EarlyExitModel, family: ModuleType, seed: int, order: list[int]
) -> None:
    inputs = family.inputs(1, seed)
    progress = model.start(*inputs)
    for exit_index in order:
        image, progress = model.render(progress, exit_index)
        assert torch.equal(image, direct(model, inputs, exit_index))


def test_every_stage_runs_once(
    model: EarlyExitModel, family: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []
    stage = model.trunk.stage

    def counted(index: int, features: Tensor | None, condition: object) -> Tensor:
        ran.append(index)
        return stage(index, features, condition)

    monkeypatch.setattr(model.trunk, "stage", counted)
    progress = model.start(*family.inputs(1))
    for exit_index, stages in zip(ALL_EXITS, family.STAGES, strict=True):
        _, progress = model.render(progress, exit_index)
        assert ran == list(range(stages))
    model.render(progress, 1)
    assert len(ran) == family.STAGES[-1]


def test_the_guide_is_looked_up_once(model: EarlyExitModel, family: ModuleType) -> None:
    _, progress = model.render(model.start(*family.inputs(1)), 1)
    guide = progress.guide
    assert guide is not None
    _, progress = model.render(progress, 3)
    assert progress.guide is guide


def test_interleaved_calls_do_not_disturb_each_other(
    model: EarlyExitModel, family: ModuleType
) -> None:
    calls = [family.inputs(1, 1), family.inputs(1, 2)]
    progresses: list[Progress] = [model.start(*inputs) for inputs in calls]
    for exit_index in ALL_EXITS:
        for index, inputs in enumerate(calls):
            image, progresses[index] = model.render(progresses[index], exit_index)
            assert torch.equal(image, direct(model, inputs, exit_index))


def test_rendering_leaves_the_progress_it_was_given(
    model: EarlyExitModel, family: ModuleType
) -> None:
    progress = model.start(*family.inputs(1))
    model.render(progress, 4)
    assert progress.features == ()
    assert progress.guide is None


@pytest.mark.parametrize("exit_index", ALL_EXITS)
def test_guides_matter_to_branches_alone(
    model: EarlyExitModel, family: ModuleType, exit_index: int
) -> None:
    progress = model.start(*family.inputs(1))
    guided, _ = model.render(progress, exit_index)
    unguided, _ = model.render(progress, exit_index, guided=False)
    assert torch.equal(guided, unguided) == (exit_index == model.exits)


@pytest.mark.parametrize("done", [0, 2])
def test_selected_rows_equal_single_calls(
    model: EarlyExitModel, family: ModuleType, done: int
) -> None:
    inputs = family.inputs(5)
    progress = model.start(*inputs)
    if done:
        _, progress = model.render(progress, done)
    rows = torch.tensor([3, 0])
    for exit_index in ALL_EXITS:
        images, _ = model.render(select(progress, rows), exit_index)
        for image, row in zip(images, rows, strict=True):
            alone = direct(model, each_tensor(inputs, itemgetter(row[None])), exit_index)
            torch.testing.assert_close(image, alone[0], atol=family.BATCHED, rtol=0)


def test_images_have_full_size_and_range(model: EarlyExitModel, family: ModuleType) -> None:
    for exit_index in ALL_EXITS:
        image = model(*family.inputs(2), exit_index=exit_index)
        assert image.shape == (2, 3, *family.SIZE)
        assert image.abs().max() <= 1


def test_the_predictor_sees_the_input_alone(model: EarlyExitModel, family: ModuleType) -> None:
    progress = model.start(*family.inputs(3))
    before = model.predict(progress)
    after = model.predict(model.advance(progress, 2))
    assert torch.equal(before.mean, after.mean)
    assert before.mean.shape == before.spread.shape == (3, len(family.EXITS))
    assert len(set(before.mean[:, 0].tolist())) == 3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_takes_the_same_exit(
    model: EarlyExitModel, family: ModuleType, dtype: torch.dtype
) -> None:
    inputs = family.inputs(2)
    expected = model.predict(model.start(*inputs))
    with torch.autocast("cpu", dtype):
        found = model.predict(model.start(*inputs))
    assert found.mean.dtype == found.spread.dtype == torch.float32
    assert torch.equal(found.mean, expected.mean)
    assert torch.equal(found.spread, expected.spread)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_converted_model_keeps_its_predictor(family: ModuleType, dtype: torch.dtype) -> None:
    model: EarlyExitModel = family.random_model()
    progress = model.start(*family.inputs(2))
    expected = model.predict(progress)
    converted = model.to(dtype)
    assert next(converted.trunk.parameters()).dtype == dtype
    found = converted.predict(progress)
    assert torch.equal(found.mean, expected.mean)
    assert torch.equal(found.spread, expected.spread)


def painted(model: EarlyExitModel, progress: Progress, exit_index: int) -> Tensor:
    """What the last convolution of a branch sees first: the features of its last stage."""
    seen: list[Tensor] = []
    convolution: Any = model.branches[exit_index - 1].to_rgb
    hook = convolution.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model.render(progress, exit_index)
    hook.remove()
    return seen[0]


def test_a_branch_as_wide_as_the_trunk_starts_from_its_features(family: ModuleType) -> None:
    model: EarlyExitModel = family.random_model()
    assert family.EXITS[2].scale_factor == 1
    branch: Any = model.branches[2]
    branch.inherit(model.trunk)
    progress = model.advance(model.start(*family.inputs(2)), family.STAGES[-1])
    wanted = F.leaky_relu(family.before_painting(progress.features[-2]), LEAK)
    found = painted(model, progress, 3)[:, : wanted.shape[1]]
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_a_thinner_branch_starts_from_the_strongest_channels(family: ModuleType) -> None:
    model: EarlyExitModel = family.random_model()
    branch: Any = model.branches[1]
    branch.inherit(model.trunk)
    progress = model.advance(model.start(*family.inputs(2)), 3)
    trunk: Any = model.trunk
    after = trunk.blocks[2].conv_0 if family is tiny else trunk.stage_list[2].carry
    norms = after.weight.square().sum((0, 2, 3))
    kept = sorted(norms.argsort(descending=True)[: branch.join.out_channels].tolist())
    assert 0 < len(kept) < len(norms)
    joined = branch.join(branch.with_guide(progress.features[1], None))
    torch.testing.assert_close(joined, progress.features[1][:, kept])
