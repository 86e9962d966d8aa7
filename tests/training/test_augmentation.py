"""What the discriminator sees, changed at random."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from face_data import write_faces
from street_data import write_streets
from torch import Tensor

from fiancee_hub.families.faces.config import PortraitConfig
from fiancee_hub.families.faces.training.backbone import PortraitBackbonePhase, PortraitSettings
from fiancee_hub.families.label_maps.config import OasisConfig
from fiancee_hub.families.label_maps.training.backbone import BackbonePhase, LabelMapSettings
from fiancee_hub.training.adversarial import AdversarialPhase
from fiancee_hub.training.augmentation import OFF, Augmentation, Change

accelerate = pytest.importorskip("accelerate")

ALL = Augmentation(colour=1.0, cutout=0.5, translation=0.25)


def pictures(count: int = 4) -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.rand(count, 3, 32, 48, generator=random) * 2 - 1


@pytest.mark.parametrize("settings", [ALL, Augmentation(cutout=0.5), Augmentation(translation=0.2)])
def test_gradients_pass_the_changes(settings: Augmentation) -> None:
    images = pictures().requires_grad_()
    change = settings.draw(len(images), torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad(change.images(images).square().sum(), images)
    assert gradient.isfinite().all()
    assert (gradient.flatten(1).abs().sum(1) > 0).all()


def test_every_picture_is_changed_its_own_way() -> None:
    same = pictures(1).repeat(4, 1, 1, 1)
    seen = ALL.draw(4, torch.Generator().manual_seed(1)).images(same)
    assert seen.shape == same.shape
    assert len({picture.numpy().tobytes() for picture in seen}) == 4


def test_cutout_blanks_at_most_its_square_and_leaves_the_rest() -> None:
    images = pictures()
    seen = Augmentation(cutout=0.5).draw(4, torch.Generator().manual_seed(2)).images(images)
    blank = (seen == 0).all(1)
    assert torch.equal(seen[:, :, ~blank[0]][0], images[:, :, ~blank[0]][0])
    assert 0 < blank.float().mean() <= 0.25


def test_classes_move_with_their_pixels() -> None:
    labels = torch.randint(9, (4, 32, 48), generator=torch.Generator().manual_seed(3))
    images = labels[:, None].repeat(1, 3, 1, 1) / 9
    change = Augmentation(translation=0.25).draw(4, torch.Generator().manual_seed(4))
    moved = change.labels(labels)
    assert torch.equal(change.images(images), moved[:, None].repeat(1, 3, 1, 1) / 9)
    assert not torch.equal(moved, labels)


def test_nothing_is_drawn_where_all_is_left_out() -> None:
    random = torch.Generator().manual_seed(0)
    before = random.get_state()
    images, labels = pictures(), torch.zeros(4, 32, 48)
    change = OFF.draw(4, random)
    assert change.images(images) is images
    assert change.labels(labels) is labels
    assert torch.equal(random.get_state(), before)


def streets(root: Path, settings: Augmentation) -> AdversarialPhase:
    config = OasisConfig(13, 64, 96, (16, 16, 16, 16, 16, 16, 8), (8, 8, 8, 8, 8, 8))
    data = write_streets(root, {"photos": 3})
    chosen = LabelMapSettings(batch_size=2, augmentation=settings)
    return BackbonePhase(config, data, accelerate.Accelerator(cpu=True), chosen)


def faces(root: Path, settings: Augmentation) -> AdversarialPhase:
    config = PortraitConfig(256, (16, 16, 16, 8, 8), (8, 8, 16), motion_channels=8, descriptor=8)
    chosen = PortraitSettings(batch_size=2, crossed=0, augmentation=settings)
    data = write_faces(root, {"train": 3})
    return PortraitBackbonePhase(config, data, accelerate.Accelerator(cpu=True), chosen)


@pytest.mark.parametrize("make", [streets, faces])
def test_both_sides_of_the_discriminator_are_augmented(
    make: Callable[[Path, Augmentation], AdversarialPhase],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    phase = make(tmp_path / "data", Augmentation(cutout=0.5))
    phase.grown = True
    changed, seen = [], []
    plain, watched = Change.images, phase.discriminator.encoder.forward

    def images(change: Change, batch: Tensor) -> Tensor:
        changed.append(plain(change, batch))
        return changed[-1]

    def encode(batch: Tensor) -> Any:
        seen.append(batch.detach().clone())
        return watched(batch)

    monkeypatch.setattr(Change, "images", images)
    monkeypatch.setattr(phase.discriminator.encoder, "forward", encode)
    phase.step(0.9)
    assert max(len(batch) for batch in seen) == 4  # photographs and generated pictures
    assert len(seen) == len(changed)
    for batch, expected in zip(seen, changed, strict=True):
        assert torch.equal(batch, expected.detach())


def test_streets_are_augmented_and_faces_are_not() -> None:
    assert LabelMapSettings().augmentation == replace(OFF, colour=1.0, cutout=0.5)
    assert LabelMapSettings().adversarial_share == 3.0
    assert PortraitSettings().augmentation == OFF
    assert PortraitSettings().adversarial_share == 0.5
