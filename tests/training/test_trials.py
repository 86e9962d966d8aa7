"""Switches of the backbone's training, each off unless asked for."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from street_data import write_streets

from fiancee_hub.cli.main import _parser
from fiancee_hub.families.label_maps.config import OasisConfig
from fiancee_hub.families.label_maps.training.backbone import BackbonePhase, LabelMapSettings
from fiancee_hub.families.label_maps.training.photographs import DataFolder, enlarged, random_crops
from fiancee_hub.families.label_maps.training.warping import warped
from fiancee_hub.training.discriminator import class_weights
from fiancee_hub.training.lecam import LeCam, margin
from fiancee_hub.training.state import load_state, save_state

accelerate = pytest.importorskip("accelerate")

CONFIG = OasisConfig(13, 64, 96, (16, 16, 16, 16, 16, 16, 8), (8, 8, 8, 8, 8, 8))
PLAIN = LabelMapSettings(batch_size=2)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    return write_streets(tmp_path_factory.mktemp("trials") / "data", {"photos": 3})


def phase_of(data: DataFolder, settings: LabelMapSettings) -> BackbonePhase:
    torch.manual_seed(0)
    phase = BackbonePhase(CONFIG, data, accelerate.Accelerator(cpu=True), settings)
    phase.grown = True
    return phase


def test_crops_are_windows_of_the_picture_some_of_them_flipped() -> None:
    base = torch.arange(20 * 30).reshape(1, 20, 30).repeat(64, 1, 1)
    (crops,) = random_crops((base,), (12, 16), torch.Generator().manual_seed(1))
    flips, corners = set(), set()
    for crop in crops:
        top, left = divmod(int(crop.min()), 30)
        window = base[0, top : top + 12, left : left + 16]
        flipped = bool(crop[0, 0] > crop[0, 1])
        assert torch.equal(crop, window.flip(-1) if flipped else window)
        flips.add(flipped)
        corners.add((top, left))
    assert flips == {True, False}
    assert {top for top, _ in corners} == set(range(9))
    assert {left for _, left in corners} <= set(range(15))


def test_class_weights_are_the_inverse_frequencies_of_what_is_there() -> None:
    labels = torch.tensor([[[0, 0, 0, 2], [0, 0, 0, 3]]], dtype=torch.uint8)
    weights = class_weights(labels, 4, unknown=3)
    expected = [8 / (6 * 3), 0, 8 / 3, 0, 1]
    assert weights.tolist() == pytest.approx(expected)
    many = torch.arange(256, dtype=torch.uint8).repeat(3, 1)[None]
    assert torch.equal(class_weights(many, 256, None), torch.ones(257))


def test_warped_maps_move_smoothly_and_keep_their_classes() -> None:
    labels = torch.arange(96).repeat(2, 64, 1)
    moved = warped(labels, 3.0, torch.Generator().manual_seed(0))
    shift = (moved - labels).float()
    assert 0.5 < shift.std() < 6
    assert shift.diff(dim=1).abs().max() <= 3
    assert not torch.equal(moved[0], moved[1])
    assert torch.equal(warped(labels, 0.0, torch.Generator()), labels)


def test_warping_leaves_picture_and_losses_their_own_map(data: DataFolder) -> None:
    example = phase_of(data, replace(PLAIN, warping=4.0))._batch()
    assert not torch.equal(example.inputs[0], example.labels)
    plain = phase_of(data, PLAIN)._batch()
    assert torch.equal(plain.inputs[0], plain.labels)
    assert torch.equal(plain.truth, example.truth)


def test_photographs_of_other_places_come_in_at_their_share(data: DataFolder) -> None:
    towns = data.root / "splits" / "photos-towns.txt"
    towns.write_text("street_2\n")
    try:
        phase = phase_of(data, replace(PLAIN, batch_size=64, elsewhere=1.0))
        assert phase.counts == [3, 1]
        expected = data.images("photos-towns", enlarged((64, 96)))
        assert torch.equal(phase.photos[3:], expected)
        seen = phase._batch().truth
        assert len({picture.numpy().tobytes() for picture in seen}) > 1
        assert phase_of(data, PLAIN).counts == [3]
    finally:
        towns.unlink()


def test_lecam_pulls_scores_towards_the_other_sides_average() -> None:
    lecam = LeCam(torch.device("cpu"))
    lecam.anchors += torch.tensor([2.0, -1.0])
    real, fake = (torch.tensor(value, requires_grad=True) for value in (3.0, -2.0))
    penalty = lecam.penalty(real, fake)
    assert float(penalty.detach()) == pytest.approx(4**2 + 4**2)
    penalty.backward()
    assert real.grad is not None and fake.grad is not None
    assert real.grad > 0 > fake.grad
    assert lecam.anchors.tolist() == pytest.approx([2.01, -1.01])


def test_margin_is_how_far_the_true_class_is_above_fake() -> None:
    logits = torch.zeros(1, 3, 1, 2)
    logits[0, :, 0, 0] = torch.tensor([4.0, 0.0, 1.0])
    logits[0, :, 0, 1] = torch.tensor([0.0, 5.0, 3.0])
    labels = torch.tensor([[[0, 9, 1, 9]]])
    assert float(margin(logits, labels, torch.tensor([1.0, 3.0, 1.0]))) == pytest.approx(9 / 4)


def test_lecams_averages_are_part_of_the_state(data: DataFolder, tmp_path: Path) -> None:
    phase = phase_of(data, replace(PLAIN, lecam=0.1))
    phase.step(0.5)
    assert phase.lecam.anchors.abs().min() > 0
    save_state(tmp_path / "state.safetensors", phase.state())
    other = phase_of(data, PLAIN)
    other.restore(load_state(tmp_path / "state.safetensors"))
    assert torch.equal(other.lecam.anchors, phase.lecam.anchors)
    earlier = phase.state()
    del earlier["lecam"]
    other.restore(earlier)


def test_faithful_losses_may_fall_with_time(data: DataFolder) -> None:
    sizes = []
    for settings in (PLAIN, replace(PLAIN, faithful_end=0.0)):
        phase = phase_of(data, settings)
        phase.step(1.0)
        gradients = [p.grad.norm() for p in phase.generator.parameters() if p.grad is not None]
        sizes.append(float(torch.stack(gradients).norm()))
    assert 0 < sizes[1] != pytest.approx(sizes[0])


def test_a_resumed_phase_draws_what_the_stopped_one_would_have(data: DataFolder) -> None:
    phase = phase_of(data, PLAIN)
    phase.step(0.1)
    state = phase.state()
    resumed = phase_of(data, PLAIN)
    resumed.restore(state)
    for first, second in zip(phase._batch().inputs, resumed._batch().inputs, strict=True):
        assert torch.equal(first, second)


def test_networks_are_compiled_in_place_and_on_an_accelerator_only(
    data: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[object] = []
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda module, **options: compiled.append((module, options))
    )
    phase = phase_of(data, replace(PLAIN, compile=True))
    network = torch.nn.Identity()
    assert phase._compiled(network) is network
    assert not compiled
    phase.accelerator = SimpleNamespace(device=torch.device("meta"))
    phase._compiled(network)
    assert compiled == [(network, {"dynamic": False})]


@pytest.mark.parametrize(
    "words",
    [["--set", "lecam=0.1", "warping=2"], ["--set", "lecam=0.1", "--set", "warping=2"]],
    ids=["one list", "one by one"],
)
def test_no_setting_of_several_is_lost(words: list[str]) -> None:
    command = ["train", "backbone", "--data", "data", *words]
    assert _parser(command).parse_args(command).set == ["lecam=0.1", "warping=2"]
