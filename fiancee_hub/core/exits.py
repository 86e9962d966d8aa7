"""Early exits on any generator: trunk, branches, guide bank and predictor (FIANCEE, CVPR 2023).

A generator family gives a ``Trunk``; everything here is shared. Modules hold weights only: what
belongs to one call travels in a ``Progress``, so one model serves many callers at once, and
going deeper after exit k reuses the stages that exit k already ran.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fiancee_hub.core.errors import CheckpointError
from fiancee_hub.core.guides import Guide, GuideBank, RegionBank
from fiancee_hub.core.nested import each_tensor, joined
from fiancee_hub.core.precision import full_precision
from fiancee_hub.core.predictor import Prediction, Predictor


@dataclass(frozen=True)
class ExitConfig:
    """One branch.

    Args:
        stage: trunk stages that run before the branch leaves (1-based: 2 means after l2; 0 where
            a family has a picture before l1).
        scale_factor: the branch's channels are the trunk's divided by this.
    """

    stage: int
    scale_factor: float


@dataclass(frozen=True)
class GuideConfig:
    """Shape of the guide bank.

    Args:
        entries: training examples, or regions; 0 means that there is no bank.
        value_shape: (channels, height, width) of an entry.
        form: ``"whole"`` looks up one training example for the whole picture, ``"regions"`` each
            pixel by the region that it belongs to.
    """

    entries: int = 0
    value_shape: tuple[int, int, int] = (12, 24, 32)
    form: Literal["whole", "regions"] = "whole"

    @property
    def channels(self) -> int:
        """Channels of a guide, 0 without a bank."""
        return self.value_shape[0] if self.entries else 0

    def bank(self, features: int) -> GuideBank | RegionBank | None:
        """An empty bank for a first stage that ``features`` channels leave."""
        if not self.entries:
            return None
        if self.form == "regions":
            return RegionBank(self.entries, self.value_shape)
        return GuideBank(self.entries, features, self.value_shape)


class Trunk(nn.Module):
    """What a generator family provides. Stages are counted from 0."""

    @property
    def stages(self) -> int:
        raise NotImplementedError

    @property
    def stage_channels(self) -> tuple[int, ...]:
        """Channels of the features that leave each stage."""
        raise NotImplementedError

    def read_ahead(self, *inputs: Any) -> tuple[Any, ...]:
        """Inputs of ``condition`` with what serves many calls already read (a face's source)."""
        return inputs

    def condition(self, *inputs: Any) -> Any:
        """From the family's inputs to what all stages share."""
        raise NotImplementedError

    def stage(self, index: int, features: Tensor | None, condition: Any) -> Tensor:
        """One stage, from the features of the stage before (None for the first)."""
        raise NotImplementedError

    def to_image(self, features: Tensor, condition: Any) -> Tensor:
        """Features of the last stage to an image in [-1, 1]."""
        raise NotImplementedError

    def branch(self, exit_config: ExitConfig, guides: GuideConfig) -> "Branch":
        """The branch of an exit, untrained."""
        raise NotImplementedError

    def regions(self, condition: Any) -> Tensor:
        """Which region every pixel belongs to, for guides of the form ``"regions"``: integers
        (batch, pixels of a cell, h, w); a family whose pictures have no regions has none."""
        raise NotImplementedError

    def predictor_inputs(self, condition: Any) -> tuple[Tensor, Tensor]:
        """Coarse maps (batch, channels, h, w) and a vector (batch, length) for the predictor."""
        raise NotImplementedError

    def predictor_shape(self) -> tuple[int, int]:
        """Channels and vector length of ``predictor_inputs``."""
        raise NotImplementedError

    def example_inputs(self, *, encoded: bool = True) -> tuple[Any, ...]:
        """Inputs of ``condition`` for one image, to count and time with.

        Args:
            encoded: with what can be read ahead already read (a face's source).
        """
        raise NotImplementedError

    def forward(self, *inputs: Any) -> Tensor:
        """The image of full depth, from the inputs of ``condition``."""
        condition, features = self.condition(*inputs), None
        for index in range(self.stages):
            features = self.stage(index, features, condition)
        assert features is not None
        return self.to_image(features, condition)


TrunkT = TypeVar("TrunkT", bound=Trunk)


class Branch(nn.Module):
    """What leaves the trunk early; a family gives the layers.

    Args:
        guide_channels: channels of the guide values, 0 without a guide bank.
    """

    def __init__(self, guide_channels: int) -> None:
        super().__init__()
        self.guide_channels = guide_channels

    def forward(self, features: Tensor, condition: Any, guide: Tensor | None) -> Tensor:
        """Features of the stage that it leaves, None before the first, and a guide's values to an
        image."""
        raise NotImplementedError

    def inherit(self, trunk: Any) -> None:
        """Starts from the trunk's own later stages: of each, the channels that weigh most."""
        raise NotImplementedError

    def gated(self) -> list[nn.Parameter]:
        """Parameters of layers that open gates, if any: they are trained slowly."""
        return []

    def with_guide(self, features: Tensor, guide: Tensor | None) -> Tensor:
        """The guide's values beside the features; zeros where there is none."""
        if not self.guide_channels:
            return features
        return torch.cat([features, self.fitting_guide(features, guide)], 1)

    def fitting_guide(self, features: Tensor, guide: Tensor | None) -> Tensor:
        """The guide's values in size and type of the features; zeros where there is none."""
        size = features.shape[2:]
        if guide is None:
            return features.new_zeros(len(features), self.guide_channels, *size)
        return fitted(guide.to(features.dtype), size)


def fitted(guide: Tensor, size: Sequence[int]) -> Tensor:
    """A guide's values (batch, channels, h, w) at another size."""
    if tuple(guide.shape[2:]) == tuple(size):
        return guide
    mode = "area" if guide.shape[2] > size[0] else "nearest"
    return F.interpolate(guide, size=tuple(size), mode=mode)


class Runner(Protocol):
    """Who runs stages and branches: the model itself, or a backend."""

    def run_stage(self, index: int, features: Tensor | None, condition: Any) -> Tensor:
        """``Trunk.stage``."""

    def run_image(self, features: Tensor, condition: Any) -> Tensor:
        """``Trunk.to_image``."""

    def run_branch(
        self, exit_index: int, features: Tensor | None, condition: Any, guide: Tensor | None
    ) -> Tensor:
        """The ``Branch`` of an exit, 1 …"""


@dataclass(frozen=True)
class Progress:
    """How far one call has come: the outputs of the stages that ran, and the guide if looked up."""

    condition: Any
    features: tuple[Tensor, ...] = ()
    guide: Guide | None = None


class EarlyExitModel(nn.Module):
    """A trunk with branches. Exits are 1 … ``exits``; the last is full depth."""

    def __init__(
        self, trunk: Trunk, exits: tuple[ExitConfig, ...], guides: GuideConfig = GuideConfig()
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.exit_configs = exits
        self.branches = nn.ModuleList(self.trunk.branch(config, guides) for config in exits)
        self.guides = guides.bank(self.trunk.stage_channels[0])
        channels, vector = self.trunk.predictor_shape()
        self.predictor = Predictor(channels, vector, len(exits)) if exits else None

    def trunk_as(self, kind: type[TrunkT]) -> TrunkT:
        """The trunk as the generator of a family.

        Raises:
            CheckpointError: it is that of another family.
        """
        if not isinstance(self.trunk, kind):
            raise CheckpointError(
                f"the model's trunk is of type {type(self.trunk).__name__}, but {kind.__name__} is "
                "needed: load a checkpoint of that family"
            )
        return self.trunk

    @property
    def exits(self) -> int:
        """Number of exits, full depth included."""
        return len(self.exit_configs) + 1

    def stages_of(self, exit_index: int) -> int:
        """Trunk stages that an exit (1 … ``exits``) needs."""
        if exit_index == self.exits:
            return self.trunk.stages
        return self.exit_configs[exit_index - 1].stage

    def start(self, *inputs: Any) -> Progress:
        """Prepares a call; ``inputs`` are the family's (see its ``condition``).

        Without autocast: what the predictor looks at is part of it.
        """
        with full_precision(_device(inputs)):
            return Progress(self.trunk.condition(*inputs))

    def predict(self, progress: Progress) -> Prediction:
        """Every branch's LPIPS to full depth, from the input alone; none without branches.

        Always eager and in float32, whatever runs the stages: the same input and seed take the
        same exit under autocast, in a model converted to bfloat16, and on an accelerator.
        """
        maps, vector = (part.float() for part in self.trunk.predictor_inputs(progress.condition))
        if self.predictor is None:
            return Prediction(maps.new_zeros(len(maps), 0), maps.new_zeros(len(maps), 0))
        with full_precision(maps.device):
            prediction: Prediction = self.predictor(maps, vector)
        return prediction

    def run_stage(self, index: int, features: Tensor | None, condition: Any) -> Tensor:
        return self.trunk.stage(index, features, condition)

    def run_image(self, features: Tensor, condition: Any) -> Tensor:
        return self.trunk.to_image(features, condition)

    def run_branch(
        self, exit_index: int, features: Tensor | None, condition: Any, guide: Tensor | None
    ) -> Tensor:
        return self.branches[exit_index - 1](features, condition, guide)

    def advance(self, progress: Progress, stages: int, *, runner: Runner | None = None) -> Progress:
        """Runs the trunk until ``stages`` stages are done; those already done are kept.

        Args:
            progress: of ``start``, ``advance`` or ``render``.
            stages: that are to be done.
            runner: of the stages; the model itself if left out.
        """
        features = list(progress.features)
        for index in range(len(features), stages):
            before = features[-1] if features else None
            features.append((runner or self).run_stage(index, before, progress.condition))
        return replace(progress, features=tuple(features))

    def render(
        self,
        progress: Progress,
        exit_index: int,
        *,
        guided: bool = True,
        runner: Runner | None = None,
    ) -> tuple[Tensor, Progress]:
        """The image of one exit, and the progress to go on from.

        Args:
            progress: of ``start`` or of an earlier ``render`` of the same call.
            exit_index: 1 … ``exits``.
            guided: look up a guide for the branch; off only to measure what guides are worth.
            runner: of stages and branch; the model itself if left out. Guides are looked up here.

        Returns:
            image (batch, 3, height, width) in [-1, 1], and the new progress.
        """
        stage = self.stages_of(exit_index)
        progress, by = self.advance(progress, stage, runner=runner), runner or self
        if exit_index == self.exits:
            return by.run_image(progress.features[stage - 1], progress.condition), progress
        if guided and stage:
            progress = self.look_up(progress)
        values = progress.guide.values if guided and progress.guide is not None else None
        features = progress.features[stage - 1] if stage else None
        return by.run_branch(exit_index, features, progress.condition, values), progress

    def look_up(self, progress: Progress, *, rank: int = 0) -> Progress:
        """Looks up the guide, unless that is done or there is no bank.

        Args:
            progress: past the first stage.
            rank: 1 is the second nearest training example, …; regions have but one.
        """
        if self.guides is None or progress.guide is not None:
            return progress
        if isinstance(self.guides, RegionBank):
            guide = self.guides(self.trunk.regions(progress.condition))
        else:
            guide = self.guides(progress.features[0], rank=rank)
        return replace(progress, guide=guide)

    def forward(self, *inputs: Any, exit_index: int) -> Tensor:
        image, _ = self.render(self.start(*inputs), exit_index)
        return image


def _device(inputs: Any) -> torch.device:
    """Where the tensors of nested tuples lie."""
    devices: set[torch.device] = set()
    each_tensor(inputs, lambda tensor: devices.add(tensor.device))
    return next(iter(devices))


def select(progress: Progress, rows: Tensor) -> Progress:
    """The progress of some items of a batch."""
    parts = progress.condition, progress.features, progress.guide
    return Progress(*each_tensor(parts, lambda tensor: tensor[rows]))


def join(parts: Sequence[Progress]) -> Progress:
    """The progress of several batches that have come equally far, as of one."""
    return Progress(*joined([(part.condition, part.features, part.guide) for part in parts]))
