"""What the face generator learns from: landmarks, expression, other persons' drivers."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import workers_run
from face_data import write_faces
from PIL import Image
from torch import Tensor
from workers_run import CONFIG

from fiancee_hub.core.normalisation import EPSILON, unit_length
from fiancee_hub.families.faces.generator import PortraitGenerator
from fiancee_hub.families.faces.heads import Head, plain_warp
from fiancee_hub.families.faces.landmarks.expression import expression
from fiancee_hub.families.faces.landmarks.landmarker import FaceLandmarker
from fiancee_hub.families.faces.landmarks.motion import crown_of, head_of, motion_of
from fiancee_hub.families.faces.landmarks.pose import MESH_POINTS, fit_pose
from fiancee_hub.families.faces.training.backbone import (
    CrossExample,
    PortraitBackbonePhase,
    PortraitSettings,
)
from fiancee_hub.families.faces.training.motion_loss import MotionLoss, fit_poses
from fiancee_hub.families.faces.training.pairs import FaceFolder, PairSource

accelerate = pytest.importorskip("accelerate")

EXAMPLES = Path(__file__).parents[2] / "space" / "examples" / "faces"


@cache
def photograph(name: str) -> tuple[Tensor, Head]:
    """An example of 256 pixels, and the head in it."""
    image = Image.open(EXAMPLES / f"{name}.jpg").convert("RGB").resize((256, 256))
    face = FaceLandmarker()(image)[0]
    motion = motion_of(face.landmarks, expression(face.landmarks, face.pose))
    pixels = torch.from_numpy(np.array(image, np.float32)) / 127.5 - 1
    return pixels.permute(2, 0, 1)[None], head_of(motion, crown_of(motion.canonical), 256)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> FaceFolder:
    return write_faces(tmp_path_factory.mktemp("data") / "faces", {"train": 3})


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_pixel_norm_and_its_gradient_follow_the_formula(layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    features = torch.randn(2, 12, 5, 6).contiguous(memory_format=layout).requires_grad_()
    weights = torch.randn(2, 12, 5, 6)
    plain = features * torch.rsqrt(features.square().mean(1, keepdim=True) + EPSILON)
    (wanted,) = torch.autograd.grad((plain * weights).sum(), features)
    found = unit_length(features)
    torch.testing.assert_close(found, plain)
    (gradient,) = torch.autograd.grad((found * weights).sum(), features)
    torch.testing.assert_close(gradient, wanted, atol=1e-5, rtol=1e-4)


def test_pixel_norm_of_nothing_is_nothing() -> None:
    nothing = torch.zeros(1, 4, 2, 2, requires_grad=True)
    unit_length(nothing).sum().backward()
    assert unit_length(nothing).abs().max() == 0
    assert nothing.grad is not None and nothing.grad.isfinite().all()


@pytest.mark.parametrize("side", [256, 128])
def test_motion_loss_is_small_for_the_picture_that_shows_the_head(side: int) -> None:
    loss = MotionLoss()
    (neutral, rest), (_, smile) = photograph("london_008_neutral"), photograph("london_008_smile")
    picture = torch.nn.functional.adaptive_avg_pool2d(neutral, side)
    own, other = float(loss(picture, rest)), float(loss(picture, smile))
    assert own < 0.02
    assert other > 4 * own


def test_motion_loss_moves_a_picture_towards_the_head() -> None:
    loss = MotionLoss()
    (neutral, _), (_, smile) = photograph("london_008_neutral"), photograph("london_008_smile")
    picture = neutral.clone().requires_grad_()
    before = loss(picture, smile)
    (gradient,) = torch.autograd.grad(before, picture)
    after = loss(neutral - 0.05 * gradient / gradient.abs().max(), smile)
    assert after < before


def test_an_untrained_generator_shows_the_plain_warp() -> None:
    (neutral, rest), (_, smile) = photograph("london_008_neutral"), photograph("london_008_smile")
    generator = PortraitGenerator(CONFIG)
    with torch.no_grad():
        image = generator(neutral, rest, smile)
    torch.testing.assert_close(image, plain_warp(neutral, rest, smile), atol=1e-5, rtol=0)


def test_other_persons_drivers_have_no_truth_to_copy(data: FaceFolder) -> None:
    settings = PortraitSettings(batch_size=2, crossed=1.0)
    phase = PortraitBackbonePhase(CONFIG, data, accelerate.Accelerator(cpu=True), settings)
    phase.grown = True
    example = phase._batch()
    assert isinstance(example, CrossExample)
    torch.testing.assert_close(example.likeness, plain_warp(*example.inputs))
    assert set(phase.step(0.9)) == {
        "likeness", "person", "driver", "adversarial", "real", "fake", "crop judge",
    }  # fmt: skip


def test_workers_end_with_the_phase_they_draw_for(data: FaceFolder, tmp_path: Path) -> None:
    words = [sys.executable, workers_run.__file__, str(data.root), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parents[2])}
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    images, left = map(int, done.stdout.split()[-2:])
    assert images > 0
    assert left == 0


def test_sources_and_drivers_are_drawn_apart(data: FaceFolder) -> None:
    batch = PairSource(data, "train").crossed(8, torch.Generator().manual_seed(0), 128)
    picture, source, target = batch["inputs"]
    assert picture.shape == batch["truth"].shape == (8, 3, 128, 128)
    assert (source.points - target.points).abs().amax((1, 2)).gt(0.01).any()


def test_poses_of_a_batch_are_those_of_each_face() -> None:
    heads = [photograph(f"london_008_{name}")[1] for name in ("neutral", "smile")]
    points = torch.cat([head.points[:, :MESH_POINTS] for head in heads])
    found = fit_poses(points * points.new_tensor([1, -1, -1]))
    for index, face in enumerate(points):
        pose = fit_pose(face.numpy())
        wanted = (pose.rotation, pose.translation[None], np.array([[pose.scale]], np.float32))
        for batch, single in zip(found, wanted, strict=True):
            torch.testing.assert_close(batch[index], torch.from_numpy(single), atol=1e-5, rtol=1e-5)
