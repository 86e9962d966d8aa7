"""The whole chain on a tiny synthetic street: every phase, resuming, and the state's format."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from street_data import write_streets

from fiancee_hub import FianceePipeline
from fiancee_hub.errors import CheckpointError, DataError
from fiancee_hub.models.configs import Recipe
from fiancee_hub.models.exits import ExitConfig, GuideConfig
from fiancee_hub.models.oasis import OasisConfig
from fiancee_hub.training import loop, phases
from fiancee_hub.training.data import DataFolder, random_crops
from fiancee_hub.training.drawings import draw_label_map
from fiancee_hub.training.predictor import fingerprint
from fiancee_hub.training.state import load_state, resume_random, save_state

accelerate = pytest.importorskip("accelerate")

SIZE = 64, 96
RECIPE = Recipe(
    OasisConfig(13, *SIZE, (16, 16, 16, 16, 16, 16, 8), (8, 8, 8, 8, 8, 8)),
    (ExitConfig(1, 2), ExitConfig(2, 2), ExitConfig(4, 2)),
    GuideConfig(4, (12, 8, 12)),
)


class StillPhase:
    """Learns nothing, slowly enough for a clock."""

    def step(self, progress: float) -> dict[str, float]:
        time.sleep(0.001)
        return {}

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        pass

    def samples(self) -> Image.Image:
        return Image.new("L", (1, 1))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    splits = {"photos": 12, "maps": 12, "calibration-drive": 12}
    return write_streets(tmp_path_factory.mktemp("data") / "streets", splits)


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
    phases.train_branches(job, before["seconds"] / 60 + 0.01)
    after = load_state(job.folder / "branches" / phases.STATE)
    assert after["steps"] > before["steps"] > 0
    assert after["seconds"] > before["seconds"]
    notes = json.loads((job.folder / "training.json").read_text())
    assert notes["branches"]["steps"] == after["steps"]


def test_images_of_earlier_runs_keep_their_count(tmp_path: Path) -> None:
    accelerator = accelerate.Accelerator(cpu=True)
    loop.run(StillPhase(), tmp_path, loop.Schedule(0.0001, batch_size=8), accelerator)
    state = load_state(tmp_path / phases.STATE)
    assert state["images"] == 8 * state["steps"] > 0
    facts = loop.run(StillPhase(), tmp_path, loop.Schedule(0.0003, batch_size=2), accelerator)
    assert facts["images"] == 8 * state["steps"] + 2 * (facts["steps"] - state["steps"])


def test_the_predictor_belongs_to_the_branches_it_was_trained_for(job: phases.Run) -> None:
    model, _ = job.load()
    before = fingerprint(model)
    assert model.predictor is not None
    model.predictor.output.bias.data += 1
    assert fingerprint(model) == before
    next(model.branches.parameters()).data += 1
    assert fingerprint(model) != before


def test_a_packed_backbone_goes_on_elsewhere(job: phases.Run, tmp_path: Path) -> None:
    packed = tmp_path / "resume.safetensors"
    phases.pack(job, packed)
    elsewhere = phases.Run(tmp_path / "run", job.data, job.accelerator, RECIPE)
    phases.train_backbone(elsewhere, 1e-4, start=packed)
    before, after = job.notes()["backbone"], elsewhere.notes()["backbone"]
    assert after["images"] > before["images"] > 0
    assert after["hours"] > before["hours"] > 0
    there, here = (
        load_state(run.folder / "backbone" / phases.STATE)["phase"] for run in (elsewhere, job)
    )
    for name, tensor in here["average"].items():
        # One step with a fresh average moves it to a tenth of where it was; shapes and layout stay.
        assert there["average"][name].shape == tensor.shape, name
    encoder = [name for name in here["discriminator"] if name.startswith("encoder.")]
    assert all(torch.equal(there["discriminator"][n], here["discriminator"][n]) for n in encoder)


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
    weights = {"a": torch.randn(3, 2), "b": torch.arange(4)}
    state: dict[Any, Any] = {
        "weights": weights,
        "groups": [{"lr": 0.1, "betas": (0.0, 0.99), "on": True, "none": None}],
        3: "integer keys, as optimizers have them",
    }
    save_state(tmp_path / "state.safetensors", state)
    loaded: dict[Any, Any] = load_state(tmp_path / "state.safetensors")
    assert torch.equal(loaded["weights"]["a"], weights["a"])
    assert loaded["groups"] == [{"lr": 0.1, "betas": [0.0, 0.99], "on": True, "none": None}]
    assert loaded[3] == state[3]


def test_processes_go_on_with_batches_of_their_own() -> None:
    saved = torch.Generator().manual_seed(5)
    draws = []
    for process in range(3):
        random = torch.Generator()
        resume_random(random, saved.get_state(), process)
        draws.append(torch.randint(2**31, (3,), generator=random).tolist())
    assert draws[0] == torch.randint(2**31, (3,), generator=saved).tolist()
    assert draws[0] != draws[1] != draws[2] != draws[0]


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
