"""What the suite of all families needs of each: data, a small recipe, and one input of a user."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tiny_faces
from face_data import write_faces
from hub_client import ROOT
from street_data import write_streets
from tiny import EXITS
from toy.family import TABLE as TOY_TABLE

from fiancee_hub import Controls
from fiancee_hub.core.exits import GuideConfig
from fiancee_hub.core.recipe import Recipe
from fiancee_hub.domains.streets.drawings import draw_label_map
from fiancee_hub.families.faces.config import PortraitConfig
from fiancee_hub.families.label_maps.config import OasisConfig

SIZE = 64, 96
LABEL_MAPS = Recipe(
    OasisConfig(13, *SIZE, (16, 16, 16, 16, 16, 16, 8), (8,) * 6, noise_channels=8),
    EXITS,
    GuideConfig(4, (12, 8, 12)),
)
FACES = Recipe(
    PortraitConfig(256, (16, 16, 16, 8, 8), (8, 8, 16), motion_channels=8, descriptor=8),
    tiny_faces.EXITS,
    GuideConfig(4, (12, 8, 8)),
)
PERSON = ROOT / "space" / "examples" / "faces"
"""Pictures of the London set."""


@dataclass(frozen=True)
class FamilyCase:
    """A family under test.

    Args:
        name: as the registry has it.
        write: writes a folder of its data.
        small: the task's recipe made small.
        arguments: of one call of the pipeline.
        calibrating: where a module keeps the number of inputs to calibrate on, and a small one.
    """

    name: str
    write: Callable[[Path], object]
    small: Callable[[Any], Any]
    arguments: Callable[[], dict[str, Any]]
    calibrating: tuple[str, int]


def _map_arguments() -> dict[str, Any]:
    import numpy as np

    return {"label_map": draw_label_map(SIZE, np.random.default_rng(5))}


def _face_arguments() -> dict[str, Any]:
    return {"source": min(PERSON.glob("*.jpg")), "driver": Controls(yaw=10, relative=True)}


def _write_toy(folder: Path) -> None:
    folder.mkdir()
    (folder / TOY_TABLE).write_text("{}")


CASES = (
    FamilyCase(
        "label_maps",
        lambda folder: write_streets(folder, {"photos": 8, "maps": 8, "calibration-drive": 12}),
        lambda task: replace(task, recipe=LABEL_MAPS),
        _map_arguments,
        ("fiancee_hub.families.label_maps.training.task.DRAWN", 12),
    ),
    FamilyCase(
        "faces",
        lambda folder: write_faces(folder, {"train": 2, "val": 2}),
        lambda task: replace(task, recipe=FACES),
        _face_arguments,
        ("fiancee_hub.families.faces.training.task.CALIBRATED", 8),
    ),
    FamilyCase(
        "toy",
        _write_toy,
        lambda task: task,
        lambda: {"colour": (1.0, 0.5, 0.0), "size": 0.5},
        ("toy.task.CALIBRATED", 8),
    ),
)
