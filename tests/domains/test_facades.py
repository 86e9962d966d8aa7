"""Facades are one's own data: a folder that the training command takes as it is."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from own_data import save
from PIL import Image

from fiancee_hub.cli.main import main
from fiancee_hub.domains.facades.drawings import EXAMPLES, draw
from fiancee_hub.domains.facades.prepare import SIZE, facades_table
from fiancee_hub.families.label_maps.own_data.folder import prepare_own
from fiancee_hub.families.label_maps.own_data.layout import is_own, read_layout
from fiancee_hub.families.label_maps.training.photographs import DataFolder
from fiancee_hub.hub.domains import shipped

accelerate = pytest.importorskip("accelerate")


def write_facades(root: Path) -> Path:
    """Drawn houses laid out as the data comes, their classes in grey as photographs."""
    houses = list(EXAMPLES.values())
    for split, count in (("train", 4), ("val", 2), ("test", 2)):
        names = [f"{split}_{index:03d}" for index in range(count)]
        for name, house in zip(names, houses, strict=False):
            ids = draw(house, SIZE)
            save(Image.fromarray(ids), root / "labels" / f"{name}.png")
            save(Image.fromarray(20 * ids).convert("RGB"), root / "images" / f"{name}.jpg")
        (root / f"{split}.txt").write_text("\n".join(names) + "\n")
    return root


@pytest.mark.parametrize("name", EXAMPLES)
def test_houses_have_what_they_are_drawn_with(name: str) -> None:
    house = EXAMPLES[name]
    ids = draw(house, SIZE)
    assert ids.shape == SIZE
    classes = {facades_table().entries[index].name for index in np.unique(ids)}
    assert classes >= {"background", "facade", "window", "door", "molding"}
    wanted = {
        "balcony": bool(house.balconies),
        "blind": house.blinds,
        "shop": house.shops,
        "deco": house.decos,
        "pillar": house.pillars,
    }
    for part, there in wanted.items():
        assert (part in classes) == there, part


def test_the_folder_is_one_s_own_data(tmp_path: Path) -> None:
    source, target = write_facades(tmp_path / "cmp-facades"), tmp_path / "facades"
    words = ["train", "prepare", "--domain", "facades", "--source", tmp_path, "--data", target]
    for _ in range(2):
        assert main([str(word) for word in words]) == 0
    assert is_own(target)
    assert (target / "images").resolve() == source / "images"
    layout = read_layout(target)
    assert layout.table == facades_table()
    splits = {split: [pair.name for pair in pairs] for split, pairs in layout.splits().items()}
    assert splits["train"] == [f"train_{index:03d}" for index in range(4)]
    assert splits["test"] == ["test_000", "test_001"]
    prepare_own(target, tmp_path / "data", accelerate.Accelerator(cpu=True), SIZE)
    data = DataFolder(tmp_path / "data")
    assert data.table.about == shipped("facades").domain
    assert data.table.private
    assert data.units("photos") == data.names("photos")
    found = sorted(path.name for path in (tmp_path / "data" / "examples").iterdir())
    assert found == [f"{name}.png" for name in EXAMPLES]


def test_a_table_says_it_all_in_its_file(tmp_path: Path) -> None:
    table = facades_table()
    (tmp_path / "classes.json").write_text(table.to_json())
    assert read_layout(tmp_path).table == table
    assert dataclasses.asdict(table)["size"] == SIZE


def test_another_folder_is_no_facades(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "prepare", "--domain", "facades", "--source", tmp_path]
    assert main([str(word) for word in (*words, "--data", tmp_path / "data")]) == 2
    assert "train.txt is missing: give the folder of the CMP facades" in capsys.readouterr().err
