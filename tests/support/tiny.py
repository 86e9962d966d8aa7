"""A model small enough for every test: random weights, six classes, 64x96 pixels."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fiancee_hub.core.cost import Costs, count
from fiancee_hub.core.exits import EarlyExitModel, ExitConfig, GuideConfig
from fiancee_hub.core.router import BUDGETS, Calibration
from fiancee_hub.families.label_maps.classes import ClassEntry
from fiancee_hub.families.label_maps.config import OasisConfig
from fiancee_hub.hub.checkpoints import build
from fiancee_hub.hub.config import CheckpointConfig

SIZE = (64, 96)

CLASSES = tuple(
    ClassEntry(index, name, colour)
    for index, (name, colour) in enumerate(
        {
            "sky": (128, 128, 128),
            "building": (128, 0, 0),
            "road": (128, 64, 128),
            "tree": (128, 128, 0),
            "car": (64, 0, 128),
            "unknown": (0, 0, 0),
        }.items()
    )
)

GENERATOR = OasisConfig(len(CLASSES), *SIZE, (16,) * 7, (8,) * 6, noise_channels=8)
EXITS = (ExitConfig(1, 2), ExitConfig(2, 2), ExitConfig(4, 1))
STAGES = (1, 2, 4, 6)
"""Of the trunk, for each exit."""

BATCHED = 1e-5
"""How far pixels of one input may lie apart, alone and in a batch."""
GUIDES = GuideConfig(entries=4, value_shape=(12, 16, 24))
REGIONS = GuideConfig(len(CLASSES), (12, SIZE[0] // 2, SIZE[1] // 2), "regions")

Ids = NDArray[np.uint8]


def random_model(seed: int = 0, guides: GuideConfig = GUIDES) -> EarlyExitModel:
    """Random weights and statistics; a predictor whose answers differ from map to map."""
    random = torch.Generator().manual_seed(seed)
    config = CheckpointConfig(
        "label_maps", GENERATOR, CLASSES, EXITS, guides, Costs((1,) * 4, 0, 0, 0)
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = build(config).eval()
    for name, tensor in model.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2, generator=random)
        elif name.endswith("running_mean") or name.startswith("guides.") or name == "trunk.place":
            tensor.normal_(generator=random)
        elif name == "predictor.output.weight":
            tensor.normal_(std=1.5, generator=random)
    return model.requires_grad_(False)


def random_map(seed: int) -> Ids:
    """Blocks of random classes, as large as the model's pictures."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, len(CLASSES), (4, 6), dtype=np.uint8)
    return coarse.repeat(SIZE[0] // 4, 0).repeat(SIZE[1] // 6, 1)


def noise(batch: int, seed: int = 0) -> Tensor:
    """Noise (batch, noise channels)."""
    random = torch.Generator().manual_seed(seed)
    return torch.randn(batch, GENERATOR.noise_channels, generator=random)


def maps(batch: int, seed: int = 0) -> Tensor:
    """Random label maps (batch, height, width)."""
    return torch.from_numpy(np.stack([random_map(seed + index) for index in range(batch)]))


def inputs(batch: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random label maps and noise."""
    return maps(batch, seed), noise(batch, seed)


def config_of(model: EarlyExitModel) -> CheckpointConfig:
    """Its config, costs counted and every margin 0.5."""
    calibration = Calibration(0.9, 0.9, 500, BUDGETS, (0.5,) * len(BUDGETS), {"drawn": 500})
    costs = count(model)
    return CheckpointConfig("label_maps", GENERATOR, CLASSES, EXITS, GUIDES, costs, calibration)


def before_painting(features: Tensor) -> Tensor:
    """What becomes of the last stage's features before they are painted: nothing."""
    return features
