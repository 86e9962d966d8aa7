"""One's own label maps and photographs: every layout is read, and trained on by one command."""

import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hub_client import ROOT
from official_oasis import Official
from own_data import COLOURS, NAMES, SIZE, photo_of, save, scene, table, write_scenes, write_table
from PIL import Image

from fiancee_hub import FianceePipeline
from fiancee_hub.cli.main import main
from fiancee_hub.core.errors import FianceeError
from fiancee_hub.domains import of_family
from fiancee_hub.domains.streets.data import STREETS_TABLE
from fiancee_hub.families.label_maps.classes import ClassEntry
from fiancee_hub.families.label_maps.convert import read_classes
from fiancee_hub.families.label_maps.own_data.labels import LabelReader
from fiancee_hub.families.label_maps.own_data.layout import FIELDS, LAYOUTS, read_layout
from fiancee_hub.families.label_maps.palettes import voc_colour
from fiancee_hub.families.label_maps.shapes import STREETS, streets_generator, streets_recipe
from fiancee_hub.families.label_maps.training.class_table import (
    ClassTable,
    read_table,
)
from fiancee_hub.families.label_maps.training.maps import MapSource
from fiancee_hub.families.label_maps.training.photographs import DataFolder
from fiancee_hub.families.label_maps.training.task import MapsTask
from fiancee_hub.hub.checkpoints import load_checkpoint
from fiancee_hub.training.discriminator import class_weights, real_loss
from fiancee_hub.training.state import load_state

accelerate = pytest.importorskip("accelerate")

CLASSES = tuple(ClassEntry(i, n, c) for i, (n, c) in enumerate(zip(NAMES, COLOURS, strict=True)))
MOMENT = ("--backbone-minutes", "0.01", "--branches-minutes", "0.01", "--predictor-minutes", "0.01")


def train(phase: str, data: Path, run: Path, *words: object) -> int:
    """One command in this process."""
    fixed = ["train", phase, "--data", data, "--run-folder", run, "--cpu"]
    return main([str(word) for word in (*fixed, *words)])


def prepare(root: Path, target: Path) -> DataFolder:
    """What the command makes of a folder.

    Raises:
        FianceeError: it refuses the folder.
    """
    from fiancee_hub.families.label_maps.own_data.folder import prepare_own

    prepare_own(root, target, accelerate.Accelerator(cpu=True), SIZE)
    return DataFolder(target)


def ids_of(data: DataFolder, name: str) -> set[int]:
    """Classes in a prepared label map."""
    return set(np.unique(np.asarray(Image.open(data.root / "labels" / f"{name}.png"))).tolist())


@pytest.fixture(scope="module", autouse=True)
def few_steps() -> Iterator[None]:
    """Every phase takes a step or two, however fast the machine is."""
    ticks = itertools.count()
    with pytest.MonkeyPatch.context() as patch:
        clock = SimpleNamespace(monotonic=lambda: next(ticks) / 4)
        patch.setattr("fiancee_hub.training.loop.time", clock)
        patch.setattr("fiancee_hub.training.predictor.CHUNK", 16)
        yield


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("scenes") / "mine", 12)


@pytest.fixture(scope="module")
def trained(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder after the one command."""
    run = tmp_path_factory.mktemp("run")
    words = (*MOMENT, "--samples", 16, "--guide-inputs", 16, "--out", run / "out")
    assert train("streets", scenes, run, *words) == 0
    return run


def test_one_command_ends_in_a_checkpoint_that_renders(trained: Path) -> None:
    pipe = FianceePipeline.from_pretrained(trained / "out")
    assert pipe.config.classes == CLASSES
    assert pipe.config.calibration is not None
    assert pipe.config.calibration.groups == {"val": 1}
    images = [np.asarray(pipe(scene(99, SIZE), exit=exit).image) for exit in range(1, 7)]
    assert all(image.shape == (*SIZE, 3) for image in images)
    assert len({image.tobytes() for image in images}) == 6


def test_the_same_command_goes_on_where_it_stopped(
    trained: Path, scenes: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    picture = run / "data" / "images" / "scene 3.jpg"
    written = picture.stat().st_mtime_ns
    before = load_state(run / "backbone" / "state.safetensors")
    words = ("--backbone-minutes", 0.02, *MOMENT[2:], "--samples", 16)
    assert train("streets", scenes, run, *words) == 0
    after = load_state(run / "backbone" / "state.safetensors")
    assert after["steps"] > before["steps"] > 0
    assert picture.stat().st_mtime_ns == written


@pytest.mark.parametrize("memory", [(), ("--low-memory",)])
def test_two_processes_end_in_the_same_kind_of_checkpoint(
    trained: Path, scenes: Path, tmp_path: Path, memory: tuple[str, ...]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    words = ("-m", "fiancee_hub", "train", "branches", "--cpu", "--branches-minutes", "0.03")
    folders = ("--data", str(scenes), "--run-folder", str(run))
    command = [sys.executable, *launcher, *words, *folders, *memory]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    notes = [json.loads((folder / "training.json").read_text()) for folder in (trained, run)]
    assert notes[1]["branches"]["steps"] > notes[0]["branches"]["steps"] > 0
    assert notes[1]["branches"]["processes"] == 2
    (one, config), (two, other) = (load_checkpoint(f / "checkpoint") for f in (trained, run))
    # The margins were those of the branches before.
    assert other == replace(config, calibration=None)
    assert one.state_dict().keys() == two.state_dict().keys()
    assert not torch.equal(next(one.branches.parameters()), next(two.branches.parameters()))


@pytest.fixture(scope="module")
def converted(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An official checkpoint, converted with the class table of the scenes."""
    folder = tmp_path_factory.mktemp("official")
    torch.manual_seed(0)
    network = Official(len(CLASSES), (64, 128), width=2)
    with torch.no_grad():
        for _ in range(3):
            one_hot = torch.eye(5)[torch.randint(5, (2, 64, 128))].permute(0, 3, 1, 2)
            network(one_hot, torch.randn(2, 64))
    torch.save(network.state_dict(), folder / "best_EMA.pth")
    words = ("convert", "oasis", folder / "best_EMA.pth", "--classes", scenes / "classes.json")
    size = ("--size", 64, 128, "--out", folder / "out")
    assert main([str(word) for word in (*words, *size)]) == 0
    return folder / "out"


def test_branches_for_a_converted_backbone(
    converted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Phase by phase; only the first has to know where the backbone comes from."""
    run, data = tmp_path / "run", write_scenes(tmp_path / "mine", 12, table())
    assert train("backbone", data, run, "--start", converted) == 0  # there is nothing to do
    branches = ("branches", *MOMENT[2:4], "--batch-size", 2)
    for phase in (("guides",), branches, ("predictor", *MOMENT[4:]), ("calibrate",)):
        assert train(phase[0], data, run, *phase[1:], "--samples", 16) == 0
    notes = json.loads((run / "training.json").read_text())
    assert notes["branches"]["images"] == 2 * notes["branches"]["steps"]
    pipe, backbone = (FianceePipeline.from_pretrained(f) for f in (run / "checkpoint", converted))
    assert pipe.config.generator == backbone.config.generator
    images = [pipe(scene(5, (64, 128)), exit=exit).image for exit in range(1, 7)]
    assert len({image.tobytes() for image in images}) == 6
    full = np.asarray(backbone(scene(5, (64, 128))).image, np.int16)
    assert np.abs(np.asarray(images[-1], np.int16) - full).max() <= 4  # stored as float16
    assert train("guides", data, run, "--start", run / "checkpoint") == 2  # float16: not the same
    assert "has another backbone" in capsys.readouterr().err
    assert train("pack", data, run, "--out", tmp_path / "packed") == 2
    assert "nothing to pack" in capsys.readouterr().err


def test_a_backbone_for_other_classes(
    converted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = table()
    other["classes"][1]["name"] = "mountain"
    data = write_scenes(tmp_path / "mine", 4, other)
    assert train("guides", data, tmp_path / "run", "--start", converted) == 2
    assert "'mountain' is 'hill' there" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()  # the run can still take the right one


def test_another_size_needs_another_run(
    trained: Path, scenes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("guides", scenes, trained, "--size", 96, 96) == 2
    assert "choose another run folder" in capsys.readouterr().err
    assert train("guides", trained / "data", trained, "--size", 96, 96) == 2
    assert "prepare the data anew" in capsys.readouterr().err


def cityscapes(root: Path) -> None:
    """leftImg8bit and gtFine as the archives have them."""
    write_table(root, {"layout": "cityscapes"})
    for split, city, count in (("train", "aachen", 3), ("val", "lindau", 2), ("test", "bonn", 1)):
        for index in range(count):
            name, ids = f"{city}_00000{index}_000019", scene(index, (64, 128)) + 20
            ids[:2] = 255
            photo = root / "images" / split / city / f"{name}_leftImg8bit.png"
            save(photo_of(ids, index), photo)
            if split == "test":
                continue
            label = root / "labels" / split / city / f"{name}_gtFine_labelIds.png"
            save(Image.fromarray(ids), label)
            save(Image.fromarray(ids * 0 + 99), label.with_name(f"{name}_gtFine_instanceIds.png"))
            label.with_name(f"{name}_gtFine_polygons.json").write_text("{}")


def ade20k(root: Path) -> None:
    write_table(root, {"layout": "ade20k"})
    for split, stem, count in (("training", "train", 3), ("validation", "val", 2)):
        for index in range(count):
            # Sizes differ from picture to picture.
            ids, name = scene(index, (70 + 10 * index, 90)), f"ADE_{stem}_0000000{index}"
            save(photo_of(ids, index), root / "images" / split / f"{name}.jpg")
            save(Image.fromarray(ids + 146), root / "labels" / split / f"{name}.png")


def coco(root: Path) -> None:
    write_table(root, {"layout": "coco"})
    for split, count in (("train2017", 3), ("val2017", 2)):
        for index in range(count):
            ids, name = scene(index) + 177, f"00000000000{index}"
            ids[ids == 181] = 255
            save(photo_of(ids, index), root / "images" / split / f"{name}.jpg")
            save(Image.fromarray(ids), root / "labels" / split / f"{name}.png")


@pytest.mark.parametrize(
    ("write", "first", "classes", "found"),
    [
        (cityscapes, "train/aachen/aachen_000000_000019", 35, {0, 20, 21, 22, 23}),
        (ade20k, "training/ADE_train_00000000", 151, {146, 147, 148, 149, 150}),
        (coco, "train2017/000000000000", 183, {0, 178, 179, 180, 181}),
    ],
)
def test_known_data_sets(
    write: Callable[[Path], None],
    first: str,
    classes: int,
    found: set[int],
    tmp_path: Path,
) -> None:
    """Linked into place as the page says; ids become those of the official checkpoints."""
    write(tmp_path / "unpacked")
    for name in ("images", "labels", "classes.json"):
        (tmp_path / "linked").mkdir(exist_ok=True)
        (tmp_path / "linked" / name).symlink_to(tmp_path / "unpacked" / name)
    data = prepare(tmp_path / "linked", tmp_path / "data")
    assert (len(data.names("photos")), len(data.names("calibration-val"))) == (3, 2)
    assert data.names("photos") == data.names("maps")
    assert data.names("photos")[0] == first
    assert (len(data.classes), data.table.unknown) == (classes, 0)
    assert data.classes == read_classes(write.__name__)
    assert ids_of(data, first) <= found
    assert 0 in ids_of(data, first) or write is ade20k
    assert data.images("photos", SIZE).shape == (3, 3, *SIZE)
    assert data.label_maps("photos", SIZE).shape == (3, *SIZE)


def as_colours(ids: np.ndarray) -> Image.Image:
    return Image.fromarray(np.asarray(COLOURS, np.uint8)[ids])


def as_palette(ids: np.ndarray) -> Image.Image:
    """Class colours in an order of the palette that is not the classes'."""
    return as_colours(ids).quantize(8)


def as_decorated_ids(ids: np.ndarray) -> Image.Image:
    """Class ids whose palette has other colours."""
    picture = Image.fromarray(ids).convert("P")
    picture.putpalette([(7 * byte) % 250 + 3 for byte in range(768)])
    return picture


def as_voc(ids: np.ndarray) -> Image.Image:
    """Class ids in the palette of most labelling tools, some of whose colours are classes' here."""
    picture = Image.fromarray(ids).convert("P")
    picture.putpalette([value for index in range(256) for value in voc_colour(index)])
    return picture


@pytest.mark.parametrize("picture_of", [as_voc, lambda ids: Image.fromarray(ids).convert("RGB")])
def test_class_colours_by_coincidence(
    picture_of: Callable[[np.ndarray], Image.Image], tmp_path: Path
) -> None:
    """VOC's colours of 0 and 1, and the greys of all ids, nearly black, are other classes' here."""
    colours = [(128, 0, 0), (9, 9, 9), (0, 0, 0), (3, 3, 4)]
    classes = tuple(ClassEntry(i, f"class {i}", colour) for i, colour in enumerate(colours))
    ids = (np.arange(64, dtype=np.uint8) % 2).reshape(8, 8)
    picture_of(ids).save(tmp_path / "map.png")
    assert (LabelReader(ClassTable(classes))(tmp_path / "map.png") == ids).all()


def test_hidden_folders_and_files_are_not_read(tmp_path: Path) -> None:
    data = write_scenes(tmp_path / "mine", 4)
    for folder, ending in (("images", "jpg"), ("labels", "png")):
        (data / folder / ".checkpoints").mkdir()
        (data / folder / ".checkpoints" / f"scene 9.{ending}").write_bytes(b"a program's own")
        (data / folder / f"._scene 0.{ending}").write_bytes(b"a program's own")
    names = [pair.name for pairs in read_layout(data).splits().values() for pair in pairs]
    assert sorted(names) == [f"scene {index}" for index in range(4)]


@pytest.mark.parametrize(
    "picture_of",
    [
        Image.fromarray,
        lambda ids: Image.fromarray(ids).convert("RGB"),
        lambda ids: Image.fromarray(ids).convert("LA"),
        as_colours,
        as_palette,
        as_decorated_ids,
        lambda ids: Image.fromarray(ids.astype(np.uint16)),
        lambda ids: as_colours(ids).convert("RGBA"),
    ],
)
def test_label_maps_in_every_form(
    picture_of: Callable[[np.ndarray], Image.Image], tmp_path: Path
) -> None:
    picture_of(scene(3)).save(tmp_path / "map.png")
    assert (LabelReader(ClassTable(CLASSES))(tmp_path / "map.png") == scene(3)).all()


def test_raw_ids_are_mapped_and_the_rest_is_unknown(tmp_path: Path) -> None:
    ids = {"7": "hill", "8": 2, "21": "sky"}
    data = write_scenes(tmp_path / "mine", 4, table(label_ids=ids, unknown="unknown"))
    raw = np.array([21, 7, 8, 30, 255], np.uint8)
    for path in (data / "labels").iterdir():
        Image.fromarray(raw[np.asarray(Image.open(path))]).save(path)
    prepared = prepare(data, tmp_path / "data")
    assert ids_of(prepared, "scene 0") == {0, 1, 2, 4}


def test_split_files(tmp_path: Path) -> None:
    data = write_scenes(tmp_path / "mine", 6)
    listing(train="scene 4\nscene 0.jpg\n\nscene 4\n", val="scene 2\n")(data)
    prepared = prepare(data, tmp_path / "data")
    assert prepared.names("photos") == ["scene 4", "scene 0"]
    assert prepared.names("calibration-val") == ["scene 2"]


def test_without_a_split_a_tenth_is_set_aside(tmp_path: Path) -> None:
    data = prepare(write_scenes(tmp_path / "mine", 20), tmp_path / "data")
    photos, held = data.names("photos"), data.names("calibration-val")
    assert (len(photos), len(held)) == (18, 2)
    assert not set(photos) & set(held)


def test_a_tenth_is_set_aside_to_judge_on(tmp_path: Path) -> None:
    data = prepare(write_scenes(tmp_path / "mine", 24), tmp_path / "data")
    splits = [set(data.names(name)) for name in ("photos", "calibration-val", "test")]
    assert [len(names) for names in splits] == [20, 2, 2]
    assert len(set.union(*splits)) == 24
    few = prepare(write_scenes(tmp_path / "few", 12), tmp_path / "other")
    assert few.splits("test") == []


def test_half_of_many_that_calibrate_are_judged_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fiancee_hub.families.label_maps.own_data.layout.MANY", 4)
    data = write_scenes(tmp_path / "mine", 10)
    names = [f"scene {index}\n" for index in range(10)]
    listing(train="".join(names[:5]), val="".join(names[5:]))(data)
    prepared = prepare(data, tmp_path / "data")
    assert prepared.names("calibration-val") == ["scene 5", "scene 6"]
    assert prepared.names("test") == ["scene 7", "scene 8", "scene 9"]
    assert len(prepared.names("photos")) == 5


def test_maps_that_are_judged_on_are_examples(tmp_path: Path) -> None:
    root = write_scenes(tmp_path / "mine", 24)
    data = prepare(root, tmp_path / "data")
    task = MapsTask(data, streets_recipe(streets_generator(5, SIZE), 4))
    assert task.held_out() == data.root
    found = task.examples()
    assert [path.name for path in found.values()] == [
        f"{number}-{name.replace(' ', '-')}.png"
        for number, name in enumerate(data.names("test"), 1)
    ]
    assert all(title.startswith("Scene ") for title in found)
    for path in found.values():
        assert Image.open(path).size == SIZE[::-1]
    assert data.table.about is not None
    assert (data.table.about.name, data.table.about.title) == ("mine", "Mine")


def test_drawn_examples_come_instead(tmp_path: Path) -> None:
    root = write_scenes(tmp_path / "my_lakes", 24, table(size=SIZE, private=True))
    data = prepare(root, tmp_path / "data")
    task = MapsTask(data, streets_recipe(streets_generator(5, SIZE), 4))
    assert task.examples() == {}
    save(as_colours(scene(1)), root / "examples" / "2-far-shore.png")
    save(Image.fromarray(scene(2)), root / "examples" / "1-hut.png")
    prepare(root, tmp_path / "data")
    (tmp_path / "data" / "examples" / "._1-hut.png").touch()  # of macOS
    assert list(task.examples()) == ["Hut", "Far shore"]
    assert data.table.private
    assert data.table.about is not None
    assert (data.table.about.name, data.table.about.title) == ("my-lakes", "My lakes")


def test_too_few_samples_are_refused_before_anything_is_trained(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train("all", scenes, tmp_path / "run", "--samples", 15) == 2
    assert "--samples 15 is too few" in capsys.readouterr().err
    assert train("all", scenes, tmp_path / "run", "--push", "user/mine") == 2
    assert "--out" in capsys.readouterr().err
    assert train("all", scenes, tmp_path / "run", "--push", "mine", "--out", tmp_path / "out") == 2
    assert "'mine' names no account" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("minutes", [0, -1, "nan"])
@pytest.mark.parametrize("name", ["backbone", "anneal", "branches", "predictor", "judge"])
def test_no_time_to_train_in_is_refused(
    name: str, minutes: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the data, which is not even there, is read."""
    assert train("all", tmp_path / "none", tmp_path / "run", f"--{name}-minutes={minutes}") == 2
    refused = f"--{name}-minutes {minutes} is no time: give more than 0"
    assert (refused in capsys.readouterr().err) == ((name, minutes) != ("judge", 0))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("all", "--batch-size", "0"), "--batch-size 0: a step takes one picture or more"),
        (("branches", "--workers", "-1"), "--workers -1: give 0 or more"),
        (("segmenter", "--minutes", "0"), "--minutes 0 is no time"),
    ],
)
def test_what_no_step_can_be_made_of_is_refused(
    words: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the data, which is not even there, is read."""
    assert train(words[0], tmp_path / "none", tmp_path / "run", *words[1:]) == 2
    assert said in capsys.readouterr().err


def test_a_judge_that_could_not_be_scored_is_not_trained(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = prepare(scenes, tmp_path / "data")
    assert train("segmenter", data.root, tmp_path / "run", "--minutes", 60) == 2
    assert "test.txt is missing" in capsys.readouterr().err
    assert train("segmenter", scenes, tmp_path / "run", "--minutes", 60) == 2
    assert "`train prepare` first" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_what_is_not_measured_has_a_card_all_the_same(trained: Path) -> None:
    card = (trained / "out" / "README.md").read_text(encoding="utf-8")
    assert "Quality has not been measured" in card
    assert "| branches | " in card
    assert "FIANCEE mine" in card
    for words in ("With 1 maps nothing can be promised", "at least 22 must", "of 100, 5 may miss"):
        assert words in card
    assert not (trained / "out" / "evaluation.json").exists()


def test_16_bit_ids_are_mapped(tmp_path: Path) -> None:
    ids = {str(1000 + index): name for index, name in enumerate(NAMES)}
    data = write_scenes(tmp_path / "mine", 4, table(label_ids=ids))
    for path in (data / "labels").iterdir():
        Image.fromarray(np.asarray(Image.open(path)).astype(np.uint16) + 1000).save(path)
    assert ids_of(prepare(data, tmp_path / "data"), "scene 0") == {0, 1, 2, 3, 4}


def test_a_picture_that_is_hardly_one(tmp_path: Path) -> None:
    """One pixel wide: cut and enlarged like any other."""
    data = write_scenes(tmp_path / "mine", 4)
    save(photo_of(scene(9, (90, 1)), 9), data / "images" / "thin.jpg")
    save(Image.fromarray(scene(9, (90, 1))), data / "labels" / "thin.png")
    assert prepare(data, tmp_path / "data").label_maps("photos", SIZE).shape[1:] == SIZE


def test_preparing_goes_on_after_an_error(tmp_path: Path) -> None:
    data = write_scenes(tmp_path / "mine", 6)
    good = (data / "labels" / "scene 5.png").read_bytes()
    (data / "labels" / "scene 5.png").write_bytes(good[:100])
    with pytest.raises(FianceeError, match=r"scene 5\.png is truncated"):
        prepare(data, tmp_path / "data")
    (data / "labels" / "scene 5.png").write_bytes(good)
    assert len(prepare(data, tmp_path / "data").names("photos")) == 5


def change(name: str, content: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda root: content(root / name)


def keep_two(images: Path) -> None:
    for path in sorted(images.iterdir())[2:]:
        path.unlink()


def empty_val_folder(root: Path) -> None:
    save(photo_of(scene(0), 0), root / "images" / "train" / "a.jpg")
    (root / "images" / "val").mkdir()


def listing(**splits: str) -> Callable[[Path], object]:
    """Split files in the encoding of an old computer."""

    def write(root: Path) -> None:
        (root / "splits").mkdir()
        for split, text in splits.items():
            (root / "splits" / f"{split}.txt").write_text(text, encoding="latin-1")

    return write


def as_16_bit(more: int) -> Image.Image:
    return Image.fromarray(scene(2).astype(np.uint16) + more)


def rewrite(**fields: Any) -> Callable[[Path], object]:
    return lambda root: write_table(root, table(**fields))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (change("labels/scene 2.png", Path.unlink), r"scene 2\.jpg has no label map labels/scene"),
        (
            change("labels/scene 2.png", lambda p: p.rename(p.with_stem("scene 2_ids"))),
            r"there is scene 2_ids\.png, so set label_suffix \(1 of 6",
        ),
        (
            change("labels/scene 2.png", Image.fromarray(scene(2) + 3).save),
            r"scene 2\.png: \d+\.\d% of its pixels have the id \d, .* map it in \"label_ids\"",
        ),
        (
            change("labels/scene 2.png", photo_of(scene(2), 2).save),
            r"scene 2\.png: \d+\.\d% of its pixels have the colour \(\d+, \d+, \d+\), which no",
        ),
        (
            change("labels/scene 2.png", Image.fromarray(scene(2, (60, 90))).save),
            r"scene 2\.jpg is 120x80, its label map .*scene 2\.png 90x60: give both one size",
        ),
        (change("images/scene 2.jpg", lambda p: p.write_text("no")), r"scene 2\.jpg is truncated"),
        (change("labels", shutil.rmtree), r"labels has no files named \*\.png"),
        (change("images", shutil.rmtree), r"images has no files named \*\.jpg"),
        (change("images/scene 2.png", as_colours(scene(2)).save), "have one name"),
        (
            change("images", keep_two),
            "has too few pictures, 1 to train on and 1 to calibrate on: give at least 2 and 1",
        ),
        (empty_val_folder, r"images/val has no pictures"),
        (listing(train="scene 9"), r"train\.txt names 'scene 9', which images/ does not have"),
        (listing(train="\n"), r"train\.txt is empty"),
        (listing(test="scene 1"), r"test\.txt names 1 picture: list at least 2"),
        (rewrite(private="yes"), r"classes\.json: \"private\" is 'yes': give true or false"),
        (listing(train="scene 1\nscen\xe9 2"), r"train\.txt cannot be read: .*utf-8"),
        (listing(val="scene 1"), r"train\.txt is missing: list the pictures to train on"),
        (
            listing(train="scene 1\nscene 2", val="scene 0\nscene 2"),
            r"splits: train\.txt and val\.txt both name 'scene 2'",
        ),
        (rewrite(films=0), r"classes\.json: \"films\" is 0: give true or false"),
        (rewrite(layout="kitti"), r"classes\.json: \"layout\" is 'kitti': use one of citysc"),
        (rewrite(layout=["coco"]), r"\"layout\" is \['coco'\]: use one of cityscapes"),
        (
            rewrite(sufix="_a"),
            r"classes\.json: field \"sufix\" is unknown: use classes, domain",
        ),
        (rewrite(unknown="void"), r"classes\.json: \"unknown\" names 'void', which is no class"),
        (rewrite(label_ids={"7": "road"}), r"\"label_ids\" names 'road', which is no class"),
        (rewrite(label_ids={"a": 0}), r"\"label_ids\" is no object such as"),
        (rewrite(label_ids={"65536": 0}), r"\"label_ids\" is no object .*, ids below 65536"),
        (rewrite(label_ids={"7": 5}), r"\"label_ids\" names 5, which is no class of the table"),
        (rewrite(label_suffix=3), r"\"label_suffix\" is no text"),
        (rewrite(size=[64]), r"\"size\" is \[64\]: give \[height, width\]"),
        (rewrite(part_of=["a"]), r"\"part_of\" is no object"),
        (rewrite(classes="kitti"), r"class table .*classes\.json: give a list of 2 to 256"),
        (
            rewrite(classes=[{"name": "a", "colour": [0, 0, 256]}, "b"]),
            r"class 0 has no colour of three bytes",
        ),
        (
            change("labels/scene 2.png", as_16_bit(1000).save),
            r"scene 2\.png: \d+\.\d% of its pixels have the id 100\d, which is no class",
        ),
        (change("labels/scene 2.png", lambda p: p.write_bytes(b"")), r"scene 2\.png is truncated"),
        (rewrite(classes=["one"]), r"class table .*classes\.json: give a list of 2 to 256"),
        (change("classes.json", lambda p: p.write_text("[")), r"classes\.json cannot be read"),
    ],
)
def test_what_is_wrong_is_named(
    spoil: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    data = write_scenes(tmp_path / "mine", 6)
    spoil(data)
    with pytest.raises(FianceeError, match=message) as caught:
        prepare(data, tmp_path / "data")
    assert "\n" not in str(caught.value)


def test_sizes_that_do_not_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_scenes(tmp_path / "mine", 4)
    words = ["train", "prepare", "--source", data, "--data", tmp_path / "data", "--size", 64, 100]
    assert main([str(word) for word in words]) == 2
    assert "size 64x100 does not fit: give multiples of 32" in capsys.readouterr().err
    assert main([str(word) for word in words[:-3]]) == 0
    assert DataFolder(tmp_path / "data").table.size == SIZE


def test_the_page_says_what_is_read(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    (tmp_path / "classes.json").write_text(page.split("```json\n")[1].split("```")[0])
    table = read_layout(tmp_path).table
    assert (len(table.entries), table.unknown, table.size) == (4, 3, (192, 256))
    rows = page.split("| field | meaning |")[1].split("\n\n")[0].splitlines()[2:]
    assert {field for row in rows for field in row.split("|")[1].split("`")[1::2]} == FIELDS
    for layout in LAYOUTS:
        write_table(tmp_path, {"layout": layout})
        table = read_layout(tmp_path).table
        height, width = table.size or (0, 0)
        assert f"| `{layout}` | {height} by {width} | {len(table.entries)} |" in page


def test_our_own_recipe_is_the_one_for_our_classes(tmp_path: Path) -> None:
    assert streets_recipe(streets_generator(13), 1000) == STREETS
    (tmp_path / "classes.json").write_text(STREETS_TABLE.to_json())
    assert read_table(tmp_path / "classes.json") == STREETS_TABLE
    write_table(tmp_path, [asdict(entry) for entry in STREETS_TABLE.entries])
    data = DataFolder(tmp_path, of_family("label_maps"))
    assert data.table == STREETS_TABLE  # prepared long ago
    assert data.draw


def test_other_classes_are_neither_drawn_nor_repainted(trained: Path) -> None:
    data = DataFolder(trained / "data")
    assert data.draw is None
    source = MapSource(data, "maps", SIZE, drawn=0.5, edited=0.5)
    before = {tuple(np.unique(m).tolist()) for m in data.label_maps("maps", SIZE).numpy()}
    drawn = source.draw(32, torch.Generator().manual_seed(0))
    assert drawn.max() < len(NAMES)
    classes = set().union(*before)
    assert set(np.unique(drawn).tolist()) <= classes
    held = MapsTask(data, streets_recipe(streets_generator(5, SIZE), 4)).calibration_inputs()
    assert held.groups == ["val"]
    assert len(held.units) == 1


def test_losses_stay_finite_where_nobody_labelled_anything() -> None:
    labels = torch.full((1, 8, 8), 4)
    weights = class_weights(labels, 5, unknown=4)
    logits = torch.randn(1, 6, 4, 4, requires_grad=True)
    loss = real_loss(logits, labels, weights)
    loss.backward()
    assert loss.item() == 0
    assert class_weights(labels, 5, unknown=None)[4] == 1
