"""The lines of docs/reproduce.md, from a random network named as the official ones to exits."""

import itertools
import json
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hub_client import ROOT
from official_oasis import Official
from own_data import photo_of, save, scene, write_table
from PIL import Image

from fiancee_hub import FianceePipeline
from fiancee_hub.cli.main import main
from fiancee_hub.families.label_maps.convert import read_classes

pytest.importorskip("accelerate")
pytest.importorskip("matplotlib")

SIZE = 64, 128
CLASSES = read_classes("cityscapes")
PAGE = (ROOT / "docs" / "reproduce.md").read_text(encoding="utf-8")
LINES = [line.strip() for line in PAGE.splitlines() if line.startswith("    python -m")]
SMALLER = {
    "--config cityscapes": f"--classes table.json --size {SIZE[0]} {SIZE[1]}",
    "--branches-minutes 2880": "--branches-minutes 0.01",
    "--samples 8192": "--samples 16 --predictor-minutes 0.01",
}


def write_data(root: Path) -> None:
    """leftImg8bit and gtFine, linked as the page on training says."""
    write_table(root, {"layout": "cityscapes", "size": SIZE})
    for split, city, count in (("train", "aachen", 3), ("val", "lindau", 4)):
        for index in range(count):
            name, ids = f"{city}_00000{index}_000019", scene(index, SIZE) + 20
            photo = root / "images" / split / city / f"{name}_leftImg8bit.png"
            save(photo_of(ids, index), photo)
            label = root / "labels" / split / city / f"{name}_gtFine_labelIds.png"
            save(Image.fromarray(ids), label)


def write_network(path: Path) -> None:
    """Small, its statistics those of a few random maps."""
    torch.manual_seed(0)
    network = Official(len(CLASSES), SIZE, width=2)
    eye = torch.eye(len(CLASSES))
    with torch.no_grad():
        for _ in range(3):
            one_hot = eye[torch.randint(len(CLASSES), (2, *SIZE))].permute(0, 3, 1, 2)
            network(one_hot, torch.randn(2, 64))
    torch.save(network.state_dict(), path)


def test_every_line_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    layout = "fiancee_hub.families.label_maps.own_data.layout"
    monkeypatch.setattr(f"{layout}.MANY", 4)
    ticks = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: next(ticks) / 4)
    monkeypatch.setattr("fiancee_hub.training.loop.time", clock)
    monkeypatch.setattr("fiancee_hub.training.predictor.CHUNK", 16)
    monkeypatch.setattr("fiancee_hub.evaluation.evaluate.THREADS", 1)
    write_data(tmp_path / "cityscapes")
    write_network(tmp_path / "best_EMA.pth")
    names = [{"name": entry.name, "colour": list(entry.colour)} for entry in CLASSES]
    (tmp_path / "table.json").write_text(json.dumps(names))
    assert len(LINES) == 5
    for line in LINES:
        for old, new in SMALLER.items():
            line = line.replace(old, new)
        words = shlex.split(line)[3:]
        assert main([*words, "--cpu"] if words[0] == "train" else words) == 0, line
    pipe = FianceePipeline.from_pretrained(tmp_path / "weights_card" / "cityscapes")
    assert pipe.model.exits == 6
    assert pipe.config.calibration is not None
    assert pipe.config.calibration.groups == {"val": 2}
    figures = json.loads((tmp_path / "weights_card/cityscapes/evaluation.json").read_text())
    assert figures["n"] == 2
    assert "Cityscapes" in (tmp_path / "weights_card/cityscapes/README.md").read_text()


@pytest.mark.parametrize("name", ["cityscapes", "ade20k", "coco"])
def test_the_page_names_what_can_be_converted(name: str) -> None:
    assert f"`{name}`" in PAGE or f"--config {name}" in PAGE
    assert read_classes(name)
