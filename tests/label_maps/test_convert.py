"""Official OASIS checkpoints, rebuilt here under the official names, make the same pictures."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from official_oasis import Official
from torch import Tensor
from torch.nn import functional as F

from fiancee_hub import CheckpointError, InputError
from fiancee_hub.cli.main import main
from fiancee_hub.families.label_maps.classes import ClassEntry
from fiancee_hub.families.label_maps.convert import (
    SOURCES,
    convert_oasis,
    distinct_colour,
    official_names,
    read_classes,
)
from fiancee_hub.families.label_maps.generator import OasisGenerator
from fiancee_hub.families.label_maps.shapes import OASIS_CONFIGS
from fiancee_hub.hub.checkpoints import WEIGHTS, load_checkpoint

CLASSES = tuple(ClassEntry(index, f"class {index}", distinct_colour(index)) for index in range(5))
SIZE = (32, 64)


def inputs(batch: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Label map, the same one-hot, and noise."""
    random = torch.Generator().manual_seed(seed)
    label_map = torch.randint(0, len(CLASSES), (batch, *SIZE), generator=random)
    one_hot = F.one_hot(label_map, len(CLASSES)).permute(0, 3, 1, 2).float()
    return label_map, one_hot, torch.randn(batch, 64, generator=random)


@pytest.fixture(scope="module")
def official() -> Official:
    """Statistics as after some training, spectral vectors as an average leaves them."""
    torch.manual_seed(0)
    network = Official(len(CLASSES), SIZE, width=2)
    with torch.no_grad():
        for seed in range(3):
            network(*inputs(2, seed)[1:])
        for name, value in network.state_dict().items():
            if name.endswith(("_u", "_v")):
                value.mul_(0.9).add_(0.01 * torch.randn_like(value))
    return network.eval()


@pytest.fixture(scope="module")
def file(official: Official, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("official") / "best_EMA.pth"
    torch.save(official.state_dict(), path)
    return path


@torch.inference_mode()
def test_converted_pictures_are_the_official_ones(
    official: Official, file: Path, tmp_path: Path
) -> None:
    convert_oasis(file, tmp_path, CLASSES, SIZE)
    model, config = load_checkpoint(tmp_path)
    assert (model.exits, config.exits, config.calibration) == (1, (), None)
    label_map, one_hot, noise = inputs(3, seed=9)
    expected = official(one_hot, noise)
    assert float(expected.std()) > 0.05
    found = model(label_map, noise, exit_index=1)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@torch.inference_mode()
def test_rounded_to_half_the_size(official: Official, file: Path, tmp_path: Path) -> None:
    convert_oasis(file, tmp_path / "exact", CLASSES, SIZE)
    convert_oasis(file, tmp_path / "rounded", CLASSES, SIZE, rounded=True)
    sizes = [(tmp_path / name / WEIGHTS).stat().st_size for name in ("exact", "rounded")]
    assert sizes[1] < 0.6 * sizes[0]
    model, _ = load_checkpoint(tmp_path / "rounded")
    label_map, one_hot, noise = inputs(1, seed=9)
    expected = official(one_hot, noise)
    torch.testing.assert_close(model(label_map, noise, exit_index=1), expected, atol=0.02, rtol=0)


@pytest.mark.parametrize("name", SOURCES)
def test_full_size_names_and_shapes(name: str) -> None:
    """On the meta device: 64 channels and the official number of classes."""
    shape = OASIS_CONFIGS[f"oasis-{name}"]
    assert len(read_classes(name)) == shape.classes
    assert (SOURCES[name].height, SOURCES[name].width) == (shape.height, shape.width)
    with torch.device("meta"):
        state = Official(shape.classes, (shape.height, shape.width), width=64).state_dict()
        ours = OasisGenerator(shape).state_dict()
    found = official_names(dict(state), Path("EMA.pth"))
    assert {name: value.shape for name, value in found.items()} == {
        name: value.shape for name, value in ours.items()
    }


def test_wrapped_and_old_files(official: Official, file: Path, tmp_path: Path) -> None:
    """Saved from a parallel wrapper, by a torch that did not count batches."""
    state = {
        f"module.{name}": value
        for name, value in official.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    torch.save(state, tmp_path / "old.pth")
    convert_oasis(tmp_path / "old.pth", tmp_path / "old", CLASSES, SIZE)
    convert_oasis(file, tmp_path / "new", CLASSES, SIZE)
    old, new = (load_checkpoint(tmp_path / name)[0].state_dict() for name in ("old", "new"))
    for name, value in new.items():
        assert name.endswith("num_batches_tracked") or torch.equal(old[name], value)


def test_the_command(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "classes.json"
    table.write_text(json.dumps(["sky", "road", {"name": "tree", "colour": [1, 2, 3]}, "car", "?"]))
    words = ["convert", "oasis", str(file), "--classes", str(table), "--size", "32", "64"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    assert "5 classes, 32x64, full depth" in capsys.readouterr().out
    _, config = load_checkpoint(tmp_path / "out")
    assert [entry.name for entry in config.classes] == ["sky", "road", "tree", "car", "?"]
    assert config.classes[2].colour == (1, 2, 3)
    assert config.costs.full_depth > 10**6
    assert "There are no early exits yet" in (tmp_path / "out" / "README.md").read_text()
    assert main(["info", str(tmp_path / "out")]) == 0


def test_the_wrong_data_set(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["convert", "oasis", str(file), "--config", "coco", "--out", str(tmp_path / "out")]
    assert main(words) == 2
    assert "it has 5 classes, the class table 183" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("a pickle was executed",))


def changed(state: dict[str, Tensor], **changes: Any) -> dict[str, Any]:
    renamed = {name.replace("__", "."): value for name, value in changes.items()}
    merged = state | renamed
    return {name: value for name, value in merged.items() if value is not None}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"fc__weight": None}, "no OASIS generator"),
        ({"conv_img__bias": None}, "it lacks 'to_rgb.bias'"),
        ({"extra": torch.zeros(1)}, "it has in excess 'extra'"),
        ({"conv_img__bias": torch.zeros(4)}, "'to_rgb.bias' has shape (4,), not (3,)"),
        ({"body__0__conv_0__weight_v": None}, "'body.0.conv_0.weight_v' is missing"),
        ({"body__0__conv_0__weight_v": torch.zeros(3)}, "do not fit the weight"),
        ({"conv_img__bias": torch.full((3,), float("nan"))}, "holds NaN"),
        ({"conv_img__bias": "text"}, "no state_dict"),
    ],
)
def test_files_that_do_not_fit(
    official: Official, tmp_path: Path, change: dict[str, Any], reason: str
) -> None:
    torch.save(changed(official.state_dict(), **change), tmp_path / "file.pth")
    with pytest.raises(CheckpointError) as caught:
        convert_oasis(tmp_path / "file.pth", tmp_path / "out", CLASSES, SIZE)
    assert reason in str(caught.value)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("content", ["pickle", "torch pickle", "nothing", "text", "missing"])
def test_files_that_are_no_tensors(content: str, tmp_path: Path) -> None:
    file = tmp_path / "file.pth"
    if content == "torch pickle":
        torch.save({"trap": Trap()}, file)
    elif content != "missing":
        contents = {"pickle": pickle.dumps(Trap()), "nothing": b"", "text": b"no pickle at all"}
        file.write_bytes(contents[content])
    with pytest.raises(CheckpointError, match=r"file\.pth") as caught:
        convert_oasis(file, tmp_path / "out", CLASSES, SIZE)
    assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize(
    "table",
    ["{}", "[]", '["one"]', '["a", 3]', '[{"name": "a"}, {"name": "b", "id": 5}]', "[", "missing",
     '["a", {"name": "b", "colour": [0, 0, 256]}]', '["a", {"name": "b", "colour": "red"}]'],
)  # fmt: skip
def test_tables_that_are_none(table: str, tmp_path: Path) -> None:
    file = tmp_path / "classes.json"
    if table != "missing":
        file.write_text(table)
    with pytest.raises(InputError, match="class table"):
        read_classes(file)


def test_colours_differ() -> None:
    assert len({distinct_colour(index) for index in range(256)}) == 256


@pytest.mark.parametrize("size", [(64, 90), (16, 64), (4096, 64)])
def test_sizes_that_do_not_fit(file: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="multiples of 32"):
        convert_oasis(file, tmp_path, CLASSES, size)
