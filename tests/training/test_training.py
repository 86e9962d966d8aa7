"""The whole chain of both families on tiny drawn data: every phase, resuming, states on disk."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from face_data import write_faces
from hub_client import ROOT
from PIL import Image
from street_data import write_streets

from fiancee_hub import FianceePipeline
from fiancee_hub.cli.main import main
from fiancee_hub.core.errors import CheckpointError, DataError, InputError
from fiancee_hub.core.exits import EarlyExitModel, ExitConfig, GuideConfig
from fiancee_hub.core.family import of_data
from fiancee_hub.core.files import write_text
from fiancee_hub.core.ladder import parse_ladder
from fiancee_hub.core.recipe import Recipe
from fiancee_hub.core.router import Calibration
from fiancee_hub.domains.streets.drawings import draw_label_map
from fiancee_hub.families.faces.config import PortraitConfig
from fiancee_hub.families.faces.training.task import FacesTask
from fiancee_hub.families.label_maps.config import OasisConfig
from fiancee_hub.families.label_maps.judging.judge import judge_of
from fiancee_hub.families.label_maps.training.photographs import random_crops
from fiancee_hub.families.label_maps.training.task import MapsTask
from fiancee_hub.hub.checkpoints import build, load_checkpoint
from fiancee_hub.measuring.tables import BEGUN_FROM, training
from fiancee_hub.training import loop, phases
from fiancee_hub.training.adversarial import AdversarialPhase
from fiancee_hub.training.branches import BranchPhase
from fiancee_hub.training.packing import load_exits, packed_config, unpack
from fiancee_hub.training.predictor import LOOK, PredictorPhase, fingerprint
from fiancee_hub.training.state import load_state, resume_random, save_state
from fiancee_hub.training.task import Scene, Task, TrainingRequest
from fiancee_hub.training.trials import with_exits, with_settings

accelerate = pytest.importorskip("accelerate")

SIZE = 64, 96
STREETS = Recipe(
    OasisConfig(13, *SIZE, (16, 16, 16, 16, 16, 16, 8), (8, 8, 8, 8, 8, 8)),
    (ExitConfig(1, 2), ExitConfig(2, 2), ExitConfig(4, 2)),
    GuideConfig(4, (12, 8, 12)),
)
FACES = Recipe(
    PortraitConfig(256, (16, 16, 16, 8, 8), (8, 8, 16), motion_channels=8, descriptor=8),
    (ExitConfig(1, 2), ExitConfig(2, 2), ExitConfig(3, 2)),
    GuideConfig(4, (12, 8, 8)),
)


@dataclass(frozen=True)
class Family:
    """What the tests need to know of a generator family.

    Args:
        task: on drawn data.
        size: of a picture, height and width.
        kinds: calibration inputs of each kind.
    """

    task: Task
    size: tuple[int, int]
    kinds: dict[str, int]


def streets(root: Path) -> Family:
    data = write_streets(root, {"photos": 12, "maps": 12, "calibration-drive": 12})
    return Family(MapsTask(data, STREETS, make_judge=judge_of), SIZE, {"drive": 12, "drawn": 24})


def faces(root: Path) -> Family:
    task = FacesTask(write_faces(root, {"train": 3, "val": 2}), FACES)
    return Family(task, (256, 256), {"self": 12, "cross": 12, "controls": 12})


class StillPhase:
    """Learns nothing, slowly enough for a clock."""

    def step(self, progress: float) -> loop.Losses:
        time.sleep(0.001)
        return {}

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        pass

    def samples(self) -> Image.Image:
        return Image.new("L", (1, 1))


def test_workers_draw_what_the_process_itself_would_and_end_with_it() -> None:
    script = ROOT / "tests" / "support" / "workers_draw.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "2", "0"], done.stderr


@pytest.fixture(scope="module", params=[streets, faces])
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Family:
    make: Callable[[Path], Family] = request.param
    return make(tmp_path_factory.mktemp("data") / make.__name__)


@pytest.fixture(scope="module")
def job(family: Family, tmp_path_factory: pytest.TempPathFactory) -> phases.Run:
    """A run in which every phase has had a moment."""
    torch.manual_seed(0)
    run = phases.Run(tmp_path_factory.mktemp("run"), family.task, accelerate.Accelerator(cpu=True))
    phases.train_backbone(run, 0.01)
    phases.build_guides(run)
    phases.train_branches(run, 0.01)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fiancee_hub.training.predictor.CHUNK", 16)
        phases.train_predictor(run, 0.01, samples=32)
    return run


def test_guides_are_made_of_as_many_inputs_as_asked_for(
    job: phases.Run, family: Family, tmp_path: Path
) -> None:
    shutil.copytree(job.folder / "backbone", tmp_path / "backbone")
    phases.build_guides(phases.Run(tmp_path, family.task, job.accelerator), inputs=3)
    _, config = load_checkpoint(tmp_path / "checkpoint")
    whole = config.guides.form == "whole"
    assert config.guides.entries == (3 if whole else family.task.config().guides.entries)


@torch.no_grad()
def test_the_chain_ends_in_a_checkpoint_that_renders_every_exit(
    job: phases.Run, family: Family, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fiancee_hub.families.label_maps.training.task.DRAWN", 24)
    monkeypatch.setattr("fiancee_hub.families.faces.training.task.CALIBRATED", 12)
    monkeypatch.setattr("fiancee_hub.training.calibration.OPENING_INPUTS", 8)
    phases.calibrate(job)
    model, config = job.load()
    progress = model.start(*family.task.source().draw(2, torch.Generator().manual_seed(5)))
    images = [model.render(progress, exit)[0] for exit in (1, 2, 3, 4)]
    assert all(image.shape == (2, 3, *family.size) for image in images)
    assert len({image.numpy().tobytes() for image in images}) == 4
    assert config.calibration is not None
    assert config.calibration.groups == family.kinds
    assert config.calibration.early_level == config.calibration.level
    # Whatever the networks say, 12 of a kind are too few for any promise.
    assert set(config.calibration.margins) == {None}
    assert len(config.calibration.openings) == len(config.calibration.budgets)


@pytest.mark.parametrize("family", [streets], indirect=True)
def test_a_trained_street_goes_through_the_pipeline(job: phases.Run) -> None:
    pipe = FianceePipeline.from_pretrained(job.checkpoint)
    label_map = draw_label_map(SIZE, np.random.default_rng(5))
    images = [np.asarray(pipe(label_map, exit=exit).image) for exit in (1, 2, 3, 4)]
    assert all(image.shape == (*SIZE, 3) for image in images)
    assert len({image.tobytes() for image in images}) == 4


def test_the_prepared_folder_tells_the_family(family: Family, tmp_path: Path) -> None:
    assert isinstance(family.task, MapsTask | FacesTask)
    root = family.task.data.root
    found = of_data(root)
    assert found is not None
    request = TrainingRequest(root, tmp_path, accelerate.Accelerator(cpu=True))
    assert type(found.task(request)) is type(family.task)
    assert of_data(tmp_path) is None


def test_the_config_has_what_reading_a_source_costs(job: phases.Run) -> None:
    _, config = job.load()
    assert (config.costs.encoder > 0) == (config.family == "faces")


def test_every_part_of_the_backbone_learns(family: Family) -> None:
    """A step late in the training, when the discriminator pulls."""
    torch.manual_seed(0)
    phase = family.task.backbone(family.task.recipe.generator, accelerate.Accelerator(cpu=True))
    assert isinstance(phase, AdversarialPhase)
    phase.grown = True
    before = {name: _weights(part) for name, part in phase._parts().items()}
    losses = phase.step(0.9)
    assert {"lpips", "l1", "adversarial", "real", "fake"} <= losses.keys()
    assert all(value.isfinite() for value in losses.values())
    for name in ("generator", "discriminator", "average"):
        after = _weights(phase._parts()[name])
        assert any(not torch.equal(after[key], value) for key, value in before[name].items())
    columns = phase.samples().width // family.size[1]
    assert columns == 2 * (3 if isinstance(family.task, MapsTask) else 4)


def _weights(part: Any) -> dict[str, torch.Tensor]:
    if not isinstance(part, torch.nn.Module):
        return {}
    return {name: value.detach().clone() for name, value in part.named_parameters()}


def test_branches_leave_the_trunk_as_the_backbone_made_it(job: phases.Run) -> None:
    trained = load_state(job.folder / "backbone" / loop.STATE)["phase"]["average"]
    model, _ = job.load()
    for name, tensor in model.trunk.state_dict().items():
        assert torch.allclose(tensor.float(), trained[name].float(), atol=1e-3, rtol=1e-3), name


def test_layers_with_gates_learn_slower_than_the_rest(job: phases.Run) -> None:
    model, config = job.load()
    phase = BranchPhase(model, None, job.task, job.accelerator)
    phase.step(0.5)
    rates = {id(p): group["lr"] for group in phase.optimizer.param_groups for p in group["params"]}
    named = dict(model.branches.named_parameters())
    assert rates.keys() == {id(parameter) for parameter in named.values()}
    gates = {id(p) for name, p in named.items() if name.split(".")[1] == "to_rgb"}
    fast, slow = ({rates[one] for one in ids} for ids in (rates.keys() - gates, gates))
    assert len(fast) == len(slow) == 1
    portraits = config.family == "faces"
    assert slow.pop() == pytest.approx(fast.pop() * (phase.settings.gate_rate if portraits else 1))


def test_a_resumed_run_takes_the_rate_of_the_gates_as_it_is_set_now(job: phases.Run) -> None:
    begun, on = (_branch_phase(job, gate_rate=rate) for rate in (0.1, 0.2))
    on.restore(begun.state())
    for phase in (begun, on):
        phase._set_mode(0.0)
    found = [[group["lr"] for group in phase.optimizer.param_groups] for phase in (begun, on)]
    wanted = [1.0, 2.0][: len(found[0])]
    assert [after / before for before, after in zip(*found, strict=True)] == pytest.approx(wanted)


def test_training_resumes_where_it_stopped(job: phases.Run) -> None:
    before = load_state(job.folder / "branches" / loop.STATE)
    phases.train_branches(job, before["seconds"] / 60 + 0.01)
    after = load_state(job.folder / "branches" / loop.STATE)
    assert after["steps"] > before["steps"] > 0
    assert after["seconds"] > before["seconds"]
    notes = json.loads((job.folder / "training.json").read_text())
    assert notes["branches"]["steps"] == after["steps"]


def test_margins_do_not_outlive_what_they_were_tested_with(
    job: phases.Run, family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(job.folder, tmp_path / "run")
    run = phases.Run(tmp_path / "run", family.task, job.accelerator)
    monkeypatch.setattr("fiancee_hub.training.predictor.CHUNK", 16)
    seconds = load_state(run.folder / "branches" / loop.STATE)["seconds"]
    for train in (
        partial(phases.train_branches, run, seconds / 60 + 1e-4),
        partial(phases.train_predictor, run, 1e-4, samples=16),
    ):
        model, config = run.load()
        tested = Calibration(0.9, 0.9, samples=10, budgets=(0.1,), margins=(0.0,))
        run.save(model, replace(config, calibration=tested))
        train()
        assert run.load()[1].calibration is None


def test_images_of_earlier_runs_keep_their_count(tmp_path: Path) -> None:
    accelerator = accelerate.Accelerator(cpu=True)
    loop.run(StillPhase(), tmp_path, loop.Schedule(0.0001, batch_size=8), accelerator)
    state = load_state(tmp_path / loop.STATE)
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


@pytest.mark.parametrize("family", [streets], indirect=True)
def test_a_predictor_is_trained_anew_for_another_number_of_targets(
    job: phases.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fiancee_hub.training.predictor.CHUNK", 16)
    run = phases.Run(tmp_path / "run", job.task, job.accelerator)
    shutil.copytree(job.folder, run.folder)
    phases.train_predictor(run, 0.01, samples=32)  # of the branches as they are by now
    before = run.notes()["predictor"]
    measured = run.folder.glob("predictor/*/targets-000.safetensors")
    written, part = max((path.stat().st_mtime_ns, path) for path in measured)
    phases.train_predictor(run, 1e-9, samples=32)
    assert run.notes()["predictor"]["steps"] == before["steps"] > 0
    phases.train_predictor(run, 1e-9, samples=16)
    fewer = run.notes()["predictor"]
    assert (fewer["samples"], before["samples"]) == (16, 32)
    assert fewer["steps"] == 1
    assert part.stat().st_mtime_ns == written


def test_a_packed_backbone_goes_on_elsewhere(job: phases.Run, tmp_path: Path) -> None:
    packed = tmp_path / "resume.safetensors"
    phases.pack(job, packed)
    elsewhere = phases.Run(tmp_path / "run", job.task, job.accelerator)
    phases.train_backbone(elsewhere, 1e-4, start=packed)
    before, after = job.notes()["backbone"], elsewhere.notes()["backbone"]
    assert after["images"] > before["images"] > 0
    assert after["hours"] > before["hours"] > 0
    there, here = (
        load_state(run.folder / "backbone" / loop.STATE)["phase"] for run in (elsewhere, job)
    )
    kept = unpack(packed)["phase"]
    for part in ("generator", "average"):
        assert kept[part].keys() == here[part].keys() == there[part].keys()
        for name, tensor in here[part].items():
            torch.testing.assert_close(kept[part][name], tensor, atol=1e-3, rtol=1e-3)
    encoder = [name for name in here["discriminator"] if name.startswith("encoder.")]
    assert all(torch.equal(there["discriminator"][n], here["discriminator"][n]) for n in encoder)


@pytest.mark.parametrize("family", [streets], indirect=True)
def test_a_run_from_a_pack_goes_on_without_it(job: phases.Run, tmp_path: Path) -> None:
    packed, again = tmp_path / "resume.safetensors", phases.Run(tmp_path, job.task, job.accelerator)
    phases.pack(job, packed)
    phases.train_backbone(again, 1e-4, start=packed)
    packed.unlink()
    before = load_state(again.folder / "backbone" / loop.STATE)
    phases.train_backbone(again, before["seconds"] / 60 + 1e-4)
    after, notes = load_state(again.folder / "backbone" / loop.STATE), again.notes()
    assert after["steps"] > before["steps"]
    assert not (again.folder / "backbone-half").exists()
    assert notes["earlier"]["images"] == job.notes()["backbone"]["images"]
    assert notes["backbone"]["images"] == after["images"] + notes["earlier"]["images"]


@pytest.mark.parametrize("family", [streets], indirect=True)
def test_a_pack_for_another_size_is_only_a_beginning(job: phases.Run, tmp_path: Path) -> None:
    packed = tmp_path / "resume.safetensors"
    phases.pack(job, packed)
    assert isinstance(job.task, MapsTask)
    square = replace(job.task.generator, width=SIZE[0])
    task = replace(job.task, recipe=replace(STREETS, generator=square))
    run = phases.Run(tmp_path / "run", task, job.accelerator)
    phases.train_backbone(run, 1e-4, start=packed)
    notes, state = run.notes(), load_state(run.folder / "backbone" / loop.STATE)
    assert notes[BEGUN_FROM]["images"] == unpack(packed)["images"] > 0
    assert notes["backbone"]["images"] == state["images"] and not notes["earlier"]["images"]
    kept, found = unpack(packed)["phase"]["average"], state["phase"]["average"]
    torch.testing.assert_close(found["to_rgb.weight"], kept["to_rgb.weight"], atol=0.02, rtol=0)
    assert found["place"].shape != kept["place"].shape
    assert "before, for other classes" in training(notes)


def assert_same(found: EarlyExitModel, wanted: EarlyExitModel) -> None:
    """To what float16 keeps."""
    for name, tensor in wanted.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], tensor, atol=2e-3, rtol=2e-3)


def test_packed_exits_go_on_elsewhere(
    job: phases.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = tmp_path / "exits.safetensors"
    phases.pack_exits(job, packed)
    elsewhere = phases.Run(tmp_path / "run", job.task, job.accelerator)
    phases.adopt_exits(elsewhere, packed)
    phases.train_backbone(elsewhere, 1.0)
    assert phases.carries_exits(elsewhere)
    (here, _), (there, config) = job.load(), elsewhere.load()
    assert config.family == job.task.config().family
    assert_same(there, here)
    states = (
        run.folder / part / loop.STATE for run, part in ((job, "branches"), (elsewhere, "backbone"))
    )
    ours, theirs = (load_state(path)["phase"]["discriminator"] for path in states)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        torch.testing.assert_close(theirs[name], tensor, atol=1e-3, rtol=1e-3)
    phases.train_branches(elsewhere, 1e-4)
    assert elsewhere.notes()["backbone"] == job.notes()["backbone"]
    before, after = job.notes()["branches"], elsewhere.notes()["branches"]
    assert after["images"] > before["images"] > 0
    # Interrupted in a further run, its state is ahead of its notes.
    elsewhere.note("branches", after | {"images": 1, "hours": 0.0})
    phases.pack_exits(elsewhere, tmp_path / "again.safetensors")
    kept = load_exits(tmp_path / "again.safetensors").notes["branches"]
    assert kept["images"] == after["images"]
    assert kept["hours"] == pytest.approx(after["hours"])
    assert kept["processes"] == after["processes"]
    elsewhere.note("branches", after)
    monkeypatch.setattr("fiancee_hub.training.predictor.CHUNK", 16)
    phases.train_predictor(elsewhere, 1e-4, samples=16)


def test_the_exits_of_a_checkpoint_go_on(job: phases.Run, tmp_path: Path) -> None:
    words = ["train", "pack", "--of", "exits", "--checkpoint", str(job.checkpoint)]
    words += ["--out", str(tmp_path / "exits.safetensors")]
    beside = job.checkpoint / "resume.safetensors"
    assert main(words) == 2  # no training state
    phases.pack(job, beside)
    assert main(words) == 0
    beside.unlink()
    elsewhere = phases.Run(tmp_path / "run", job.task, job.accelerator)
    phases.adopt_exits(elsewhere, tmp_path / "exits.safetensors")
    assert_same(elsewhere.load()[0], job.load()[0])
    phases.train_branches(elsewhere, 1e-4)
    assert elsewhere.notes()["branches"]["images"] > 0


@pytest.mark.parametrize("family", [streets], indirect=True)
def test_a_pack_of_exits_takes_no_runs_place(job: phases.Run, tmp_path: Path) -> None:
    packed, other = tmp_path / "exits.safetensors", tmp_path / "other.safetensors"
    phases.pack_exits(job, packed)
    save_state(other, load_state(packed) | {"notes": {"branches": {"images": 7, "hours": 1.0}}})
    run = partial(phases.Run, task=job.task, accelerator=job.accelerator)
    hours, finished = run(tmp_path / "hours"), run(tmp_path / "finished")
    trained = {"phase": {"average": {"w": torch.ones(3)}}, "seconds": 3600.0}
    save_state(hours.folder / "backbone" / loop.STATE, trained)
    finished.save(*job.load())
    for own in (hours, finished):
        before = sorted(own.folder.rglob("*"))
        with pytest.raises(DataError, match=r"another backbone than .*: choose another run folder"):
            phases.adopt_exits(own, packed)
        assert sorted(own.folder.rglob("*")) == before
    assert load_state(hours.folder / "backbone" / loop.STATE)["seconds"] == 3600

    elsewhere = run(tmp_path / "run")
    for _ in range(2):
        phases.adopt_exits(elsewhere, packed)
    notes = elsewhere.folder / phases.PACKED
    with pytest.raises(DataError, match=r"another pack than .*: choose another run folder"):
        phases.adopt_exits(elsewhere, other)
    # One that was begun when nothing was noted goes on.
    begun = json.loads(notes.read_text(encoding="utf-8"))
    assert begun.pop(phases.PACK)
    write_text(notes, json.dumps(begun))
    phases.adopt_exits(elsewhere, packed)


def test_exits_are_packed_only_where_there_are_some(family: Family, tmp_path: Path) -> None:
    run = phases.Run(tmp_path, family.task, accelerate.Accelerator(cpu=True))
    with pytest.raises((DataError, CheckpointError)):
        phases.pack_exits(run, tmp_path / "exits.safetensors")


def test_a_backbones_pack_has_no_exits(job: phases.Run, tmp_path: Path) -> None:
    packed = tmp_path / "resume.safetensors"
    phases.pack(job, packed)
    assert packed_config(packed) is None
    elsewhere = phases.Run(tmp_path / "run", job.task, job.accelerator)
    with pytest.raises(CheckpointError, match="--of exits"):
        phases.adopt_exits(elsewhere, packed)


def test_a_run_is_packed_while_it_goes_on(job: phases.Run, tmp_path: Path) -> None:
    notes = job.notes()
    state = load_state(job.folder / "backbone" / loop.STATE)
    write_text(job.folder / "training.json", json.dumps({"earlier": {"images": 5, "hours": 1.0}}))
    try:
        phases.pack(job, tmp_path / "resume.safetensors")
    finally:
        write_text(job.folder / "training.json", json.dumps(notes))
    kept = unpack(tmp_path / "resume.safetensors")
    assert kept["images"] == state["images"] + 5
    assert kept["hours"] == pytest.approx(state["seconds"] / 3600 + 1)
    with pytest.raises(DataError, match="--judge-minutes"):
        phases.pack(job, tmp_path / "best.safetensors", best=True)


def _annealed(
    run: phases.Run, now: float, minutes: float | None, anneal: float | None
) -> tuple[float, float]:
    """Minutes in all and the falling share of a run that has trained ``now`` minutes."""
    save_state(run.folder / "backbone" / loop.STATE, {"seconds": 60 * now})
    return phases._duration(run, minutes, anneal, grows=False)


def test_rates_fall_when_asked_to(family: Family, tmp_path: Path) -> None:
    run = phases.Run(tmp_path, family.task, accelerate.Accelerator(cpu=True))
    for words, expected in (
        ((None, None), (phases.BACKBONE_MINUTES, 0.3)),
        ((100, None), (100, 0.3)),
        ((100, 20), (100, 0.2)),
        ((10, 20), (10, 1.0)),
        ((0, 20), (0, 1.0)),
        ((None, 60), (560, 60 / 560)),
    ):
        assert _annealed(run, 500, *words) == pytest.approx(expected)
    # Interrupted and begun again, it ends when it would have; once it is over, a new one begins.
    assert _annealed(run, 530, None, 60) == pytest.approx((560, 60 / 560))
    assert _annealed(run, 560, None, 60) == pytest.approx((620, 60 / 620))
    # In a chain it is over once: what follows was begun for its trunk.
    chained = partial(phases._duration, run, None, 60, grows=False, chained=True)
    save_state(run.folder / "backbone" / loop.STATE, {"seconds": 60 * 700})
    for _ in range(2):
        assert chained() == pytest.approx((760, 60 / 760))
        save_state(run.folder / "backbone" / loop.STATE, {"seconds": 60 * 760.1})
    phases.end_chain(run)
    assert chained() == pytest.approx((820.1, 60 / 820.1))
    phases.end_chain(run)
    assert _annealed(run, 560, None, 60) == pytest.approx((620, 60 / 620))
    # What was spent at half the size is not spent again; minutes to anneal in are all at full.
    large = 1 - phases.GROW_SHARE
    for words, expected in (
        ((100, None), (100 * large, 0.3)),
        ((100, 17), (100 * large, 0.2)),
        ((None, 60), (620, 60 / 620)),
    ):
        assert phases._duration(run, *words, grows=True) == pytest.approx(expected)


def test_the_falling_share_is_that_of_the_rates(family: Family) -> None:
    phase = family.task.backbone(family.task.recipe.generator, accelerate.Accelerator(cpu=True))
    phase.steps, phase.falling = 1000, 0.1
    rate, end = phase.settings.generator_rate, phase.settings.final_rate
    for progress, share in ((0.5, 1.0), (0.9, 1.0), (0.95, (1 + end) / 2), (1.0, end)):
        phase._set_rates(progress)
        (found,) = {group["lr"] for group in phase.generator_optimizer.param_groups}
        assert found == pytest.approx(rate * share)
    phase.falling = 0.0
    phase._set_rates(1.0)
    assert phase.generator_optimizer.param_groups[0]["lr"] == pytest.approx(rate)


@pytest.mark.parametrize("family", [streets], indirect=True)
def test_the_best_backbone_goes_into_the_checkpoint(family: Family, tmp_path: Path) -> None:
    torch.manual_seed(0)
    run = phases.Run(tmp_path, family.task, accelerate.Accelerator(cpu=True))
    phases.train_backbone(run, 0.01, judge_minutes=1.0)
    folder = run.folder / "backbone"
    best = load_state(folder / loop.BEST)
    assert best["steps"] == load_state(folder / loop.STATE)["steps"]
    points = json.loads((run.folder / "curve.json").read_text())
    assert points[-1]["judge"].keys() == {"calibration-drive", loop.OVERALL}
    (folder / loop.STATE).write_bytes(b"")
    whole = run.notes()
    run.note("backbone", {**whole["backbone"], "images": 10**6, "hours": 99.0})
    phases.build_guides(run, best=True)
    assert run.notes()["backbone"] == whole["backbone"]
    model, _ = run.load()
    for name, tensor in model.trunk.state_dict().items():
        wanted = best["phase"]["average"][name]
        assert torch.allclose(tensor.float(), wanted.float(), atol=1e-3, rtol=1e-3), name


@pytest.mark.parametrize("family", [faces], indirect=True)
def test_faces_have_no_judge(family: Family) -> None:
    with pytest.raises(DataError, match="--judge-minutes"):
        family.task.judge(torch.nn.Identity(), torch.device("cpu"))


def test_settings_are_changed_by_name(family: Family) -> None:
    words = ["adversarial_share=2", "augmentation.translation=0.1", "compile=true", "batch_size=7"]
    task: Any = with_settings(family.task, words)
    settings = task.settings
    assert settings.adversarial_share == 2.0 and settings.batch_size == 7
    assert settings.augmentation.translation == 0.1 and settings.compile is True
    assert with_settings(family.task, []) is family.task
    for wrong, said in (
        ("nothing=1", "adversarial_share"),
        ("lecam.more=1", "adversarial_share"),
        ("augmentation=1", "after a dot"),
        ("compile=1", "true or false"),
        ("batch_size=x", "no number"),
    ):
        with pytest.raises(InputError, match=said):
            with_settings(family.task, [wrong])


def test_settings_of_the_branches_have_a_prefix(family: Family) -> None:
    words = ["branches.adversarial_share=0.5", "branches.feature_matching=2", "lecam=0.1"]
    task: Any = with_settings(family.task, words)
    expected = replace(family.task.branches, adversarial_share=0.5, feature_matching=2.0)
    assert task.branches == expected
    assert task.settings == replace(task.settings, lecam=0.1)
    with pytest.raises(InputError, match=r"branches\.nothing=1: choose one of .*feature_matching"):
        with_settings(family.task, ["branches.nothing=1"])


def test_exits_are_chosen_cheapest_first(family: Family) -> None:
    task = with_exits(family.task, parse_ladder("2:1,1:4"))
    assert task.recipe.exits == task.config().exits == (ExitConfig(1, 4), ExitConfig(2, 1))
    with pytest.raises(InputError, match="leaves after stage 9"):
        with_exits(family.task, parse_ladder("9:1"))


@pytest.mark.parametrize(("count", "expected"), [(1, 1), (2, 2), (0, 3)])
def test_as_many_branches_of_a_step_as_wanted_see_the_discriminator(
    family: Family, job: phases.Run, monkeypatch: pytest.MonkeyPatch, count: int, expected: int
) -> None:
    phase = _branch_phase(job, adversarial_branches=count)
    seen: list[torch.Tensor] = []  # kept: another could have the place in memory of one gone
    add = phase._add_realistic

    def noted(leaf: torch.Tensor, scene: Scene, gradient: torch.Tensor) -> torch.Tensor:
        seen.append(leaf)
        return add(leaf, scene, gradient)

    monkeypatch.setattr(phase, "_add_realistic", noted)
    losses = phase.step(0.5)
    assert len(set(map(id, seen))) == len(seen) == expected
    assert losses["adversarial"].isfinite() and losses["discriminator"].isfinite()


def test_what_the_discriminator_adds_is_as_large_as_its_share(job: phases.Run) -> None:
    sizes = {}
    for share, matching in ((0.0, 0.0), (1.0, 0.0), (0.0, 2.0)):
        phase = _branch_phase(job, adversarial_share=share, feature_matching=matching)
        inputs = job.task.source().draw(1, torch.Generator())
        labels, weights = job.task.judged(inputs)
        random = torch.Generator().manual_seed(3)
        height, width = labels.shape[1:]
        leaf = torch.rand(1, 3, height, width, generator=random).requires_grad_()
        target = torch.rand(1, 3, height, width, generator=random)
        gradient = torch.randn(leaf.shape, generator=random)
        before = gradient.clone()
        state, _ = phase._full_depth(inputs)
        phase._add_realistic(leaf, Scene(state, None, target, labels, weights), gradient)
        sizes[share, matching] = float((gradient - before).norm() / before.norm())
    assert sizes == {
        (0.0, 0.0): 0.0,
        (1.0, 0.0): pytest.approx(1, rel=1e-4),
        (0.0, 2.0): pytest.approx(2, rel=1e-4),
    }


@pytest.mark.parametrize("count", [1, 0])
def test_one_branch_after_another_learns_what_all_would_at_once(
    job: phases.Run, count: int
) -> None:
    found = []
    for low_memory in (False, True):
        phase = _branch_phase(job, batch_size=2, adversarial_branches=count, low_memory=low_memory)
        losses = phase.step(0.5)
        gradients = {name: p.grad for name, p in phase.branches.named_parameters()}
        statistics = {name: b.clone() for name, b in phase.branches.named_buffers()}
        found.append((losses, gradients, statistics))
    for together, alone in zip(*found, strict=True):
        assert together.keys() == alone.keys()
        if not together:  # A family whose branches keep no running statistics.
            continue
        # Biases before a normalisation have no gradient but noise, so all count together.
        whole, other = (
            torch.cat([value.flatten() for value in part.values() if value is not None])
            for part in (together, alone)
        )
        assert (whole - other).norm() < 1e-2 * whole.norm()


class Held:
    """Bytes that graphs keep for the way back, each tensor as often as it is kept."""

    def __init__(self) -> None:
        self.bytes = 0

    def keep(self, tensor: torch.Tensor) -> tuple[torch.Tensor, "Kept"]:
        return tensor, Kept(self, tensor.nbytes)

    @staticmethod
    def give_back(kept: tuple[torch.Tensor, "Kept"]) -> torch.Tensor:
        return kept[0]


class Kept:
    def __init__(self, held: Held, size: int) -> None:
        self.held, self.size = held, size
        held.bytes += size

    def __del__(self) -> None:
        self.held.bytes -= self.size


def test_low_memory_keeps_the_graph_of_one_branch_at_a_time(
    job: phases.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[list[int]] = []
    for low_memory in (False, True):
        phase, held, seen = _branch_phase(job, low_memory=low_memory), Held(), list[int]()
        faithful = phase._faithful

        def counted(*given: Any) -> Any:
            seen.append(held.bytes)  # noqa: B023
            return faithful(*given)  # noqa: B023

        monkeypatch.setattr(phase, "_faithful", counted)
        with torch.autograd.graph.saved_tensors_hooks(held.keep, held.give_back):
            phase.step(0.5)
        found.append(seen)
    together, alone = found
    assert set(together) == {sum(alone)}
    assert min(alone) > 0 and max(alone) < sum(alone)


def _branch_phase(job: phases.Run, **settings: Any) -> BranchPhase:
    torch.manual_seed(0)
    model, _ = job.load()
    chosen = replace(job.task.branches, **({"batch_size": 1} | settings))
    return BranchPhase(model, None, job.task, job.accelerator, chosen)


def test_the_spread_is_checked_on_targets_that_are_held_out(job: phases.Run) -> None:
    model, _ = job.load()
    random = torch.Generator().manual_seed(0)
    source = job.task.source()
    progress = model.start(*source.draw(1, random))
    maps, vector = model.trunk.predictor_inputs(progress.condition)
    true = torch.linspace(0, 100, 40)[:, None].repeat(1, model.exits - 1)
    targets = {"maps": maps.repeat(40, 1, 1, 1), "vector": vector.repeat(40, 1), "lpips": true}
    phase = PredictorPhase(model, targets, job.accelerator)
    # The last tenth is held out: 92 and above, beyond what a predictor ever says.
    assert phase.within() == [0.0] * (model.exits - 1)
    targets["lpips"][-2:] = 0
    assert phase.within() == [0.5] * (model.exits - 1)
    assert all(0 <= share <= 1 for share in job.notes()["predictor"]["within"])


def test_what_erred_least_on_the_held_out_targets_is_kept(job: phases.Run) -> None:
    model, config = job.load()
    model.predictor = build(config).predictor
    random = torch.Generator().manual_seed(0)
    source = job.task.source()
    views = [model.trunk.predictor_inputs(model.start(*source.draw(1, random)).condition)] * 40
    maps, vector = (torch.cat(column) for column in zip(*views, strict=True))
    true = torch.rand(40, model.exits - 1, generator=random)
    targets = {"maps": maps, "vector": vector, "lpips": true}
    phase = PredictorPhase(model, targets, job.accelerator)

    def erred() -> float:
        with torch.no_grad():
            return float(sum(phase._losses(phase.test_rows).values()))

    phase.predictor.eval()
    seen = []
    for _ in range(3):
        for _ in range(LOOK):
            phase.step(0.0)
        phase.predictor.eval()
        seen.append(erred())
        again = PredictorPhase(model, targets, job.accelerator)
        again.restore(phase.state())
        assert again.least == phase.least == pytest.approx(min(seen))
    phase.finish()
    assert erred() == pytest.approx(min(seen))
    assert not phase.predictor.training


@pytest.mark.parametrize("family", [streets], indirect=True)
def test_branches_of_a_former_trunk_are_put_aside(job: phases.Run, tmp_path: Path) -> None:
    run = phases.Run(tmp_path / "run", job.task, job.accelerator)
    shutil.copytree(job.folder, run.folder)
    before = load_state(run.folder / "branches" / loop.STATE)
    phases.train_branches(run, 1e-9)
    assert load_state(run.folder / "branches" / loop.STATE)["steps"] == before["steps"]
    model, config = run.load()
    next(model.trunk.parameters()).data += 1
    run.save(model, config)
    phases.train_branches(run, before["seconds"] / 60)
    after = load_state(run.folder / "branches" / loop.STATE)
    assert 0 < after["steps"] == run.notes()["branches"]["steps"]
    aside = load_state(run.folder / phases.FORMER_BRANCHES / loop.STATE)
    assert aside["steps"] == before["steps"]
    phases.train_branches(run, 1e-9)
    assert load_state(run.folder / "branches" / loop.STATE)["steps"] == after["steps"]


def test_branches_begun_for_other_exits_are_not_gone_on_with(
    job: phases.Run, tmp_path: Path
) -> None:
    other = phases.Run(tmp_path, with_exits(job.task, parse_ladder("1:4")), job.accelerator)
    shutil.copytree(job.folder / "backbone", tmp_path / "backbone")
    shutil.copytree(job.folder / "branches", tmp_path / "branches")
    phases.build_guides(other)
    with pytest.raises(DataError, match="has other branches than"):
        phases.train_branches(other, 1e-4)


def test_a_phase_without_its_predecessor_says_what_to_do(family: Family, tmp_path: Path) -> None:
    run = phases.Run(tmp_path, family.task, accelerate.Accelerator(cpu=True))
    with pytest.raises(DataError, match="train the backbone first"):
        phases.build_guides(run)
    later: list[Callable[[], None]] = [
        lambda: phases.train_branches(run, 1.0),
        lambda: phases.train_predictor(run, 1.0, samples=64),
        lambda: phases.calibrate(run),
    ]
    for phase in later:
        with pytest.raises(DataError, match="run `train guides` first"):
            phase()


def test_the_guide_bank_finds_its_own_entries(job: phases.Run) -> None:
    model, _ = job.load()
    entries = job.task.recipe.guides.entries
    inputs = job.task.guide_inputs(entries)
    features = model.advance(model.start(*inputs), 1).features[0]
    assert model.guides is not None
    assert model.guides(features).entries.tolist() == list(range(entries))


def test_the_command_line_finds_the_family(
    family: Family, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert isinstance(family.task, MapsTask | FacesTask)
    words = ["guides", "--data", family.task.data.root, "--run-folder", tmp_path, "--cpu"]
    assert main(["train", *map(str, words)]) == 2
    assert "train the backbone first" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["guides", "--exits", "9:1"], "9:1 leaves after stage 9"),
        (["guides", "--exits", "1"], "'1' is no exit"),
        (["branches", "--set", "branches.share=1"], "choose one of adversarial_branches"),
    ],
)
def test_the_command_line_refuses_exits_and_settings_that_cannot_be(
    family: Family,
    tmp_path: Path,
    words: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert isinstance(family.task, MapsTask | FacesTask)
    where = ["--data", family.task.data.root, "--run-folder", tmp_path, "--cpu"]
    assert main(["train", *words, *map(str, where)]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "missing"),
    [([], "camvid11"), (["--family", "faces"], "face-identity-2/model.safetensors")],
)
def test_each_family_prepares_its_own_sources(
    words: list[str], missing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = ["--source", str(tmp_path), "--data", str(tmp_path / "data")]
    assert main(["train", "prepare", *words, *folders]) == 2
    assert f"{tmp_path / missing} is missing" in capsys.readouterr().err


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
