"""Training of the toy family: discs drawn on grey."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from fiancee_hub.core.domain import Domain
from fiancee_hub.core.errors import DataError
from fiancee_hub.core.exits import ExitConfig, GuideConfig
from fiancee_hub.core.recipe import Recipe
from fiancee_hub.hub.config import CheckpointConfig, untrained
from fiancee_hub.training import pictures
from fiancee_hub.training.adversarial import AdversarialPhase, AdversarialSettings, Example
from fiancee_hub.training.branch_settings import BranchSettings
from fiancee_hub.training.loop import Losses
from fiancee_hub.training.task import HeldOut, Inputs, Scene, Task
from toy.family import ToyConfig
from toy.generator import VECTOR, ToyTrunk

RECIPE = Recipe(ToyConfig(), (ExitConfig(1, 4), ExitConfig(1, 1)), GuideConfig(4, (12, 4, 4)))
CALIBRATED = 24
KIND = "discs"


def vectors(count: int, random: torch.Generator) -> Tensor:
    """Random colours and sizes, (count, 4)."""
    drawn = torch.rand(count, VECTOR, generator=random)
    return torch.cat([2 * drawn[:, :3] - 1, drawn[:, 3:]], 1)


def discs(vector: Tensor, side: int) -> Tensor:
    """What the vectors stand for, (batch, 3, side, side) in [-1, 1]."""
    line = torch.linspace(-1, 1, side)
    inside = (line[:, None] ** 2 + line**2) < vector[:, 3, None, None]
    return torch.where(inside[:, None], vector[:, :3, None, None], torch.zeros(()))


@dataclass(frozen=True)
class Discs:
    """Random inputs without end."""

    examples = 1000

    def draw(self, count: int, random: torch.Generator) -> Inputs:
        return (vectors(count, random),)


class ToyPhase(AdversarialPhase):
    """The backbone learns discs, pixel by pixel."""

    def __init__(self, shape: ToyConfig, accelerator: Accelerator) -> None:
        self.shape = shape
        settings = replace(AdversarialSettings(), batch_size=2)
        super().__init__(ToyTrunk(shape), ToyTrunk(shape), 1, accelerator, settings)

    def _batch(self) -> Example:
        vector = vectors(self.batch_size, self.random)
        truth = discs(vector, self.shape.side)
        labels = torch.zeros(len(truth), *truth.shape[2:], dtype=torch.long)
        return Example((vector,), truth, labels, torch.ones(2))

    def _faithful(self, leaf: Tensor, example: Example) -> tuple[Losses, Tensor]:
        loss = F.l1_loss(leaf, example.truth)
        return {"l1": loss.detach()}, torch.autograd.grad(loss, leaf)[0]

    def _adversarial_share(self, progress: float) -> float:
        return self.settings.adversarial_share

    @torch.no_grad()
    def samples(self) -> Image.Image:
        vector = vectors(4, torch.Generator().manual_seed(0))
        return pictures.grid([self.average(vector), discs(vector, self.shape.side)])


@dataclass(frozen=True)
class ToyTask:
    """Everything is drawn: the folder of data only names the family."""

    recipe: Recipe = RECIPE
    classes: int = 1
    branches: BranchSettings = field(default_factory=BranchSettings)

    def config(self) -> CheckpointConfig:
        return untrained("toy", self.recipe, domain=Domain(name="discs", title="Discs"))

    def backbone(self, generator: Any, accelerator: Accelerator) -> AdversarialPhase:
        return ToyPhase(generator, accelerator)

    def judge(self, generator: nn.Module, device: torch.device) -> Callable[[], dict[str, float]]:
        raise DataError("nobody judges discs")

    def source(self) -> Discs:
        return Discs()

    def guide_inputs(self, entries: int) -> Inputs:
        return self.source().draw(entries, torch.Generator().manual_seed(0))

    def opening_inputs(self, entries: int) -> tuple[Inputs, list[str]]:
        return self.guide_inputs(entries), [KIND] * entries

    def calibration_inputs(self) -> HeldOut:
        inputs = self.source().draw(CALIBRATED, torch.Generator().manual_seed(1))
        units = [str(index) for index in range(CALIBRATED)]
        return HeldOut(inputs, [KIND] * CALIBRATED, units)

    def held_out(self) -> Path | None:
        return None

    def examples(self) -> dict[str, Path]:
        return {}

    def focus(self, scene: Scene, inputs: Inputs, random: torch.Generator) -> None:
        """Pictures are seen whole."""

    def judged(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        side = self.recipe.generator.height
        return torch.zeros(len(inputs[0]), side, side), torch.ones(2)

    def preview(self, inputs: Inputs) -> list[Tensor]:
        return [discs(inputs[0].cpu(), self.recipe.generator.height)]


_: type[Task] = ToyTask
