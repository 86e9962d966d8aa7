"""The command line, called in process."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_faces
import torch
from PIL import Image
from tiny import CLASSES, random_map

from fiancee_hub import FianceePipeline
from fiancee_hub.cli.main import main
from fiancee_hub.core.cost import count, parameters
from fiancee_hub.core.recipe import Recipe
from fiancee_hub.families.faces.generator import PortraitGenerator
from fiancee_hub.families.faces.shapes import FACES, PORTRAIT_CONFIGS
from fiancee_hub.families.label_maps.bulk import ROUTES, seed_of
from fiancee_hub.families.label_maps.classes import to_palette_image
from fiancee_hub.families.label_maps.pipeline import LabelMapPipeline
from fiancee_hub.hub.checkpoints import build
from fiancee_hub.hub.config import to_json, untrained

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def maps(tmp_path: Path) -> Path:
    folder = tmp_path / "maps"
    folder.mkdir()
    for index in range(5):
        to_palette_image(random_map(index), CLASSES).save(folder / f"street-{index}.png")
    (folder / "notes.txt").write_text("not a map")
    return folder


def run(*words: object) -> int:
    return main([str(word) for word in words])


def routes(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / ROUTES).read_text().splitlines()]


def test_info_of_a_named_configuration(capsys: Capture) -> None:
    assert run("info", "oasis-coco", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found["parameters"], int)
    assert isinstance(found["macs"], int)
    assert found["exits"][-1]["macs"] == found["macs"]
    assert (found["height"], found["width"], found["classes"]) == (256, 256, 183)


def test_info_of_a_checkpoint(
    pipeline: FianceePipeline, tiny_checkpoint: Path, tmp_path: Path, capsys: Capture
) -> None:
    shutil.copy(tiny_checkpoint / "config.json", tmp_path)
    assert run("info", tmp_path, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    costs = pipeline.config.costs
    assert [row["macs"] for row in found["exits"]] == list(costs.exits)
    assert [row["macs_ratio"] for row in found["exits"]][-1] == 1
    assert found["predictor_macs"] == costs.predictor
    assert found["parameters_in_all"] == costs.parameters


def test_info_of_the_published_faces_generator(capsys: Capture) -> None:
    assert run("info", "megaportraits", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["height"], found["width"], found["classes"]) == (512, 512, None)
    assert [row["macs"] for row in found["exits"]] == [found["macs"]]
    with torch.device("meta"):
        trunk = PortraitGenerator(PORTRAIT_CONFIGS["megaportraits"])
    assert found["parameters"] == parameters(trunk) > 2e8
    assert found["macs"] > found["encoder_macs"] / 3 > 1e11


def test_info_of_faces_as_text(capsys: Capture) -> None:
    assert run("info", "faces") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("faces: 256x256, 4 erasing masks\n")
    with torch.device("meta"):
        costs = count(build(untrained("faces", FACES)))
    assert f"\nmacs {costs.full_depth}\n" in shown
    assert f"\nencoder macs {costs.encoder} (source, once)\n" in shown
    table, deeper = shown.split("going on to an exit, of full depth's MACs\n")
    assert len(table.splitlines()) - 8 == len(costs.exits)
    assert [len(line.split()) for line in deeper.splitlines()] == [5, 5, 4, 3, 2]


def test_info_of_other_exits(capsys: Capture) -> None:
    assert run("info", "streets", "--exits", "4:2,1:6,2:4", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    rows = found["exits"]
    assert [(row["stage"], row["scale_factor"]) for row in rows[:-1]] == [(1, 6), (2, 4), (4, 2)]
    macs = [row["macs"] for row in rows]
    assert macs == sorted(macs)
    assert [len(row["onward"]) for row in rows] == [3, 2, 1, 0]
    assert rows[0]["onward"][-1] < 1


@pytest.mark.parametrize(
    ("ladder", "said"),
    [
        ("1:6,1:6", "twice"),
        ("1", "'1' is no exit"),
        ("1:six", "'1:six' is no exit"),
        ("1:0.5", "no scale factor from 1 to 64"),
        ("5:2", "after stage 1 to 4"),
        ("0:2", "after stage 1 to 4"),
        (",".join(f"1:{scale}" for scale in range(1, 18)), "at most 16"),
    ],
)
def test_exits_that_cannot_be(ladder: str, said: str, capsys: Capture) -> None:
    assert run("info", "streets", "--exits", ladder) == 2
    assert said in capsys.readouterr().err


def test_info_of_a_faces_checkpoint(tmp_path: Path, capsys: Capture) -> None:
    """Only config.json is read: its costs are counted anew."""
    model = tiny_faces.random_model()
    config = untrained("faces", Recipe(tiny_faces.GENERATOR, tiny_faces.EXITS, tiny_faces.GUIDES))
    (tmp_path / "config.json").write_text(to_json(config))
    assert run("info", tmp_path, "--json") == 0
    found, costs = json.loads(capsys.readouterr().out), count(model)
    assert found["family"] == "faces"
    assert [row["macs"] for row in found["exits"]] == list(costs.exits)
    assert found["encoder_macs"] == costs.encoder > 0
    assert found["parameters"] == parameters(model.trunk)
    assert found["parameters_in_all"] == costs.parameters


def test_info_as_text(tiny_checkpoint: Path, capsys: Capture) -> None:
    assert run("info", tiny_checkpoint) == 0
    shown = capsys.readouterr().out
    assert "parameters " in shown
    assert "full depth" in shown
    assert "encoder" not in shown


def test_generate_one(
    pipeline: FianceePipeline, tiny_checkpoint: Path, maps: Path, tmp_path: Path, capsys: Capture
) -> None:
    out = tmp_path / "new" / "picture.png"
    source = maps / "street-1.png"
    assert run("generate", source, "--checkpoint", tiny_checkpoint, "--out", out, "--seed", 4) == 0
    alone = pipeline(source, seed=4).image
    assert np.array_equal(np.asarray(Image.open(out)), np.asarray(alone))
    assert f"exit {pipeline(source, seed=4).exit}" in capsys.readouterr().out


def test_generate_one_into_a_folder(tiny_checkpoint: Path, maps: Path, tmp_path: Path) -> None:
    source = maps / "street-1.png"
    words = ("generate", source, "--checkpoint", tiny_checkpoint, "--exit", 1)
    assert run(*words, "--out", tmp_path / "pictures") == 0
    assert (tmp_path / "pictures" / "street-1.png").is_file()


def test_generate_a_folder_with_a_bad_map_and_resume(
    tiny_checkpoint: Path,
    maps: Path,
    tmp_path: Path,
    capsys: Capture,
    caplog: pytest.LogCaptureFixture,
) -> None:
    out = tmp_path / "pictures"
    (maps / "bad.png").write_bytes((maps / "street-0.png").read_bytes()[:60])
    words = ("generate", maps, "--checkpoint", tiny_checkpoint, "--out", out, "--batch-size", 2)
    assert run(*words) == 1
    assert "5 written, 0 there already, 1 left out" in capsys.readouterr().out
    assert "left out bad.png: " in caplog.text
    first = {path.name: path.read_bytes() for path in out.glob("*.png")}
    assert sorted(first) == [f"street-{index}.png" for index in range(5)]
    assert {row["output"] for row in routes(out)} == set(first)
    assert {"exit", "predicted_lpips", "macs", "saving", "seed"} <= routes(out)[0].keys()

    (out / "street-3.png").unlink()
    (out / "street-0.png").write_bytes(b"mine")
    (maps / "bad.png").unlink()
    assert run(*words) == 0
    assert "1 written, 4 there already, 0 left out" in capsys.readouterr().out
    assert (out / "street-3.png").read_bytes() == first["street-3.png"]
    assert (out / "street-0.png").read_bytes() == b"mine"
    assert not list(out.glob(".*"))


def test_each_map_of_a_folder_has_its_own_lasting_seed(
    pipeline: FianceePipeline, tiny_checkpoint: Path, maps: Path, tmp_path: Path
) -> None:
    out = tmp_path / "pictures"
    words = ("generate", maps, "--checkpoint", tiny_checkpoint, "--seed", 9, "--exit", 4)
    assert run(*words, "--out", out) == 0
    seeds = {row["file"]: row["seed"] for row in routes(out)}
    assert len(set(seeds.values())) == 5
    assert seeds["street-2.png"] == seed_of("street-2.png", 9) != seed_of("street-2.png", 8)
    alone = pipeline(maps / "street-2.png", exit=4, seed=seeds["street-2.png"]).image
    difference = np.asarray(alone, np.int16) - np.asarray(Image.open(out / "street-2.png"), int)
    assert np.abs(difference).max() <= 1


def test_maps_of_one_name_do_not_overwrite_each_other(
    tiny_checkpoint: Path, maps: Path, tmp_path: Path
) -> None:
    np.save(maps / "street-0.npy", random_map(7))
    out = tmp_path / "pictures"
    assert run("generate", maps, "--checkpoint", tiny_checkpoint, "--out", out, "--exit", 1) == 0
    assert {"street-0.png.png", "street-0.npy.png", "street-1.png"} <= {
        path.name for path in out.iterdir()
    }


def test_the_way_to_read_is_said_and_can_be_chosen(
    pipeline: LabelMapPipeline, tiny_checkpoint: Path, tmp_path: Path, capsys: Capture
) -> None:
    """Black in class colours is unknown; as ids it is the first class."""
    source, out = tmp_path / "maps" / "black.png", tmp_path / "out"
    source.parent.mkdir()
    Image.new("RGB", (96, 64)).save(source)
    words = ("--checkpoint", tiny_checkpoint, "--out", out, "--exit", 1)
    for reading, ids in ((), np.full((64, 96), 5)), (("--read", "ids"), np.zeros((64, 96))):
        for what in (source, source.parent):
            shutil.rmtree(out, ignore_errors=True)
            assert run("generate", what, *words, *reading) == 0
            seed = 0 if what is source else seed_of("black.png", 0)
            alone = np.asarray(pipeline(ids, seed=seed, exit=1).image, np.int16)
            made = np.asarray(Image.open(out / "black.png"), np.int16)
            assert np.abs(alone - made).max() <= 1
    compared = ("compare", source, *words[:3], tmp_path / "sheet.png", "--read", "ids", "--json")
    assert run(*compared) == 0
    capsys.readouterr()
    Image.new("RGB", (96, 64), (1, 1, 1)).save(source)
    assert run("generate", source, *words) == 0
    assert "Took grey values as class ids" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        run("generate", source, *words, "--read", "names")
    assert "give ids or colours" in capsys.readouterr().err


def test_compare(tiny_checkpoint: Path, maps: Path, tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "comparison.png"
    words = ("compare", maps / "street-0.png", "--checkpoint", tiny_checkpoint, "--out", out)
    assert run(*words, "--budget", 1, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["exit"] == 1
    assert found["lpips"] > 0
    assert found["kept"] == (found["lpips"] <= 1)
    assert found["macs"] < found["full_macs"]
    assert found["milliseconds"] > 0
    assert Image.open(out).width > 3 * 96
    assert run(*words) == 0
    assert "predicted lpips" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["info", "nothing"], "no configuration 'nothing'"),
        (["info", "no/such/folder"], "checkpoint 'no/such/folder'"),
        (["generate", "no.png", "--checkpoint", "CHECKPOINT", "--out", "OUT"], "no.png"),
        (["generate", "MAPS", "--checkpoint", "no/such/folder", "--out", "OUT"], "no/such/folder"),
        (["generate", "MAPS", "--checkpoint", "CHECKPOINT", "--out", "MAPS"], "another folder"),
        (["generate", "EMPTY", "--checkpoint", "CHECKPOINT", "--out", "OUT"], "no label map"),
        (
            ["generate", "MAPS", "--checkpoint", "CHECKPOINT", "--out", "OUT", "--budget", "7"],
            "budget 7.0 is out of range",
        ),
        (
            ["generate", "MAPS", "--checkpoint", "CHECKPOINT", "--out", "OUT", "--exit", "9"],
            "exit 9 does not exist",
        ),
        (["generate", "MAP", "--checkpoint", "CHECKPOINT", "--out", "MAP"], "choose another --out"),
        (["generate", "MAP", "--checkpoint", "CHECKPOINT", "--out", "MAP/x.png"], "MAP"),
        (
            ["generate", "MAP", "--checkpoint", "CHECKPOINT", "--out", "OUT", "--driver", "MAP"],
            "--driver does nothing for a checkpoint of the family label_maps: leave it out",
        ),
        (
            ["compare", "MAP", "--checkpoint", "CHECKPOINT", "--out", "MAP"],
            "is one of the inputs: choose another --out",
        ),
        (["compare", "MAPS", "--checkpoint", "CHECKPOINT"], "maps"),
        (["compare", "MAP", "--checkpoint", "CHECKPOINT", "--seed", "-1"], "seed -1"),
    ],
)
def test_errors_are_one_line_and_code_two(
    words: list[str],
    reason: str,
    tiny_checkpoint: Path,
    maps: Path,
    tmp_path: Path,
    capsys: Capture,
) -> None:
    places = {
        "CHECKPOINT": tiny_checkpoint,
        "OUT": tmp_path / "out",
        "EMPTY": tmp_path,
        "MAPS": maps,
        "MAP/x.png": maps / "street-0.png" / "x.png",
        "MAP": maps / "street-0.png",
    }
    before = (maps / "street-0.png").read_bytes()
    assert run(*(places.get(word, word) for word in words)) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("fiancee-hub: ")
    assert len(shown.err.splitlines()) == 1
    assert str(places.get(reason, reason)) in shown.err
    assert (maps / "street-0.png").read_bytes() == before


@pytest.mark.parametrize("words", [[], ["dance"], ["info"], ["generate", "x", "--budget", "low"]])
def test_wrong_usage_is_code_two(words: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    assert "usage: fiancee-hub" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_missing_extra_is_named(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def absent(name: str) -> object:
        if name == f"fiancee_hub.cli.{command}":
            raise ModuleNotFoundError("No module named 'accelerate'", name="accelerate")
        return sys.modules[name]

    monkeypatch.setattr("fiancee_hub.cli.main.import_module", absent)
    assert run(command) == 2
    expected = f'accelerate is not installed: pip install "fiancee-hub[{command}]"'
    assert expected in capsys.readouterr().err


def test_help_lists_every_command(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("info", "generate", "compare", "evaluate", "train"))
