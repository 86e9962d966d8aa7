"""The whole chain on a tiny synthetic street: every phase, resuming, and the state's format."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fiancee_hub import FianceePipeline
from fiancee_hub.errors import CheckpointError, DataError
from fiancee_hub.models.configs import Recipe
from fiancee_hub.models.exits import ExitConfig, GuideConfig
from fiancee_hub.models.oasis import OasisConfig
from fiancee_hub.training import phases
from fiancee_hub.training.classes import STREETS
from fiancee_hub.training.data import DataFolder, random_crops
from fiancee_hub.training.drawings import draw_label_map
from fiancee_hub.training.state import load_state, save_state

accelerate = pytest.importorskip("accelerate")

SIZE = 64, 96
RECIPE = Recipe(
    OasisConfig(13, *SIZE, (16, 16, 16, 16, 16, 16, 8), (8, 8, 8, 8, 8, 8)),
    (ExitConfig(1, 2), ExitConfig(2, 2), ExitConfig(4, 2)),
    GuideConfig(4, (12, 8, 12)),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    root = tmp_path_factory.mktemp("data")
    for folder in ("images", "labels", "splits"):
        (root / folder).mkdir()
    palette = np.asarray([entry.colour for entry in STREETS], np.uint8)
    random = np.random.default_rng(0)
    names = [f"street_{index}" for index in range(12)]
    for name in names:
        labels = draw_label_map((80, 120), random)
        Image.fromarray(labels).save(root / "labels" / f"{name}.png")
        Image.fromarray(palette[labels]).save(root / "images" / f"{name}.jpg")
    for split in ("photos", "maps", "calibration-drive"):
        (root / "splits" / f"{split}.txt").write_text("\n".join(names))
    entries = [{"id": e.id, "name": e.name, "colour": e.colour} for e in STREETS]
    (root / "classes.json").write_text(json.dumps(entries))
    return DataFolder(root)


@pytest.fixture(scope="module")
def job(data: DataFolder, tmp_path_factory: pytest.TempPathFactory) -> phases.Run:
    """A run in which every phase has had a moment."""
    torch.manual_seed(0)
    run = phases.Run(tmp_path_factory.mktemp("run"), data, accelerate.Accelerator(cpu=True), RECIPE)
    phases.train_backbone(run, 0.01)
    phases.build_guides(run)
    phases.train_branches(run, 0.01)
    phases.train_predictor(run, 0.01, samples=64)
    return run


def test_the_chain_ends_in_a_checkpoint_that_renders_every_exit(
    job: phases.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fiancee_hub.training.calibration.DRAWN", 24)
    phases.calibrate(job)
    pipe = FianceePipeline.from_pretrained(job.checkpoint)
    label_map = draw_label_map(SIZE, np.random.default_rng(5))
    images = [np.asarray(pipe(label_map, exit=exit).image) for exit in (1, 2, 3, 4)]
    assert all(image.shape == (*SIZE, 3) for image in images)
    assert len({image.tobytes() for image in images}) == 4
    assert pipe.config.calibration is not None
    assert pipe.config.calibration.groups == {"drive": 12, "drawn": 24}


def test_branches_leave_the_trunk_as_the_backbone_made_it(job: phases.Run) -> None:
    trained = load_state(job.folder / "backbone" / phases.STATE)["phase"]["average"]
    model, _ = job.load()
    for name, tensor in model.trunk.state_dict().items():
        assert torch.allclose(tensor.float(), trained[name].float(), atol=1e-3, rtol=1e-3), name


def test_training_resumes_where_it_stopped(job: phases.Run) -> None:
    before = load_state(job.folder / "branches" / phases.STATE)
    phases.train_branches(job, 0.02)
    after = load_state(job.folder / "branches" / phases.STATE)
    assert after["steps"] > before["steps"] > 0
    assert after["seconds"] > before["seconds"]
    notes = json.loads((job.folder / "training.json").read_text())
    assert notes["branches"]["steps"] == after["steps"]


def test_a_phase_without_its_predecessor_says_what_to_do(data: DataFolder, tmp_path: Path) -> None:
    run = phases.Run(tmp_path, data, accelerate.Accelerator(cpu=True), RECIPE)
    with pytest.raises(DataError, match="train the backbone first"):
        phases.build_guides(run)


def test_the_guide_bank_finds_its_own_entries(job: phases.Run) -> None:
    model, _ = job.load()
    maps = job.data.label_maps("maps", SIZE)
    from fiancee_hub.training.guides import spread_out

    rows = spread_out(maps, RECIPE.guides.entries)
    random = torch.Generator().manual_seed(0)
    noise = torch.randn(len(rows), 64, generator=random)
    features = model.advance(model.start(maps[rows], noise), 1).features[0]
    assert model.guides is not None
    assert model.guides(features).entries.tolist() == list(range(len(rows)))


def test_state_round_trip(tmp_path: Path) -> None:
    state = {
        "weights": {"a": torch.randn(3, 2), "b": torch.arange(4)},
        "groups": [{"lr": 0.1, "betas": (0.0, 0.99), "on": True, "none": None}],
        3: "integer keys, as optimizers have them",
    }
    save_state(tmp_path / "state.safetensors", state)
    loaded = load_state(tmp_path / "state.safetensors")
    assert torch.equal(loaded["weights"]["a"], state["weights"]["a"])  # type: ignore[index]
    assert loaded["groups"] == [{"lr": 0.1, "betas": [0.0, 0.99], "on": True, "none": None}]
    assert loaded[3] == state[3]


def test_a_truncated_state_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    save_state(path, {"a": torch.zeros(100)})
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(CheckpointError, match=r"state\.safetensors"):
        load_state(path)


def test_crops_keep_picture_and_map_together() -> None:
    base = torch.arange(20 * 30).reshape(1, 20, 30).repeat(6, 1, 1)
    images, maps = random_crops((base[:, None], base), (12, 16), torch.Generator().manual_seed(1))
    assert torch.equal(images[:, 0], maps)
    assert len({crop.numpy().tobytes() for crop in maps}) > 1
