"""Label maps and noise."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from fiancee_hub.core.recipe import Recipe
from fiancee_hub.families.label_maps.classes import coloured
from fiancee_hub.families.label_maps.config import OasisConfig
from fiancee_hub.families.label_maps.shapes import STREETS
from fiancee_hub.families.label_maps.training.backbone import BackbonePhase, LabelMapSettings
from fiancee_hub.families.label_maps.training.class_table import EXAMPLES
from fiancee_hub.families.label_maps.training.maps import MapSource, drawn_maps
from fiancee_hub.families.label_maps.training.photographs import DataFolder
from fiancee_hub.hub.config import CheckpointConfig, untrained
from fiancee_hub.hub.examples import pictures_in
from fiancee_hub.hub.format1 import domain_of
from fiancee_hub.training.adversarial import AdversarialPhase
from fiancee_hub.training.branch_settings import BranchSettings
from fiancee_hub.training.discriminator import class_weights
from fiancee_hub.training.task import HeldOut, Inputs, Scene, Task

TEST = "test"
DRAWN = 300
DRAWN_SEED = 900_000
"""Drawings for calibration start here; training draws its seeds below 2**31 at random."""

OPENING_SEED = 920_000
"""Other drawings, for where the sequences of calibration's tests begin."""

NOISE_SEED = 910_000

Judge = Callable[[], dict[str, float]]
"""Says how real a generator's pictures look, split by split, and ``OVERALL``."""

MakeJudge = Callable[["MapsTask", nn.Module, torch.device], Judge]


@dataclass(frozen=True)
class NoisyMaps:
    """Label maps of a source, each with fresh noise."""

    maps: MapSource
    channels: int

    @property
    def examples(self) -> int:
        return len(self.maps.maps)

    def draw(self, count: int, random: torch.Generator) -> Inputs:
        labels = self.maps.draw(count, random)
        return labels, torch.randn(count, self.channels, generator=random)


@dataclass(frozen=True)
class MapsTask:
    """Scenes from a prepared folder of label maps and photographs.

    Args:
        data: the folder.
        recipe: for its classes.
        settings: of the backbone's training.
        make_judge: makes what judges a generator of the task while it is trained.
        branches: settings of the branches' training.
    """

    data: DataFolder
    recipe: Recipe = STREETS
    settings: LabelMapSettings = field(default_factory=LabelMapSettings)
    make_judge: MakeJudge | None = None
    branches: BranchSettings = field(default_factory=BranchSettings)

    @property
    def generator(self) -> OasisConfig:
        assert isinstance(self.recipe.generator, OasisConfig)
        return self.recipe.generator

    @property
    def size(self) -> tuple[int, int]:
        return self.generator.height, self.generator.width

    @property
    def classes(self) -> int:
        return self.generator.classes

    def config(self) -> CheckpointConfig:
        table = self.data.table
        about = table.about or domain_of("label_maps", table.entries)
        domain = replace(about, unknown=table.unknown)
        return untrained("label_maps", self.recipe, table.entries, domain)

    def backbone(self, generator: OasisConfig, accelerator: Accelerator) -> AdversarialPhase:
        return BackbonePhase(generator, self.data, accelerator, self.settings)

    def judge(self, generator: nn.Module, device: torch.device) -> Judge:
        assert self.make_judge is not None
        return self.make_judge(self, generator, device)

    def source(self) -> NoisyMaps:
        return NoisyMaps(MapSource(self.data, "maps", self.size), self.generator.noise_channels)

    def guide_inputs(self, entries: int) -> Inputs:
        """Maps evenly spread over the list, since neighbours look alike."""
        maps = self.data.label_maps("maps", self.size)
        chosen = maps[torch.linspace(0, len(maps) - 1, entries).round().long()]
        return chosen, self._noise(entries, 0)

    def opening_inputs(self, entries: int) -> tuple[Inputs, list[str]]:
        """Training maps, those of the splits ``photos-KIND`` a kind each, and fresh drawings."""
        maps, kinds = self.data.label_maps("maps", self.size), np.asarray(self._kinds())
        chosen, groups = [], []
        for kind in dict.fromkeys(kinds.tolist()):
            rows = np.flatnonzero(kinds == kind)
            chosen.append(maps[rows[np.linspace(0, len(rows) - 1, entries).round().astype(int)]])
            groups += [kind] * entries
        if self.data.draw:
            chosen.append(drawn_maps(self.data.draw, entries, self.size, OPENING_SEED))
            groups += ["drawn"] * entries
        return (torch.cat(chosen), self._noise(len(groups), OPENING_SEED)), groups

    def _kinds(self) -> list[str]:
        """Of the training maps."""
        splits = self.data.splits("photos-")
        known = {name: split for split in splits for name in self.data.names(split)}
        return [known.get(name, "") for name in self.data.names("maps")]

    def calibration_inputs(self) -> HeldOut:
        """The splits ``calibration-KIND``, and fresh drawings where the classes can be drawn."""
        maps, groups, units = [], [], []
        for split in self.data.splits("calibration-"):
            maps.append(self.data.label_maps(split, self.size))
            groups += [split.removeprefix("calibration-")] * len(maps[-1])
            units += self.data.units(split)
        if self.data.draw:
            maps.append(drawn_maps(self.data.draw, DRAWN, self.size, DRAWN_SEED))
            groups += ["drawn"] * DRAWN
            units += [f"drawing {index}" for index in range(DRAWN)]
        labels = torch.cat(maps)
        return HeldOut((labels, self._noise(len(labels), NOISE_SEED)), groups, units)

    def held_out(self) -> Path | None:
        return self.data.root if TEST in self.data.splits(TEST) else None

    def examples(self) -> dict[str, Path]:
        return pictures_in(self.data.root / EXAMPLES)

    def _noise(self, count: int, seed: int) -> Tensor:
        random = torch.Generator().manual_seed(seed)
        return torch.randn(count, self.generator.noise_channels, generator=random)

    def judged(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        return inputs[0], class_weights(inputs[0], self.classes, self.data.table.unknown)

    def focus(self, scene: Scene, inputs: Inputs, random: torch.Generator) -> None:
        """None: exits differ from full depth all over a picture."""

    def preview(self, inputs: Inputs) -> list[Tensor]:
        return [coloured(inputs[0].cpu(), self.data.classes)]


_: type[Task] = MapsTask
