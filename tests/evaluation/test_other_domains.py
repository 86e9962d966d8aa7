"""A domain of four made-up classes, with nothing of it in the package: trained, judged, described.

All that is known of it lies in its folder.
"""

import dataclasses
import functools
import json
import re
import shutil
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from own_data import photo_of, save, scene, write_table
from PIL import Image

from fiancee_hub import FianceePipeline
from fiancee_hub.cli.main import main
from fiancee_hub.core.exits import ExitConfig, GuideConfig
from fiancee_hub.core.recipe import Recipe
from fiancee_hub.evaluation.parts import EvaluationRequest
from fiancee_hub.families.label_maps.config import OasisConfig
from fiancee_hub.families.label_maps.judging.command import _prepared
from fiancee_hub.families.label_maps.judging.evaluate import EvaluatedMaps
from fiancee_hub.families.label_maps.judging.sheets import draw_sheets
from fiancee_hub.families.label_maps.judging.tables import DRAWN, MORE, realism
from fiancee_hub.families.label_maps.training.photographs import DataFolder
from fiancee_hub.hub.config import read_config
from fiancee_hub.hub.examples import example_file
from fiancee_hub.measuring.timing import exit_milliseconds

pytest.importorskip("accelerate")
pytest.importorskip("matplotlib")

SIZE = 64, 96
NAMES = ("air", "slope", "hut", "water")
COLOURS = ((90, 160, 250), (40, 120, 30), (170, 60, 50), (20, 40, 140))
STREET_WORDS = re.compile(r"street|driv|\bcar\b|camvid|pedestrian|town|lane marking", re.IGNORECASE)
MOMENT = "0.0001"


def write_lakes(root: Path) -> Path:
    """Eight scenes, two of them held out; water replaces huts, and huts hide what they show."""
    rows = [{"name": n, "colour": list(c)} for n, c in zip(NAMES, COLOURS, strict=True)]
    about = {
        "name": "lakes",
        "title": "Lakes",
        "limits": ["Only calm water."],
        "licence": "cc0-1.0",
    }
    table = {"classes": rows, "size": SIZE, "instead": {"hut": ["water"]}, "domain": about}
    write_table(root, table | {"people": ["hut"]})
    for index in range(8):
        ids = scene(index) % len(NAMES)
        save(photo_of(ids, index), root / "images" / f"lake{index}.jpg")
        save(Image.fromarray(ids), root / "labels" / f"lake{index}.png")
    (root / "splits").mkdir()
    (root / "splits" / "test.txt").write_text("lake6\nlake7\n")
    return root


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``--out`` names after a step of every phase."""
    root = tmp_path_factory.mktemp("lakes")
    data, run = write_lakes(root / "mine"), root / "run"
    small = Recipe(
        OasisConfig(len(NAMES), *SIZE, (16,) * 6 + (8,), (8,) * 6, noise_channels=8),
        (ExitConfig(1, 2), ExitConfig(2, 2)),
        GuideConfig(2, (12, 8, 12)),
    )
    minutes = [f"--{name}-minutes={MOMENT}" for name in ("backbone", "branches", "predictor")]
    words = ["train", "all", "--data", data, "--run-folder", run, "--cpu", "--samples", "8"]
    words += ["--out", root / "out"]
    with pytest.MonkeyPatch.context() as patch:
        order = "fiancee_hub.families.label_maps.order"
        patch.setattr(f"{order}.streets_generator", lambda *_: small.generator)
        patch.setattr(f"{order}.streets_recipe", lambda *_: small)
        patch.setattr("fiancee_hub.training.predictor.CHUNK", 4)
        patch.setattr("fiancee_hub.evaluation.evaluate.THREADS", 1)
        quick = functools.partial(exit_milliseconds, rounds=1)
        patch.setattr("fiancee_hub.evaluation.evaluate.exit_milliseconds", quick)
        assert main([str(word) for word in (*words, *minutes)]) == 0
    return root / "out"


def test_its_own_words_travel_in_the_checkpoint(judged: Path) -> None:
    config = read_config(judged / "config.json")
    assert [entry.name for entry in config.classes] == list(NAMES)
    assert (config.domain.name, config.domain.title) == ("lakes", "Lakes")
    assert config.calibration is not None
    assert config.calibration.groups == {"val": 1}


def test_it_is_judged_without_a_net_for_its_classes(judged: Path) -> None:
    figures = json.loads((judged / "evaluation.json").read_text())
    assert figures["n"] == 2
    assert figures["full_depth_quality"].keys() >= {"lpips_to_photo", "kid", "kid_other_photos"}
    assert "miou" not in figures["full_depth_quality"]
    assert all("miou" not in row for row in figures["delivered_quality"])
    assert figures["other_inputs"] == []


def test_its_card_speaks_of_nothing_else(judged: Path) -> None:
    text = (judged / "README.md").read_text(encoding="utf-8")
    assert not STREET_WORDS.findall(text)
    assert "\nlicense: cc0-1.0\n" in text
    for words in ("FIANCEE lakes", "- Only calm water.", "4 classes", ", ".join(NAMES)):
        assert words in text
    assert "mIoU" not in text
    assert (judged / "more_maps.jpg").is_file()
    # Every scene has a hut, which its table counts among people.
    assert not (judged / "contact_sheet.jpg").exists()


def test_every_exit_has_its_kernel_distance(judged: Path) -> None:
    figures = json.loads((judged / "evaluation.json").read_text())
    assert len(figures["realism"]["exits"]) == 3
    text = (judged / "README.md").read_text(encoding="utf-8")
    assert realism(figures) in text
    # Two branches, full depth, four budgets, photographs; and two lines of headings.
    assert realism(figures).count("\n") == 9
    assert [row["budget"] for row in figures["realism"]["budgets"]] == [0.02, 0.05, 0.1, 0.15]
    assert [row["exit"] for row in figures["exit_quality"]] == [1, 2]


def test_the_demo_has_maps_to_begin_with(judged: Path) -> None:
    config = read_config(judged / "config.json")
    assert [example.title for example in config.domain.examples] == ["Lake6", "Lake7"]
    assert all(example_file(judged, example).is_file() for example in config.domain.examples)


def test_private_data_is_not_shown(judged: Path, tmp_path: Path) -> None:
    copy, data = tmp_path / "copy", DataFolder(judged.parent / "run" / "data")
    shutil.copytree(judged, copy)
    figures = json.loads((judged / "evaluation.json").read_text())
    found = EvaluatedMaps(figures, torch.zeros(0), [], torch.zeros(0))
    draw_sheets(copy, found, dataclasses.replace(data.table, private=True))
    assert not (copy / MORE).exists()
    drawn = Image.open(copy / DRAWN)
    assert drawn.width > 4 * 224
    assert drawn.height > 2 * 149


def test_one_s_own_folder_is_evaluated_as_it_was_trained_on(
    judged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    request = EvaluationRequest(judged, judged.parent / "mine", Namespace())
    found = DataFolder(_prepared(request))
    assert found.root == Path("runs") / "mine" / "data"
    assert found.names("test") == ["lake6", "lake7"]
    assert found.table.size == SIZE
    assert _prepared(EvaluationRequest(judged, found.root, Namespace())) == found.root


def test_it_goes_through_the_pipeline(judged: Path) -> None:
    pipe = FianceePipeline.from_pretrained(judged)
    assert pipe(scene(1, SIZE) % len(NAMES), exit=1).image.size == SIZE[::-1]


def test_a_card_can_be_written_anew(judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (judged / "README.md").read_bytes()
    (judged / "README.md").unlink()
    readme = judged.parent / "README.md"
    readme.write_text("<!-- figures:out -->\n<!-- /figures:out -->\n")
    assert main(["card", str(judged), "--readme", str(readme)]) == 0
    assert (judged / "README.md").read_bytes() == before
    assert "(out/README.md)" in readme.read_text()
    capsys.readouterr()
    copy = judged.parent / "copy"
    shutil.copytree(judged, copy)
    (copy / "evaluation.json").unlink()
    assert main(["card", str(copy)]) == 2
    assert "evaluation.json is missing" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["test", "photos"])
def test_a_missing_split_is_named(
    judged: Path, missing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(judged.parent / "run" / "data", data)
    (data / "splits" / f"{missing}.txt").unlink()
    assert main(["evaluate", str(judged), "--data", str(data)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert f"{data / 'splits' / missing}.txt is missing" in lines[-1]


def test_other_classes_are_refused(
    judged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(judged.parent / "run" / "data", data)
    table = json.loads((data / "classes.json").read_text())
    table["classes"][0]["name"] = "sky"
    (data / "classes.json").write_text(json.dumps(table))
    assert main(["evaluate", str(judged), "--data", str(data)]) == 2
    assert "'sky' is 'air' there" in capsys.readouterr().err
