"""What a generator family brings to the phases that all families share."""

from typing import Any, Protocol

import torch
from accelerate import Accelerator
from torch import Tensor

from fiancee_hub.core.recipe import Recipe
from fiancee_hub.hub.config import CheckpointConfig
from fiancee_hub.training.adversarial import AdversarialPhase

Inputs = tuple[Any, ...]
"""What ``EarlyExitModel.start`` takes: (nested tuples of) tensors with the batch first."""


class InputSource(Protocol):
    """Endless inputs for branches and predictor."""

    def draw(self, count: int, random: torch.Generator) -> Inputs:
        """Random training inputs, as users bring them."""


class Task(Protocol):
    """Data and recipe of one family."""

    @property
    def recipe(self) -> Recipe:
        """Trunk, branches and guide bank."""

    @property
    def classes(self) -> int:
        """Classes that the discriminator tells apart, "fake" not counted."""

    def config(self) -> CheckpointConfig:
        """Of an untrained checkpoint; its costs are filled in later."""

    def backbone(self, generator: Any, accelerator: Accelerator) -> AdversarialPhase:
        """Phase 1 for the recipe's generator, or for that of half the size."""

    def source(self) -> InputSource:
        """Training inputs."""

    def guide_inputs(self, entries: int) -> Inputs:
        """Training inputs for the guide bank, one for each entry."""

    def calibration_inputs(self) -> tuple[Inputs, list[str]]:
        """Inputs that no phase trains on, and the kind of each."""

    def judged(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Classes of the pixels (batch, height, width) and their weights (classes + 1,)."""

    def preview(self, inputs: Inputs) -> list[Tensor]:
        """Pictures (batch, 3, height, width) in [-1, 1] that show the inputs in a sample grid."""
