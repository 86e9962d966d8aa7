"""Faces: a source picture, the head in it, and the head to show."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from fiancee_hub.core.domain import Domain
from fiancee_hub.core.errors import DataError
from fiancee_hub.core.pixels import signed
from fiancee_hub.core.recipe import Recipe
from fiancee_hub.families.faces.config import PortraitConfig
from fiancee_hub.families.faces.heads import Head
from fiancee_hub.families.faces.shapes import FACES
from fiancee_hub.families.faces.training.backbone import PortraitBackbonePhase, PortraitSettings
from fiancee_hub.families.faces.training.pairs import FaceFolder, PairSource, collate
from fiancee_hub.families.faces.training.windows import focused
from fiancee_hub.hub.config import CheckpointConfig, untrained
from fiancee_hub.training.adversarial import AdversarialPhase
from fiancee_hub.training.branch_settings import BranchSettings
from fiancee_hub.training.task import HeldOut, Inputs, Scene, Task

BRANCHES = BranchSettings(adversarial_share=0.1)
"""An early strong adversarial pull brought stains into faces, and branches begin with theirs."""

KINDS = "self", "cross", "controls"
CALIBRATED = 300
"""Pairs of each kind for calibration."""


Judge = Callable[[], dict[str, float]]
"""Says how good a generator's pictures are, and ``OVERALL``; smaller is better."""


@dataclass(frozen=True)
class FacesTask:
    """Reenactment from a prepared folder of frames with landmarks.

    ``make_judge`` makes what judges a generator of the task while it is trained.
    """

    data: FaceFolder
    recipe: Recipe = FACES
    classes: int = 1
    settings: PortraitSettings = field(default_factory=PortraitSettings)
    domain: Domain = field(default_factory=Domain)
    branches: BranchSettings = BRANCHES
    make_judge: "Callable[[FacesTask, nn.Module, torch.device], Judge] | None" = None

    @property
    def generator(self) -> PortraitConfig:
        assert isinstance(self.recipe.generator, PortraitConfig)
        return self.recipe.generator

    def config(self) -> CheckpointConfig:
        return untrained("faces", self.recipe, domain=self.domain)

    def backbone(self, generator: PortraitConfig, accelerator: Accelerator) -> AdversarialPhase:
        return PortraitBackbonePhase(generator, self.data, accelerator, self.settings)

    def judge(self, generator: nn.Module, device: torch.device) -> Judge:
        if self.make_judge is None:
            raise DataError("this task came without a judge: leave --judge-minutes out")
        return self.make_judge(self, generator, device)

    def source(self) -> PairSource:
        return PairSource(self.data, "train")

    def guide_inputs(self, entries: int) -> Inputs:
        return self.source().draw(entries, torch.Generator().manual_seed(0))

    def opening_inputs(self, entries: int) -> tuple[Inputs, list[str]]:
        found = self._of_each_kind("train", entries, 920_000)
        return found.inputs, found.groups

    def calibration_inputs(self) -> HeldOut:
        """Pairs of the validation persons; the unit is the source person."""
        return self._of_each_kind("val", CALIBRATED, 900_000)

    def _of_each_kind(self, split: str, count: int, seed: int) -> HeldOut:
        """Pairs of one person, with another's driver, and moved by controls."""
        source, hand = PairSource(self.data, split), np.random.default_rng(seed)
        pairs = [source.random_self(hand, stills=False) for _ in range(count)]
        pairs += [source.random_cross(hand) for _ in range(count)]
        pairs += [source.random_controls(hand) for _ in range(count)]
        inputs: Inputs = collate(pairs, self.generator.height)["inputs"]
        groups = [kind for kind in KINDS for _ in range(count)]
        return HeldOut(inputs, groups, [pair.person for pair in pairs])

    def held_out(self) -> Path | None:
        """None: the persons who are shown and the judge of identity have to be asked for."""
        return None

    def examples(self) -> dict[str, Path]:
        """None: nobody in the data has agreed to be one."""
        return {}

    def judged(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        picture = inputs[0]
        labels = torch.zeros(len(picture), *picture.shape[2:], device=picture.device)
        return labels, torch.ones(2, device=picture.device)

    def focus(self, scene: Scene, inputs: Inputs, random: torch.Generator) -> Scene:
        """Windows on mouths and eyes, and where full depth differs from the plain warp."""
        return focused(scene, inputs, self.generator.stage_size(0), random)

    def preview(self, inputs: Inputs) -> list[Tensor]:
        """The source, and face, lips and eyes of the target's map as colours."""
        target: Head = inputs[2]
        regions = signed(target.map[:, [1, 2, 4]])
        larger = torch.nn.functional.interpolate(regions, size=inputs[0].shape[2:])
        return [inputs[0].cpu(), larger.cpu()]


_: type[Task] = FacesTask
