"""Counted costs."""

from types import ModuleType

import pytest
import tiny_faces
import torch
from tiny import config_of, maps, noise
from torch import nn

from fiancee_hub.core.cost import Costs, count, macs, on_meta, onward, parameters
from fiancee_hub.core.exits import EarlyExitModel


def test_one_convolution_by_hand() -> None:
    layer = nn.Conv2d(3, 8, 5, stride=2, padding=2, device="meta")
    expected = 8 * 3 * 5 * 5 * (10 // 2) * (16 // 2)
    assert macs(lambda: layer(torch.empty(1, 3, 10, 16, device="meta"))) == expected


def test_a_matrix_product_by_hand() -> None:
    layer = nn.Linear(7, 11)
    assert macs(lambda: layer(torch.zeros(2, 7))) == 2 * 7 * 11
    assert parameters(layer) == 7 * 11 + 11


def test_deeper_exits_cost_more(family_model: EarlyExitModel) -> None:
    costs = count(family_model)
    assert list(costs.exits) == sorted(set(costs.exits))
    assert costs.full_depth == costs.exits[-1]
    assert len(costs.exits) == family_model.exits


def test_counting_executes_nothing(family_model: EarlyExitModel) -> None:
    assert all(tensor.is_meta for tensor in on_meta(family_model).state_dict().values())
    assert not any(tensor.is_meta for tensor in family_model.state_dict().values())


def test_counts_equal_a_real_run(family_model: EarlyExitModel, family: ModuleType) -> None:
    costs, inputs = count(family_model), family.inputs(1)
    for exit_index in range(1, family_model.exits + 1):
        counted = macs(lambda index=exit_index: family_model(*inputs, exit_index=index))  # type: ignore[misc]
        assert costs.exits[exit_index - 1] + costs.encoder == counted


def test_what_is_read_ahead_is_counted_apart(
    family_model: EarlyExitModel, family: ModuleType
) -> None:
    assert (count(family_model).encoder > 0) == (family is tiny_faces)


def test_examples_are_inputs_of_one_image(family_model: EarlyExitModel, family: ModuleType) -> None:
    for encoded in (True, False):
        inputs = family_model.trunk.example_inputs(encoded=encoded)
        image = family_model(*inputs, exit_index=2)
        assert image.shape == (1, 3, *family.SIZE)
        assert image.isfinite().all()


def test_branches_pay_for_the_guide_look_up(
    family_model: EarlyExitModel, family: ModuleType
) -> None:
    costs = count(family_model)
    progress = family_model.start(*family.inputs(1))
    unguided = macs(lambda: family_model.render(progress, 1, guided=False))
    guided = macs(lambda: family_model.render(progress, 1))
    assert guided - unguided == costs.guides > 0


def test_going_deeper_pays_for_what_is_missing_alone(
    family_model: EarlyExitModel, family: ModuleType
) -> None:
    found, costs = onward(family_model), count(family_model)
    assert [len(row) for row in found] == list(range(family_model.exits - 1, 0, -1))
    _, progress = family_model.render(family_model.start(*family.inputs(1)), 1)
    for index, cost in enumerate(found[0], 2):
        assert cost == macs(lambda index=index: family_model.render(progress, index))  # type: ignore[misc]
        assert cost < costs.exits[index - 1]


def test_a_routed_call_pays_for_the_predictor(model: EarlyExitModel) -> None:
    costs = config_of(model).costs
    progress = model.start(maps(1), noise(1))
    assert costs.predictor == macs(lambda: model.predict(progress))
    assert costs.routed(2) == costs.predictor + costs.exits[1]
    assert costs.ratio(model.exits) > 1


def test_ratios() -> None:
    costs = Costs(exits=(20, 50, 100), predictor=3, guides=2, parameters=7)
    assert costs.ratio(1) == pytest.approx(0.23)
    assert costs.overhead_ratio == pytest.approx(0.05)
