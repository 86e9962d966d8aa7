"""Many maps at once: grouped by exit, in bounded memory, each as if it had been alone."""

import errno
import gc
import json
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from PIL import Image
from tiny import BATCHED, CLASSES, inputs, random_map

from fiancee_hub import batched
from fiancee_hub.core.errors import InputError, OutputError
from fiancee_hub.core.exits import EarlyExitModel, Progress, join, select
from fiancee_hub.core.grouping import grouped
from fiancee_hub.core.marking import GENERATED, MARK
from fiancee_hub.families.label_maps import bulk
from fiancee_hub.families.label_maps.bulk import (
    ROUTES,
    generate_folder,
    generate_jobs,
    plan,
    seed_of,
)
from fiancee_hub.families.label_maps.classes import to_rgb
from fiancee_hub.families.label_maps.pipeline import StreetsPipeline
from fiancee_hub.families.label_maps.routes import place as placed
from fiancee_hub.results import Result

BUDGET = 0.05
"""The tiny model's router sends maps to each of its exits."""


@given(st.lists(st.integers(0, 4)), st.integers(1, 5), st.integers(0, 20))
def test_groups_hold_every_item_once_and_few_wait(kinds: list[int], size: int, most: int) -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for index in range(len(kinds)):
            read.append(index)
            yield index

    yielded = 0
    seen: list[int] = []
    for group in grouped(items(), lambda index: kinds[index], size, most):
        assert 1 <= len(group) <= size
        assert len({kinds[index] for index in group}) == 1
        assert group == sorted(group)
        if len(read) < len(kinds):
            assert len(group) == size or len(read) - yielded == most + 1
        assert len(read) - yielded <= most + 1 or len(group) == size
        seen += group
        yielded += len(group)
    assert sorted(seen) == list(range(len(kinds)))


def test_few_kinds_fill_their_groups() -> None:
    groups = list(grouped(range(100), lambda index: index % 3, 8, 32))
    assert sorted(len(group) for group in groups) == [1, 1, 2] + [8] * 12


@torch.inference_mode()
def test_joining_undoes_selecting(model: EarlyExitModel) -> None:
    whole = model.advance(model.start(*inputs(3)), 2)
    rows = [select(whole, torch.tensor([row])) for row in range(3)]
    assert all(isinstance(row, Progress) for row in rows)
    for exit_index in (2, model.exits):
        images = [model.render(part, exit_index)[0] for part in (whole, join(rows))]
        assert torch.equal(*images)


@limits(max_examples=12, deadline=None)
@given(
    st.lists(st.integers(0, 30), max_size=12),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.02, BUDGET, 0.1, 1.0]),
    st.sampled_from([None, None, 1, 4]),
)
def test_a_stream_gives_what_single_calls_give(
    pipeline: StreetsPipeline,
    maps: list[int],
    batch_size: int,
    budget: float,
    exit: int | None,
) -> None:
    """To one grey level, as ``generate_batch`` says."""
    items = [(place, random_map(seed), seed) for place, seed in enumerate(maps)]
    found = dict(pipeline.stream(items, budget=budget, exit=exit, batch_size=batch_size))
    assert found.keys() == set(range(len(maps)))
    for place, label_map, seed in items:
        alone, result = pipeline(label_map, budget=budget, seed=seed, exit=exit), found[place]
        levels = np.asarray(alone.image, np.int16) - np.asarray(result.image, np.int16)
        assert np.abs(levels).max() <= 1
        for name in ("exit", "macs", "saving", "seed", "notes"):
            assert getattr(result, name) == getattr(alone, name)
        assert result.predicted_lpips == pytest.approx(alone.predicted_lpips, abs=BATCHED)


def endless() -> Iterator[tuple[int, Any, int]]:
    """More maps than fit into any memory."""
    index = 0
    while True:
        yield index, random_map(index % 40), index
        index += 1


def test_a_stream_without_an_end_waits_in_bounded_memory(pipeline: StreetsPipeline) -> None:
    results = pipeline.stream(endless(), budget=BUDGET, batch_size=2)
    exits: list[int] = []
    for _, result in results:
        exits.append(result.exit)
        if len(exits) == 80:
            break
    gc.collect()
    held = sum(type(item) is Progress for item in gc.get_objects())
    assert held <= (batched.WAITING + 2) * 2 + 2
    # Maps of one exit went together although their exits come in any order.
    assert len(set(exits)) > 1
    changes = sum(one != other for one, other in pairwise(exits))
    assert changes < len(exits) / 2


def test_batches_give_every_map_its_own_budget(pipeline: StreetsPipeline) -> None:
    budgets = [1.0, 0.0, 1.0, BUDGET]
    items = [(place, random_map(place), place, each) for place, each in enumerate(budgets)]
    found = [batch for batch in pipeline._in_batches(items, budgets, None, 8, None) if batch]
    assert all(len({result.exit for _, result in batch}) == 1 for batch in found)
    for place, result in (one for batch in found for one in batch):
        _, label_map, seed, budget = items[place]
        assert result.exit == pipeline(label_map, budget=budget, seed=seed).exit
        assert result.seed == seed
    assert sorted(place for batch in found for place, _ in batch) == [0, 1, 2, 3]


def test_on_a_processor_full_depth_is_rendered_one_by_one(pipeline: StreetsPipeline) -> None:
    exits = pipeline.model.exits
    for exit_index, sizes in ((1, [3]), (exits, [1, 1, 1])):
        budget = 1.0 if exit_index == 1 else 0.0
        items = [(place, random_map(place), place, budget) for place in range(3)]
        batches = pipeline._in_batches(items, [budget], None, 8, None)
        assert [len(batch) for batch in batches] == sizes
        assert pipeline.generate_batch([each for _, each, _, _ in items], budget=budget)[
            2
        ].exit == (exit_index)


@pytest.mark.parametrize(
    "options",
    [
        *({"budget": 2.0}, {"exit": 9}, {"batch_size": 0}, {"batch_size": "8"}),
        *({"batch_size": 2.5}, {"batch_size": True}, {"as_": "indices"}, {"exit": "1"}),
    ],
)
def test_arguments_are_checked_before_the_first_result(
    pipeline: StreetsPipeline, options: dict[str, Any]
) -> None:
    with pytest.raises(InputError):
        pipeline.stream(endless(), **options)


def test_numbers_of_other_libraries_give_pythons_results(pipeline: StreetsPipeline) -> None:
    for seeds in (np.array([3]), torch.tensor([3]), [np.int64(3)], iter([3])):
        result = pipeline.generate_batch(
            (random_map(index) for index in range(1)),
            seeds=seeds,  # type: ignore[arg-type]
            budget=np.float32(BUDGET),  # type: ignore[arg-type]
            batch_size=np.int64(8),  # type: ignore[arg-type]
        )[0]
        facts = {name: value for name, value in vars(result).items() if name != "image"}
        assert json.loads(json.dumps(facts))["seed"] == 3
        assert result.exit == pipeline(random_map(0), budget=BUDGET, seed=3).exit
    number: Any = np.int64(3)
    assert type(pipeline(random_map(0), seed=number).seed) is int
    compared = pipeline.compare(random_map(0), budget=np.float32(0.1))  # type: ignore[arg-type]
    assert compared.budget == 0.1 and type(compared.budget) is float


@pytest.mark.parametrize(
    ("maps", "options", "reason"),
    [
        ("map.png", {}, "label_maps must be a list of label maps, not str"),
        (Path("map.png"), {}, "label_maps must be a list"),
        (Image.new("L", (96, 64)), {}, "label_maps must be a list"),
        (random_map(0), {}, "label_maps is one map"),
        (torch.from_numpy(random_map(0)), {}, "label_maps is one map"),
        (None, {}, "label_maps must be a list"),
        ([random_map(0)], {"seeds": 5}, "seeds must be a list of whole numbers, not int"),
        ([random_map(0)], {"seeds": "5"}, "seeds must be a list of whole numbers, not str"),
        ([random_map(0)], {"seeds": [0.5]}, "seed must be a whole number, not float"),
        ([random_map(0)], {"seeds": [1, 2]}, "1 maps but 2 seeds"),
    ],
)
def test_one_thing_where_many_are_meant_is_named(
    pipeline: StreetsPipeline, maps: Any, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        pipeline.generate_batch(maps, **options)


def test_the_caller_says_how_to_read(pipeline: StreetsPipeline) -> None:
    ids = np.full((64, 96), 5, np.uint8)
    grey = Image.new("L", (96, 64), 0)  # black, the colour of class 5
    expected = pipeline(ids).image
    for result in (
        pipeline(grey, as_="colours"),
        pipeline.generate_batch([grey], as_="colours")[0],
        pipeline.compare(grey, as_="colours", budget=0).early,
    ):
        levels = np.asarray(expected, np.int16) - np.asarray(result.image, np.int16)
        assert np.abs(levels).max() <= 1 or result.exit == 4
    assert pipeline.read(grey).ids.max() == 0
    with pytest.raises(InputError, match="give 'ids', 'colours'"):
        pipeline.prepare(grey, as_="classes")  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty maps in an order that mixes their exits, a damaged one, and a folder of maps."""
    (tmp_path / "maps" / "deeper.png").mkdir(parents=True)
    for index in range(20):
        to_rgb(random_map(index), CLASSES).save(tmp_path / "maps" / f"{index:02}.png")
    (tmp_path / "maps" / "05.png").write_bytes(b"no picture")
    return tmp_path / "maps"


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / ROUTES).read_text().splitlines()]


def test_a_folder_is_grouped_by_exit_over_all_of_it(
    pipeline: StreetsPipeline, folder: Path, tmp_path: Path
) -> None:
    report = generate_folder(pipeline, folder, tmp_path / "out", budget=BUDGET, batch_size=4)
    assert (report.written, report.skipped) == (19, 0)
    assert [name for name, _ in report.failed] == ["05.png", "deeper.png"]
    exits = [row["exit"] for row in rows(tmp_path / "out")]
    assert len(set(exits)) > 1
    for row in rows(tmp_path / "out"):
        alone = pipeline(folder / row["file"], budget=BUDGET, seed=row["seed"])
        picture = Image.open(tmp_path / "out" / row["output"])
        levels = np.asarray(alone.image, np.int16) - np.asarray(picture, np.int16)
        assert np.abs(levels).max() <= 1
        assert (row["exit"], row["seed"]) == (alone.exit, seed_of(row["file"], 0))


def test_a_run_that_is_interrupted_goes_on(
    pipeline: StreetsPipeline,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While maps wait for others of their exit: they are read again, and no picture is lost."""
    out, batches = tmp_path / "out", 0
    rendered = batched._rendered

    def interrupted(*arguments: Any, **options: Any) -> list[tuple[Any, Result]]:
        nonlocal batches
        batches += 1
        if batches == 3:
            raise KeyboardInterrupt
        return rendered(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(batched, "_rendered", interrupted)
        with pytest.raises(KeyboardInterrupt):
            generate_folder(pipeline, folder, out, budget=BUDGET, batch_size=4)
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")}
    assert 0 < len(before) < 19
    report = generate_folder(pipeline, folder, out, budget=BUDGET, batch_size=4)
    assert (report.written, report.skipped) == (19 - len(before), len(before))
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before
    assert len({row["output"] for row in rows(out)}) == len(rows(out)) == 19


def maps_named(folder: Path, *names: str | bytes) -> Path:
    folder.mkdir()
    for index, name in enumerate(names):
        path = folder / os.fsdecode(name)
        to_rgb(random_map(index), CLASSES).save(path, "WEBP" if path.suffix == ".webp" else "PNG")
    return folder


@pytest.mark.parametrize(
    ("names", "outputs"),
    [
        (["a.png", "b.webp"], ["a.png", "b.png"]),
        (["a.png", "a.webp"], ["a.png.png", "a.webp.png"]),
        (["a.png", "a.png.png", "a.webp"], ["a.png.png", "a.png.png.png", "a.webp.png"]),
        (["A.png", "a.webp"], ["A.png.png", "a.webp.png"]),
        (["e\u0301.png", "\u00e9.webp"], ["e\u0301.png.png", "\u00e9.webp.png"]),
    ],
)
def test_every_map_has_a_picture_of_its_own(
    pipeline: StreetsPipeline, names: list[str], outputs: list[str], tmp_path: Path
) -> None:
    source = maps_named(tmp_path / "maps", *names)
    report = generate_folder(pipeline, source, tmp_path / "out", exit=1)
    assert (report.written, report.failed) == (len(names), ())
    made = {row["file"]: row["output"] for row in rows(tmp_path / "out")}
    assert made == dict(zip(names, outputs, strict=True))
    for row in rows(tmp_path / "out"):
        alone = pipeline(source / row["file"], seed=row["seed"], exit=1)
        picture = Image.open(tmp_path / "out" / row["output"])
        levels = np.asarray(alone.image, np.int16) - np.asarray(picture, np.int16)
        assert np.abs(levels).max() <= 1


def test_names_of_any_bytes_and_length(pipeline: StreetsPipeline, tmp_path: Path) -> None:
    long = "b" * 250
    names = (b"Stra\xdfe.png", "a.png", f"{long}.png", f"{long}.webp", "\u20ac" * 83 + ".png")
    source, out = maps_named(tmp_path / "maps", *names), tmp_path / "out"
    report = generate_folder(pipeline, source, out, exit=1)
    assert (report.written, report.failed) == (len(names), ())
    found = {row["output"] for row in rows(out)}
    assert len(found) == len(names) and found == {path.name for path in out.glob("*.png")}
    assert generate_folder(pipeline, source, out, exit=1).skipped == len(names)


def test_hidden_files_are_no_maps(pipeline: StreetsPipeline, tmp_path: Path) -> None:
    source = maps_named(tmp_path / "maps", "a.png")
    for name in ("._a.png", ".hidden.webp", ".DS_Store"):
        (source / name).write_bytes(b"no picture")
    report = generate_folder(pipeline, source, tmp_path / "out", exit=1)
    assert (report.written, report.failed) == (1, ())
    (source / "a.png").unlink()
    with pytest.raises(InputError, match="holds no label map"):
        generate_folder(pipeline, source, tmp_path / "out", exit=1)


def test_a_picture_that_the_folder_does_not_take_is_left_out(
    pipeline: StreetsPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(picture: bytes, output: Path, row: Any) -> bool:
        if output.name == "a.png":
            raise OSError(errno.EILSEQ, "no such characters")
        return placed(picture, output, row)

    monkeypatch.setattr(bulk, "place", refusing)
    source = maps_named(tmp_path / "maps", "a.png", "b.png")
    report = generate_folder(pipeline, source, tmp_path / "out", exit=1)
    assert report.written == 1 and report.failed == (("a.png", "a.png: no such characters"),)


def test_a_full_disk_is_named(
    pipeline: StreetsPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    source = maps_named(tmp_path / "maps", "a.png")
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"no room left for .*a\.png"):
        generate_folder(pipeline, source, tmp_path / "out", exit=1)


def test_what_another_run_makes_meanwhile_is_left_alone(
    pipeline: StreetsPipeline, tmp_path: Path
) -> None:
    source, out = maps_named(tmp_path / "maps", "a.png", "b.png"), tmp_path / "out"
    out.mkdir()
    jobs = plan(source, out, 0)
    placed(b"theirs", jobs[0].output, {"output": "a.png"})
    report = generate_jobs(pipeline, jobs, out, exit=1)
    assert (report.written, report.skipped) == (1, 1)
    assert (out / "a.png").read_bytes() == b"theirs"
    assert [row["output"] for row in rows(out)] == ["a.png", "b.png"]


def test_pictures_say_that_they_are_generated(pipeline: StreetsPipeline, tmp_path: Path) -> None:
    source = maps_named(tmp_path / "maps", "a.png")
    generate_folder(pipeline, source, tmp_path / "out", exit=1)
    assert Image.open(tmp_path / "out" / "a.png").info[GENERATED] == MARK


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"source": ["a.png"]}, "source must be one path, not list"),
        ({"out": None}, "out must be one path"),
        ({"seed": "1"}, "seed must be a whole number"),
        ({"batch_size": 0}, "batch_size 0 is out of range"),
        ({"budget": "0.1"}, "budget must be a number"),
        ({"as_": "classes"}, "give 'ids', 'colours'"),
        ({"out": "FILE"}, "is a file: choose a folder"),
    ],
)
def test_what_a_folder_cannot_be_made_with(
    pipeline: StreetsPipeline, options: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    source = maps_named(tmp_path / "maps", "a.png")
    if options.get("out") == "FILE":
        options = {"out": source / "a.png"}
    with pytest.raises(InputError, match=reason):
        generate_folder(pipeline, **({"source": source, "out": tmp_path / "out"} | options))
    assert not (tmp_path / "out").exists()
