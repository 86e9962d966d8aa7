"""Phase 1 for faces: the full-depth generator against true frames of the same person."""

from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from fiancee_hub.core.nested import each_tensor
from fiancee_hub.core.perceptual import PerceptualDistance
from fiancee_hub.families.faces.config import PortraitConfig
from fiancee_hub.families.faces.generator import PortraitGenerator
from fiancee_hub.families.faces.heads import Head, plain_warp
from fiancee_hub.families.faces.landmarks.outlines import attention
from fiancee_hub.families.faces.training.identity import IdentityLoss
from fiancee_hub.families.faces.training.motion_loss import MotionLoss
from fiancee_hub.families.faces.training.pairs import FaceFolder, PairSource, fit_expression_basis
from fiancee_hub.training import pictures
from fiancee_hub.training.adversarial import AdversarialPhase, AdversarialSettings, Example
from fiancee_hub.training.discriminator import Discriminator, real_loss
from fiancee_hub.training.loading import batches
from fiancee_hub.training.loop import Losses
from fiancee_hub.training.losses import shifted_lpips


@dataclass(frozen=True)
class PortraitSettings(AdversarialSettings):
    """As for streets; the discriminator comes in late and gently (early it leaves stains)."""

    reconstruction: float = 5.0
    generator_rate: float = 5e-4
    adversarial_share: float = 0.5
    identity: float = 1.0
    feature_matching: float = 1.0
    attention: float = 4.0
    """Weight of eyes and mouth in the reconstruction; 1 elsewhere."""
    motion: float = 2.0
    crossed: float = 0.2
    """Share of the steps, at full size only, with other persons as drivers."""
    likeness: float = 1.0
    """Weight of the perceptual distance to the plain warp in those steps: there is no truth."""
    judged_from: float = 0.6
    """Share of the time after which the discriminator learns, at full size only."""
    pulls_from: float = 0.7
    """Share of the time after which it pulls; its cap grows until the end."""


@dataclass(frozen=True)
class CrossExample(Example):
    """Sources with other persons' drivers: ``truth`` is the drivers' pictures, which show what
    is real and nothing else.

    Args:
        likeness: the plain warp of the sources, (batch, 3, size, size).
    """

    likeness: Tensor


class PortraitBackbonePhase(AdversarialPhase):
    """Pairs of frames of one group, photographs with a changed copy of themselves, and sources
    with other persons' drivers."""

    settings: PortraitSettings

    def __init__(
        self,
        config: PortraitConfig,
        data: FaceFolder,
        accelerator: Accelerator,
        settings: PortraitSettings = PortraitSettings(),
    ) -> None:
        self.config, self.source = config, PairSource(data, "train")
        generator = PortraitGenerator(config)
        generator.expression_basis.copy_(fit_expression_basis(data))
        super().__init__(generator, PortraitGenerator(config), 1, accelerator, settings)
        self.lpips = self._compiled(PerceptualDistance().to(accelerator.device))
        self.identity = IdentityLoss(data.root).to(accelerator.device)
        self.motion = MotionLoss().to(accelerator.device)

    def _adversarial_share(self, progress: float) -> float | None:
        settings = self.settings
        if not self.grown or progress < settings.judged_from:
            return None
        ramp = (progress - settings.pulls_from) / (1 - settings.pulls_from)
        return settings.adversarial_share * min(1.0, max(0.0, ramp))

    @cached_property
    def batches(self) -> Generator[tuple[bool, dict[str, Any]]]:
        """Begun with the first step, when it is known whether the phase has grown."""
        return batches(self._draw, self.random, self.settings.workers)

    def _draw(self, random: torch.Generator) -> tuple[bool, dict[str, Any]]:
        """A batch, and whether its drivers are other persons."""
        crossed = self.grown and float(torch.rand((), generator=random)) < self.settings.crossed
        draw = self.source.crossed if crossed else self.source.pairs
        return crossed, draw(self.settings.batch_size, random, self.config.size)

    def _batch(self) -> Example:
        device = self.accelerator.device
        crossed, batch = next(self.batches)
        inputs, truth = (
            each_tensor(batch[name], lambda tensor: tensor.to(device, non_blocking=True))
            for name in ("inputs", "truth")
        )
        labels = torch.zeros(len(truth), *truth.shape[2:], device=device)
        example = Example(inputs, truth, labels, torch.ones(2, device=device))
        if not crossed:
            return example
        return CrossExample(**vars(example), likeness=plain_warp(*inputs))

    def _faithful(self, leaf: Tensor, example: Example) -> tuple[Losses, Tensor]:
        losses, weights = (
            self._plausibility(leaf, example)
            if isinstance(example, CrossExample)
            else self._distances(leaf, example)
        )
        loss = torch.stack([weights[name] * value for name, value in losses.items()]).sum()
        (gradient,) = torch.autograd.grad(loss, leaf)
        return losses, gradient

    def _distances(self, leaf: Tensor, example: Example) -> tuple[Losses, dict[str, float]]:
        """Losses against the true picture, and their weights."""
        target: Head = example.inputs[2]
        settings = self.settings
        weights = F.adaptive_avg_pool2d(attention(target.map, settings.attention), leaf.shape[2])
        losses = {
            "lpips": self._perceptual(leaf, example.truth),
            "l1": (weights * (leaf - example.truth).abs()).mean(),
            "identity": self.identity(leaf, example.truth, target.points),
            "motion": self.motion(leaf, target),
        }
        return losses, {
            "lpips": settings.perceptual,
            "l1": settings.reconstruction,
            "identity": settings.identity,
            "motion": settings.motion,
        }

    def _plausibility(self, leaf: Tensor, example: CrossExample) -> tuple[Losses, dict[str, float]]:
        """Losses without a true picture, and their weights."""
        picture, source, target = example.inputs
        losses = {
            "likeness": self._perceptual(leaf, example.likeness),
            "person": self.identity(leaf, picture, target.points, source.points),
            "driver": self.motion(leaf, target),
        }
        settings = self.settings
        return losses, {
            "likeness": settings.likeness,
            "person": settings.identity,
            "driver": settings.motion,
        }

    def _perceptual(self, leaf: Tensor, wanted: Tensor) -> Tensor:
        with self.accelerator.autocast():
            return shifted_lpips(self.lpips, leaf, wanted, self.random)

    def _pull(self, judge: Discriminator, leaf: Tensor, example: Example) -> Tensor:
        change = self._change(len(leaf))
        features = judge.features(change.images(leaf))
        realism = real_loss(
            judge.classify(features), change.labels(example.labels), example.weights
        )
        if isinstance(example, CrossExample):
            return realism
        with torch.no_grad():
            wanted = judge.features(change.images(example.truth))
        matching = F.l1_loss(features.float(), wanted.float())
        return realism + self.settings.feature_matching * matching

    @torch.no_grad()
    def samples(self) -> Image.Image:
        """Source, plain warp, image and truth of 16 fixed training pairs."""
        batch = self.source.pairs(16, torch.Generator().manual_seed(0), self.config.size)
        device = self.accelerator.device
        inputs = each_tensor(batch["inputs"], lambda tensor: tensor.to(device))
        images = self.average(*inputs)
        return pictures.grid([inputs[0], plain_warp(*inputs), images, batch["truth"]])
