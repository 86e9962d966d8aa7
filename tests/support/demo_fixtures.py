"""Very small checkpoints for the demo: random weights, but the true classes of streets."""

from dataclasses import replace
from pathlib import Path

import tiny_faces
import torch
from tiny import EXITS, GUIDES

from fiancee_hub.core.cost import Costs, count
from fiancee_hub.core.recipe import Recipe
from fiancee_hub.core.router import BUDGETS, Calibration
from fiancee_hub.domains.streets.classes import STREETS
from fiancee_hub.families.faces.generator import PortraitGenerator
from fiancee_hub.families.label_maps.config import OasisConfig
from fiancee_hub.hub.checkpoints import build, save_checkpoint
from fiancee_hub.hub.config import CheckpointConfig, untrained
from fiancee_hub.hub.domains import shipped

HEIGHT, WIDTH = 96, 128


def save_street_checkpoint(folder: Path) -> Path:
    """Writes the checkpoint to ``folder``; its predictor expects less of cheaper exits."""
    generator = OasisConfig(len(STREETS), HEIGHT, WIDTH, (16,) * 7, (8,) * 6, noise_channels=8)
    calibration = Calibration(0.9, 0.9, 500, BUDGETS, (0.5,) * len(BUDGETS), {"drawn": 500})
    costs = Costs((1,) * (len(EXITS) + 1), 0, 0, 0)
    config = CheckpointConfig(
        "label_maps",
        generator,
        STREETS,
        EXITS,
        GUIDES,
        costs,
        calibration,
        shipped("streets").domain,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build(config).eval().requires_grad_(False)
    _spread_out(model.state_dict())
    save_checkpoint(folder, model, replace(config, costs=count(model)))
    return folder


def save_face_checkpoint(folder: Path) -> Path:
    """Writes a faces checkpoint to ``folder``; expressions move something, routes differ."""
    recipe = Recipe(tiny_faces.GENERATOR, tiny_faces.EXITS, tiny_faces.GUIDES)
    model = tiny_faces.random_model()
    random = torch.Generator().manual_seed(0)
    model.trunk_as(PortraitGenerator).expression_basis.normal_(std=0.05, generator=random)
    calibration = Calibration(0.9, 0.9, 500, BUDGETS, (0.0,) * len(BUDGETS), {"drawn": 500})
    config = replace(
        untrained("faces", recipe, domain=shipped("faces").domain),
        costs=count(model),
        calibration=calibration,
    )
    save_checkpoint(folder, model, config)
    return folder


def _spread_out(state: dict[str, torch.Tensor]) -> None:
    """Statistics and predictions that differ from one input to the next."""
    random = torch.Generator().manual_seed(0)
    for name, tensor in state.items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2, generator=random)
        elif name.endswith("running_mean") or name.startswith("guides.") or name == "trunk.place":
            tensor.normal_(generator=random)
        elif name == "predictor.output.weight":
            tensor.normal_(std=1.5, generator=random)
