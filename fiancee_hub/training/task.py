"""What a generator family brings to the phases that all families share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from fiancee_hub.core.exits import Progress
from fiancee_hub.core.recipe import Recipe
from fiancee_hub.hub.config import CheckpointConfig
from fiancee_hub.training.adversarial import AdversarialPhase
from fiancee_hub.training.branch_settings import BranchSettings

Inputs = tuple[Any, ...]
"""What ``EarlyExitModel.start`` takes: (nested tuples of) tensors with the batch first."""


@dataclass(frozen=True)
class TrainingRequest:
    """A folder of data, and how somebody wants to train on it.

    Args:
        data: the folder, prepared or as its family's users have it.
        run_folder: of the run; data that is prepared on the way goes below it.
        accelerator: of the run.
        size: height and width of the pictures; None leaves it to the data or the recipe.
        backbone: of a checkpoint whose trunk is the backbone; None if one is trained.
        batch_size: pictures in a step of a process; None leaves it to the phases.
        workers: processes that draw batches of the backbone's phase.
        domains: what is known of the family's data sets beside their folders.
    """

    data: Path
    run_folder: Path
    accelerator: Accelerator
    size: tuple[int, int] | None = None
    backbone: CheckpointConfig | None = None
    batch_size: int | None = None
    workers: int = 0
    domains: tuple[Any, ...] = ()


class InputSource(Protocol):
    """Endless inputs for branches and predictor."""

    @property
    def examples(self) -> int:
        """How many different ones the data has; what is drawn are variations of them."""

    def draw(self, count: int, random: torch.Generator) -> Inputs:
        """Random training inputs, as users bring them."""


class HeldOut(NamedTuple):
    """Inputs that no phase trains on.

    ``groups`` is the kind of each, ``units`` the independent thing that each comes from: inputs
    of one unit (neighbouring frames, pictures of one person) are alike.
    """

    inputs: Inputs
    groups: list[str]
    units: list[str]


class Scene(NamedTuple):
    """What branches see of a batch.

    Args:
        state: that they leave from.
        guide: its values, if there is one.
        target: full depth's pictures (batch, 3, height, width).
        labels: for the discriminator, (batch, height, width).
        weights: of the classes and of "fake", (classes + 1,).
        margin: pixels along each border that the branches' pictures have in excess of ``target``.
    """

    state: Progress
    guide: Tensor | None
    target: Tensor
    labels: Tensor
    weights: Tensor
    margin: int = 0

    def shown(self, picture: Tensor) -> Tensor:
        """What counts of a branch's picture."""
        margin = self.margin
        return picture[:, :, margin:-margin, margin:-margin] if margin else picture


class Task(Protocol):
    """Data and recipe of one family."""

    @property
    def recipe(self) -> Recipe:
        """Trunk, branches and guide bank."""

    @property
    def classes(self) -> int:
        """Classes that the discriminator tells apart, "fake" not counted."""

    @property
    def branches(self) -> BranchSettings:
        """How its branches are trained."""

    def config(self) -> CheckpointConfig:
        """Of an untrained checkpoint; its costs are filled in later."""

    def backbone(self, generator: Any, accelerator: Accelerator) -> AdversarialPhase:
        """Phase 1 for the recipe's generator, or for that of half the size."""

    def judge(self, generator: nn.Module, device: torch.device) -> Callable[[], dict[str, float]]:
        """Says how real the pictures of a full-depth generator look at the time of the call:
        values by name, smaller is better, one of them ``overall``.

        Raises:
            DataError: the data has no photographs for it, or the family has no such judge.
        """

    def source(self) -> InputSource:
        """Training inputs."""

    def guide_inputs(self, entries: int) -> Inputs:
        """Training inputs for the guide bank, one for each entry."""

    def opening_inputs(self, entries: int) -> tuple[Inputs, list[str]]:
        """So many training inputs of each kind that calibration has, and the kind of each."""

    def calibration_inputs(self) -> HeldOut:
        """What the router is calibrated on."""

    def held_out(self) -> Path | None:
        """The folder that ``evaluate`` judges on by itself once training is done; None if there
        is no data for it, or the family's evaluation has to be asked for."""

    def examples(self) -> Mapping[str, Path]:
        """Example inputs for the checkpoint, by title; none if it has its own or needs none."""

    def judged(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Classes of the pixels (batch, height, width) and their weights (classes + 1,)."""

    def focus(self, scene: Scene, inputs: Inputs, random: torch.Generator) -> Scene | None:
        """Parts of the pictures where branches have most to learn, drawn anew at each call; None
        where a family knows of none."""

    def preview(self, inputs: Inputs) -> list[Tensor]:
        """Pictures (batch, 3, height, width) in [-1, 1] that show the inputs in a sample grid."""
