"""Trains faces for a moment with batches drawn by workers: ``python workers_run.py DATA RUN``.

A process of its own, because workers are forked: what other tests have loaded before, thread pools
of other runtimes above all, would not survive that.
"""

import multiprocessing
import sys
from pathlib import Path

import accelerate

from fiancee_hub.core.exits import ExitConfig, GuideConfig
from fiancee_hub.core.recipe import Recipe
from fiancee_hub.families.faces.config import PortraitConfig
from fiancee_hub.families.faces.training.backbone import PortraitSettings
from fiancee_hub.families.faces.training.pairs import FaceFolder
from fiancee_hub.families.faces.training.task import FacesTask
from fiancee_hub.training import phases
from fiancee_hub.training.branch_settings import BranchSettings

CONFIG = PortraitConfig(256, (16, 16, 16, 8, 8), (8, 8, 16), motion_channels=8, descriptor=8)
RECIPE = Recipe(CONFIG, (ExitConfig(1, 2), ExitConfig(2, 2)), GuideConfig(2, (12, 8, 8)))


def main(data: Path, folder: Path) -> None:
    """Prints how many pictures the branches saw, and how many workers outlived their phase."""
    task = FacesTask(FaceFolder(data), RECIPE, settings=PortraitSettings(batch_size=1, workers=1))
    run = phases.Run(folder, task, accelerate.Accelerator(cpu=True))
    phases.train_backbone(run, 1e-4)
    phases.build_guides(run)
    phases.train_branches(run, 1e-4, BranchSettings(batch_size=1, workers=1))
    print(run.notes()["branches"]["images"], len(multiprocessing.active_children()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
