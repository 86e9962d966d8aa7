"""Banks of regions: what full depth makes of a class at a place, averaged over training inputs."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from street_data import write_streets
from torch import Tensor
from torch.nn import functional as F

from fiancee_hub.core.exits import EarlyExitModel, ExitConfig, GuideConfig
from fiancee_hub.core.recipe import Recipe
from fiancee_hub.families.label_maps.config import OasisConfig
from fiancee_hub.families.label_maps.shapes import (
    MOST_GUIDE_VALUES,
    OASIS_CONFIGS,
    STREETS,
    streets_recipe,
)
from fiancee_hub.families.label_maps.training.task import MapsTask
from fiancee_hub.hub.checkpoints import build
from fiancee_hub.training import guides
from fiancee_hub.training.guides import fill_guides

SHAPE = OasisConfig(13, 64, 96, (16, 16, 16, 16, 16, 16, 8), (8, 8, 8, 8, 8, 8))
RECIPE = Recipe(SHAPE, (ExitConfig(1, 2),), GuideConfig(13, (12, 32, 48), "regions"))
SAMPLES = 12


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> MapsTask:
    return MapsTask(write_streets(tmp_path_factory.mktemp("guides") / "data", {"maps": 6}), RECIPE)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guides, "INPUTS", SAMPLES)
    monkeypatch.setattr(guides, "SAVE_EVERY", 1)


def untrained_model(task: MapsTask, seed: int = 0) -> EarlyExitModel:
    torch.manual_seed(seed)
    return build(task.config()).eval()


def values(model: EarlyExitModel) -> Tensor:
    assert model.guides is not None
    return model.guides.values


@torch.no_grad()
def test_an_entry_is_the_mean_of_what_full_depth_made_there(
    task: MapsTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guides, "DOUBT", 1e-9)
    model = untrained_model(task)
    fill_guides(model, task, tmp_path)
    found, source = F.pixel_shuffle(values(model), 2), task.source()
    draws = [
        source.draw(guides.BATCH, torch.Generator().manual_seed(3_000_000 + batch))
        for batch in range(SAMPLES // guides.BATCH)
    ]
    pictures = torch.cat([model(*inputs, exit_index=model.exits) for inputs in draws])
    maps = torch.cat([inputs[0] for inputs in draws])
    for row, column in ((0, 0), (33, 40), (63, 95), (50, 17)):
        for region in maps[:, row, column].unique().tolist():
            seen = pictures[maps[:, row, column] == region][:, :, row, column]
            torch.testing.assert_close(found[region, :, row, column], seen.mean(0))


def test_a_seldom_seen_region_is_drawn_to_its_surroundings(task: MapsTask, tmp_path: Path) -> None:
    sums, counts = torch.zeros(2, 3, 40, 40), torch.zeros(2, 3, 40, 40)
    sums[0], counts[0] = 0.5 * 100, 100
    sums[0, :, 20, 20], counts[0, :, 20, 20] = -1.0, 1
    found = guides._means(sums, counts)
    assert found[0, 0, 5, 5] == pytest.approx(0.5)
    assert 0 < found[0, 0, 20, 20] < 0.5
    assert not found[1].any()


def test_an_interrupted_bank_goes_on_where_it_stopped(
    task: MapsTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = untrained_model(task)
    fill_guides(whole, task, tmp_path / "whole")
    add = guides._add_pictures
    added: list[object] = []

    def stops(*arguments: object) -> None:
        if len(added) == 2:
            raise KeyboardInterrupt
        added.append(arguments)
        add(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(guides, "_add_pictures", stops)
    with pytest.raises(KeyboardInterrupt):
        fill_guides(untrained_model(task), task, tmp_path / "parts")
    added = ["once"]
    model = untrained_model(task)
    fill_guides(model, task, tmp_path / "parts")
    assert len(added) == 2
    assert torch.equal(values(model), values(whole))
    added = []
    fill_guides(model, task, tmp_path / "parts")
    assert not added
    with pytest.raises(KeyboardInterrupt):  # another trunk paints other pictures
        fill_guides(untrained_model(task, seed=1), task, tmp_path / "parts")


def test_a_bank_of_fewer_inputs_is_made_of_no_more(task: MapsTask, tmp_path: Path) -> None:
    model = untrained_model(task)
    fill_guides(model, task, tmp_path / "few", 4)
    few = values(model).clone()
    fill_guides(model, task, tmp_path / "many")
    assert not torch.equal(values(model), few)
    fill_guides(model, task, tmp_path / "many", 4)
    assert torch.equal(values(model), few)


def test_few_examples_are_not_varied_without_end(
    task: MapsTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    monkeypatch.setattr(guides, "INPUTS", 1000)
    monkeypatch.setattr(guides, "VARIATIONS", 2)
    monkeypatch.setattr(
        guides, "_add_pictures", lambda _, inputs, *__: drawn.append(len(inputs[0]))
    )
    assert task.source().examples == 6
    fill_guides(untrained_model(task), task, tmp_path)
    assert sum(drawn) == 12


def test_a_bank_is_made_of_no_more_inputs_than_asked_for(
    task: MapsTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    monkeypatch.setattr(
        guides, "_add_pictures", lambda _, inputs, *__: drawn.append(len(inputs[0]))
    )
    fill_guides(untrained_model(task), task, tmp_path, inputs=8)
    assert sum(drawn) == 8


def test_guides_are_by_region_where_the_bank_stays_small() -> None:
    small = streets_recipe(OASIS_CONFIGS["streets"], 749).guides
    assert small == STREETS.guides
    assert small.entries * 12 * 96 * 128 <= MOST_GUIDE_VALUES
    large = streets_recipe(OASIS_CONFIGS["oasis-coco"], 100).guides
    assert large == GuideConfig(100, (12, 32, 32))
    tall = replace(OASIS_CONFIGS["streets"], height=384, width=512)
    assert streets_recipe(tall, 749).guides.form == "whole"
