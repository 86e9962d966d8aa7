"""What users call: any form of input, budgets, seeds, batches, and many callers at once."""

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import CLASSES, Ids, random_map

from fiancee_hub import InputError, StreetsPipeline
from fiancee_hub.core.pixels import to_picture
from fiancee_hub.families.label_maps.classes import to_palette_image, to_rgb
from fiancee_hub.families.label_maps.reading import LabelMap

IDS = random_map(3)
ALL_BUDGETS = (0.0, 0.02, 0.05, 0.1, 0.2, 1.0)


def saved(picture: Image.Image, path: Path) -> Path:
    picture.save(path)
    return path


def npy(ids: Ids, path: Path) -> Path:
    np.save(path, ids)
    return path


FORMS: dict[str, Callable[[Ids, Path], Any]] = {
    "int64 array": lambda ids, _: ids.astype(np.int64),
    "float array": lambda ids, _: ids.astype(np.float32),
    "tensor": lambda ids, _: torch.from_numpy(ids),
    "tensor with batch axis": lambda ids, _: torch.from_numpy(ids)[None],
    "nested list": lambda ids, _: ids.tolist(),
    "grey picture": lambda ids, _: Image.fromarray(ids),
    "palette picture": lambda ids, _: to_palette_image(ids, CLASSES),
    "picture in class colours": lambda ids, _: to_rgb(ids, CLASSES),
    "with opaque alpha": lambda ids, _: to_rgb(ids, CLASSES).convert("RGBA"),
    "path of a PNG": lambda ids, folder: saved(to_rgb(ids, CLASSES), folder / "map.png"),
    "path as text": lambda ids, folder: str(saved(Image.fromarray(ids), folder / "map.png")),
    "path of an array": lambda ids, folder: npy(ids, folder / "map.npy"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_map_gives_the_same_picture(
    pipeline: StreetsPipeline, form: str, tmp_path: Path
) -> None:
    expected = pipeline(IDS, budget=0.1, seed=5)
    result = pipeline(FORMS[form](IDS, tmp_path), budget=0.1, seed=5)
    assert result.image == expected.image
    assert result.exit == expected.exit
    assert result.notes == ()


def test_a_larger_map_is_resized_and_says_so(pipeline: StreetsPipeline) -> None:
    result = pipeline(IDS.repeat(2, 0).repeat(2, 1), seed=5)
    assert result.image == pipeline(IDS, seed=5).image
    assert "Resized" in result.notes[0]


def test_the_same_seed_gives_the_same_picture(pipeline: StreetsPipeline) -> None:
    one, same, other = (pipeline(IDS, exit=4, seed=seed).image for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_seeds_do_not_touch_the_global_generator(pipeline: StreetsPipeline) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    pipeline(IDS, seed=7)
    assert torch.equal(torch.get_rng_state(), before)


def test_budgets_are_obeyed_by_prediction(pipeline: StreetsPipeline) -> None:
    exits = []
    for budget in ALL_BUDGETS:
        rendering = pipeline.prepare(IDS, seed=1)
        result = rendering.deliver(budget)
        assert result.exit == rendering.route(budget) == pipeline(IDS, budget=budget, seed=1).exit
        full = result.exit == pipeline.model.exits
        assert full or result.predicted_lpips <= budget
        assert result.predicted_lpips == (0.0 if full else rendering.predicted[result.exit - 1])
        exits.append(result.exit)
    assert exits == sorted(exits, reverse=True)
    assert exits[0] == pipeline.model.exits
    assert len(set(exits)) > 1


def test_a_routed_picture_pays_for_the_predictor(pipeline: StreetsPipeline) -> None:
    costs = pipeline.config.costs
    rendering = pipeline.prepare(IDS, seed=1)
    delivered = rendering.deliver(1.0)
    result = rendering.result(delivered.exit)
    assert delivered.exit == 1
    assert delivered.macs == result.macs + costs.predictor == costs.routed(1)
    assert result.macs == costs.exits[0]
    assert result.saving == pytest.approx(1 - costs.exits[0] / costs.full_depth)
    assert delivered.saving == pytest.approx(1 - costs.routed(1) / costs.full_depth)
    assert delivered.milliseconds > result.milliseconds > 0
    assert delivered.image is result.image


def test_times_count_from_the_beginning(
    pipeline: StreetsPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes before the first stage is part of every exit's time, as in ``evaluate``."""
    condition, seconds = pipeline.trunk.condition, 0.2

    def slow(*inputs: Any) -> Any:
        time.sleep(seconds)
        return condition(*inputs)

    monkeypatch.setattr(pipeline.trunk, "condition", slow)
    rendering = pipeline.prepare(IDS, seed=1)
    for result in (rendering.result(4), rendering.result(1), rendering.deliver(1.0)):
        assert result.milliseconds > 1000 * seconds
    for exit_index in (1, None):
        for result in pipeline.generate_batch([IDS, IDS], exit=exit_index, batch_size=2):
            assert result.milliseconds > 1000 * seconds / 2


def test_full_depth_by_routing_saves_less_than_nothing(pipeline: StreetsPipeline) -> None:
    assert pipeline(IDS, budget=0.0).saving < 0
    assert pipeline(IDS, exit=4).saving == 0


def test_a_chosen_exit_overrules_the_budget(pipeline: StreetsPipeline) -> None:
    for exit_index in range(1, 5):
        assert pipeline(IDS, budget=0.0, exit=exit_index).exit == exit_index


def test_exits_of_one_rendering_equal_separate_calls(pipeline: StreetsPipeline) -> None:
    rendering = pipeline.prepare(IDS, seed=2)
    for exit_index in (3, 1, 4, 2):
        assert rendering.result(exit_index).image == pipeline(IDS, exit=exit_index, seed=2).image


def near(one: Image.Image, other: Image.Image) -> bool:
    """Whether no channel of any pixel differs by more than one grey level."""
    return bool((np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)) <= 1).all())


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_a_batch_equals_single_calls(pipeline: StreetsPipeline, batch_size: int) -> None:
    maps = [random_map(seed) for seed in range(8)]
    results = pipeline.generate_batch(maps, budget=0.05, batch_size=batch_size)
    assert len({result.exit for result in results}) > 1
    for seed, (label_map, result) in enumerate(zip(maps, results, strict=True)):
        alone = pipeline(label_map, budget=0.05, seed=seed)
        assert near(result.image, alone.image)
        assert (result.exit, result.macs, result.seed) == (alone.exit, alone.macs, alone.seed)
        assert result.predicted_lpips == pytest.approx(alone.predicted_lpips, abs=1e-5)
        assert result.saving == pytest.approx(alone.saving)


def test_a_batch_at_a_chosen_exit(pipeline: StreetsPipeline) -> None:
    for result in pipeline.generate_batch([IDS, IDS], seeds=[4, 5], exit=2):
        alone = pipeline(IDS, seed=result.seed, exit=2)
        assert near(result.image, alone.image)
        assert (result.exit, result.macs, result.saving) == (2, alone.macs, alone.saving)


def test_an_empty_batch(pipeline: StreetsPipeline) -> None:
    assert pipeline.generate_batch([]) == []


def test_a_comparison_tells_the_truth(pipeline: StreetsPipeline) -> None:
    from fiancee_hub.core.perceptual import perceptual_distance

    comparison = pipeline.compare(IDS, budget=1.0, seed=3)
    images = [pipeline.prepare(IDS, seed=3).image(exit_index) for exit_index in (1, 4)]
    with torch.no_grad():
        truth = float(perceptual_distance()(*images))
    assert (comparison.early.exit, comparison.full.exit) == (1, 4)
    assert comparison.lpips == pytest.approx(truth, abs=1e-6)
    assert comparison.lpips > 0
    assert comparison.kept == (truth <= 1.0)
    assert comparison.early.image == to_picture(images[0][0])


def test_full_depth_always_keeps_the_budget(pipeline: StreetsPipeline) -> None:
    comparison = pipeline.compare(IDS, budget=0.0)
    assert comparison.early.exit == 4
    assert comparison.lpips == 0
    assert comparison.kept


def test_a_missed_budget_is_called_missed(
    pipeline: StreetsPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fiancee_hub.core.router.route", lambda *_: np.array([1]))
    assert not pipeline.compare(IDS, budget=0.001).kept


def test_four_threads_disturb_nobody(pipeline: StreetsPipeline) -> None:
    calls = [(random_map(index), ALL_BUDGETS[index % 6], index) for index in range(12)]

    def render(call: tuple[Ids, float, int]) -> Image.Image:
        label_map, budget, seed = call
        return pipeline(label_map, budget=budget, seed=seed).image

    alone = [render(call) for call in calls]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(render, calls))
    assert all(near(one, other) for one, other in zip(alone, together, strict=True))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"budget": -0.1}, "budget"),
        ({"budget": "cheap"}, "budget"),
        ({"budget": float("nan")}, "budget"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"seed": True}, "seed"),
        ({"exit": 0}, "exit 0 does not exist: choose 1 to 4"),
        ({"exit": 5}, "exit 5 does not exist"),
        ({"exit": 2.0}, "exit 2.0 does not exist"),
        ({"exit": "2"}, "exit '2' does not exist"),
    ],
)
def test_impossible_arguments(
    pipeline: StreetsPipeline, arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        pipeline(IDS, **arguments)


@pytest.mark.parametrize("seed", [np.array([1, 2]), "3", [1]])
def test_a_generator_is_no_excuse_for_a_wrong_seed(pipeline: StreetsPipeline, seed: Any) -> None:
    with pytest.raises(InputError, match="seed must be a whole number"):
        pipeline(IDS, seed=seed, generator=torch.Generator())


@pytest.mark.parametrize("item", [IDS, "map", ("key", IDS), ("key", IDS, 0, 0), None, 3])
def test_an_item_of_a_stream_has_three_parts(pipeline: StreetsPipeline, item: Any) -> None:
    with pytest.raises(InputError, match="each of items must be a key, a label map and a seed"):
        list(pipeline.stream([item]))


@pytest.mark.parametrize("label_map", [IDS + 1, IDS[:4], IDS.astype(str), None, "no/map.png"])
def test_impossible_maps(pipeline: StreetsPipeline, label_map: Any) -> None:
    for call in (pipeline, pipeline.compare, lambda m: pipeline.generate_batch([m])):
        with pytest.raises(InputError):
            call(label_map)


def test_a_batch_says_which_of_its_maps_is_wrong(pipeline: StreetsPipeline) -> None:
    maps = [IDS, IDS, IDS.astype(str)]
    with pytest.raises(InputError, match=r"^label_maps\[2\]: "):
        pipeline.generate_batch(maps)
    items = ((f"street {number}", each, 0) for number, each in enumerate(maps))
    with pytest.raises(InputError, match=r"^the item with key 'street 2': "):
        list(pipeline.stream(items))


@pytest.mark.parametrize("ids", [IDS[:-1], IDS + np.uint8(len(CLASSES)), IDS.astype(int) - 99])
def test_a_map_that_another_pipeline_read(pipeline: StreetsPipeline, ids: Any) -> None:
    for call in (pipeline, pipeline.compare, lambda m: pipeline.generate_batch([m])):
        with pytest.raises(InputError, match=r"LabelMap .* read it with this pipeline"):
            call(LabelMap(ids))
    assert pipeline(pipeline.read(IDS), exit=1).image == pipeline(IDS, exit=1).image


def test_an_image_is_chosen_by_any_whole_number(pipeline: StreetsPipeline) -> None:
    rendering = pipeline.prepare(IDS)
    numbers: tuple[Any, ...] = torch.tensor(1), np.int64(1)
    for exit_index in numbers:
        assert torch.equal(rendering.image(exit_index), rendering.image(1))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"seeds": [1]}, "2 maps but 1 seeds"),
        ({"seeds": range(5)}, "2 maps but 5 seeds"),
        ({"seeds": itertools.count()}, "2 maps but more than 2 seeds"),
        ({"budget": itertools.repeat(0.1)}, "2 inputs but more than 2 budgets"),
        ({"seeds": [1, -1]}, "seed -1"),
        ({"budget": 2}, "budget"),
        ({"exit": 9}, "exit 9"),
        ({"batch_size": 0}, "batch_size 0"),
    ],
)
def test_impossible_batches(
    pipeline: StreetsPipeline, arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        pipeline.generate_batch([IDS, IDS], **arguments)
