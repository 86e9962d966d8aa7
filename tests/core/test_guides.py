"""Guides by region: each pixel from the entry of its class, at its place."""

from typing import Any, Literal

import pytest
import tiny
import torch
from torch.nn import functional as F

from fiancee_hub.backends.parts import parts
from fiancee_hub.core.cost import count, macs
from fiancee_hub.core.exits import EarlyExitModel, GuideConfig, select
from fiancee_hub.families.label_maps.config import OasisConfig
from fiancee_hub.families.label_maps.generator import OasisGenerator


@pytest.fixture(scope="module")
def by_region() -> EarlyExitModel:
    return tiny.random_model(guides=tiny.REGIONS)


@torch.no_grad()
def test_every_pixel_is_that_of_its_class_at_its_place(by_region: EarlyExitModel) -> None:
    maps = tiny.maps(2)
    progress = by_region.look_up(by_region.start(maps, tiny.noise(2)))
    assert progress.guide is not None
    assert by_region.guides is not None
    found = F.pixel_shuffle(progress.guide.values, 2)
    pictures = F.pixel_shuffle(by_region.guides.values, 2)
    rows, columns = (torch.arange(side) for side in tiny.SIZE)
    expected = pictures[maps.long(), :, rows[:, None], columns].movedim(-1, 1)
    assert torch.equal(found, expected)


@torch.no_grad()
def test_the_look_up_multiplies_nothing_and_changes_branches_alone(
    by_region: EarlyExitModel,
) -> None:
    costs, inputs = count(by_region), tiny.inputs(1)
    assert costs.guides == 0
    for index in range(1, by_region.exits + 1):
        start = by_region.start(*inputs)
        counted = macs(lambda index=index: by_region(*inputs, exit_index=index))  # type: ignore[misc]
        assert counted == costs.exits[index - 1]
        guided, _ = by_region.render(start, index)
        unguided, _ = by_region.render(start, index, guided=False)
        assert torch.equal(guided, unguided) == (index == by_region.exits)


@torch.no_grad()
def test_going_on_after_any_exit_keeps_the_guide(by_region: EarlyExitModel) -> None:
    inputs = tiny.inputs(3)
    _, progress = by_region.render(by_region.start(*inputs), 1)
    image, deeper = by_region.render(progress, 3)
    assert deeper.guide is progress.guide
    assert torch.equal(image, by_region.render(by_region.start(*inputs), 3)[0])
    one, _ = by_region.render(select(progress, torch.tensor([2])), 3)
    torch.testing.assert_close(one[0], image[2], atol=tiny.BATCHED, rtol=0)


@torch.no_grad()
def test_a_branch_begins_with_the_guide_itself(by_region: EarlyExitModel) -> None:
    model = tiny.random_model(guides=tiny.REGIONS)
    branch: Any = model.branches[0]
    branch.inherit(model.trunk)
    torch.nn.init.zeros_(branch.to_rgb.bias)
    branch.to_rgb.weight[:, : -tiny.REGIONS.channels] = 0
    image, progress = model.render(model.start(*tiny.inputs(1)), 1)
    assert progress.guide is not None
    torch.testing.assert_close(image, F.pixel_shuffle(progress.guide.values, 2).tanh())


@torch.no_grad()
def test_the_graphs_of_a_model_look_regions_up_from_the_condition(
    by_region: EarlyExitModel,
) -> None:
    found = {part.name: part for part in parts(by_region)}
    guides = found["guides"]
    assert set(guides.inputs) == set(found["condition"].outputs)
    assert "guide" in found["branch-1"].inputs
    assert guides.outputs == ("guide",)
    inputs = by_region.trunk.example_inputs()
    progress = by_region.look_up(by_region.start(*inputs))
    assert progress.guide is not None
    (values,) = guides.module(*guides.inputs.values())
    assert torch.equal(values[:1], progress.guide.values)


@torch.no_grad()
@pytest.mark.parametrize("modulation", ["shared", "spade"])
def test_ids_are_exact_in_any_precision(modulation: Literal["shared", "spade"]) -> None:
    shape = OasisConfig(256, 32, 32, (8,) * 5, (8,) * 4, 4, modulation)
    trunk = OasisGenerator(shape)
    maps = torch.arange(1024).reshape(1, 32, 32) % 256
    with torch.autocast("cpu", torch.bfloat16):
        regions = trunk.regions(trunk.condition(maps, torch.zeros(1, 4)))
    assert torch.equal(F.pixel_shuffle(regions.float(), 2)[:, 0].long(), maps)


def test_channels_of_a_guide() -> None:
    assert GuideConfig().channels == 0
    assert GuideConfig().bank(8) is None
    assert tiny.REGIONS.channels == 12
