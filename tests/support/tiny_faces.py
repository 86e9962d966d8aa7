"""The tiny model's counterpart for faces: random weights, 64x64 pixels, drawn heads."""

import numpy as np
import torch
from face_data import draw_face, neutral, random_motion
from torch import Tensor

from fiancee_hub.core.exits import EarlyExitModel, ExitConfig, GuideConfig
from fiancee_hub.core.normalisation import unit_length
from fiancee_hub.core.recipe import Recipe
from fiancee_hub.families.faces.config import PortraitConfig
from fiancee_hub.families.faces.heads import Head
from fiancee_hub.families.faces.landmarks.motion import Motion, crown_of, head_of
from fiancee_hub.families.faces.landmarks.pose import Pose
from fiancee_hub.hub.checkpoints import build
from fiancee_hub.hub.config import untrained

SIZE = (64, 64)
GENERATOR = PortraitConfig(64, (16, 16, 16, 8, 8), (8, 8, 16), motion_channels=8, descriptor=8)
EXITS = (ExitConfig(1, 2), ExitConfig(2, 2), ExitConfig(3, 1))
STAGES = (1, 2, 3, 5)
BATCHED = 1e-4
"""A solved spline differs in the last bits from batch to batch, and drawn edges are steep."""
GUIDES = GuideConfig(entries=4, value_shape=(12, 8, 8))


def random_model(seed: int = 0) -> EarlyExitModel:
    """Random weights, those that start at zero included."""
    random = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build(untrained("faces", Recipe(GENERATOR, EXITS, GUIDES))).eval()
    for name, tensor in model.state_dict().items():
        if name.startswith("guides."):
            tensor.normal_(generator=random)
        elif "to_rgb" in name or "motion.output" in name:
            tensor.normal_(std=0.1, generator=random)
        elif name == "predictor.output.weight":
            tensor.normal_(std=1.5, generator=random)
    return model.requires_grad_(False)


def inputs(batch: int, seed: int = 0) -> tuple[Tensor, Head, Head]:
    """Drawn faces of the model's size, the heads in them and other heads."""
    hands = [np.random.default_rng(seed + index) for index in range(batch)]
    motions = [(random_motion(hand), random_motion(hand)) for hand in hands]
    pictures = torch.cat([picture(source, seed) for source, _ in motions])
    sources = _batched([head(source) for source, _ in motions])
    return pictures, sources, _batched([head(target) for _, target in motions])


def head(motion: Motion) -> Head:
    """What the model needs to know of a head in a picture of 256 pixels."""
    size = GENERATOR.size
    shrunk = Motion(motion.canonical, _shrunk(motion, size / 256), motion.expression)
    return head_of(shrunk, crown_of(neutral()), size)


def picture(motion: Motion, person: int = 0) -> Tensor:
    """The drawn head, (1, 3, 64, 64) in [-1, 1]."""
    drawn = draw_face(motion, person).resize(SIZE)
    return torch.from_numpy(np.array(drawn)).permute(2, 0, 1)[None] / 127.5 - 1


def _shrunk(motion: Motion, factor: float) -> Pose:
    pose = motion.pose
    return Pose(pose.rotation, pose.translation * np.float32(factor), pose.scale * factor)


def _batched(heads: list[Head]) -> Head:
    return Head(*(torch.cat(parts) for parts in zip(*heads, strict=True)))


def before_painting(features: Tensor) -> Tensor:
    """What becomes of the last stage's features before they are painted."""
    return unit_length(features)
