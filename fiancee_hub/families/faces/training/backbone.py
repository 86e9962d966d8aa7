"""Phase 1 for faces: the full-depth generator against true frames of the same person."""

from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from fiancee_hub.core.nested import each_tensor
from fiancee_hub.core.perceptual import PerceptualDistance
from fiancee_hub.families.faces.config import PortraitConfig
from fiancee_hub.families.faces.crops import crops
from fiancee_hub.families.faces.generator import PortraitGenerator
from fiancee_hub.families.faces.heads import Head, at_side, plain_warp
from fiancee_hub.families.faces.landmarks.outlines import attention
from fiancee_hub.families.faces.training.crop_judge import CropJudge
from fiancee_hub.families.faces.training.identity import IdentityLoss
from fiancee_hub.families.faces.training.motion_loss import MotionLoss
from fiancee_hub.families.faces.training.pairs import FaceFolder, PairSource, fit_expression_basis
from fiancee_hub.families.faces.training.windows import (
    WindowExample,
    draw_windows,
    seen_through,
    warp_error,
    window_lpips,
    without_margin,
)
from fiancee_hub.families.faces.visibility import unshown
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
    masks: float = 1.0
    """Weight of the masks' cross-entropy to what landmarks say no warp can show."""
    masks_until: float = 1 / 3
    """Share of the time after which the masks are free."""
    warp_frozen: float = 0.0
    """Share of the time, from the start, in which the network of the flow stands still."""
    residual: float = 1.0
    """Additional weight of the L1 where the plain warp is wrong, 1 on average over a picture."""
    crops: float = 2.0
    """Weight of LPIPS on crops of mouth and eyes at about twice their size."""
    crop_adversarial: float = 10.0
    """Weight of the discriminators of these crops, relative to the whole picture's; 0: none."""
    openings: float = 0.3
    """Share of the pairs of frames drawn by how far the mouth opens or shuts between them."""
    windowed: float = 0.0
    """Share of the steps, at full size and while the network of the flow stands still, in which
    the source is read as it is and windows of the pictures alone are painted."""


@dataclass(frozen=True)
class CrossExample(Example):
    """Sources with other persons' drivers: ``truth`` is the drivers' pictures, which show what
    is real and nothing else.

    Args:
        likeness: the plain warp of the sources, (batch, 3, size, size).
    """

    likeness: Tensor


def mask_loss(logits: list[Tensor], source: Head, target: Head) -> Tensor:
    """Cross-entropy of what masks keep to what a warp can show, averaged over their sizes.

    Args:
        logits: of what is kept, (batch, 1, side, side) each.
        source: the head in the source.
        target: the head to show.
    """
    shown = 1 - unshown(source, target)
    terms = [
        F.binary_cross_entropy_with_logits(logit.float(), at_side(shown, logit.shape[2]))
        for logit in logits
    ]
    return torch.stack(terms).mean()


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
        self.config = config
        self.source = PairSource(data, "train", openings=settings.openings)
        generator = PortraitGenerator(config)
        generator.expression_basis.copy_(fit_expression_basis(data))
        super().__init__(generator, PortraitGenerator(config), 1, accelerator, settings)
        self.lpips = self._compiled(PerceptualDistance().to(accelerator.device))
        self.identity = IdentityLoss(data.root).to(accelerator.device)
        self.motion = MotionLoss().to(accelerator.device)
        self.crop_judge = self._crop_judge()
        self.windowed = False

    def _crop_judge(self) -> CropJudge | None:
        settings = self.settings
        if not settings.crop_adversarial:
            return None
        return CropJudge(self.config.size // 4, settings.discriminator_rate, self.accelerator)

    def _parts(self) -> dict[str, Any]:
        judge = self.crop_judge
        return super()._parts() | (judge.parts() if judge else {})

    def restore(self, state: dict[str, Any]) -> None:
        # A state from before there were crops: their discriminators begin anew.
        super().restore({name: part.state_dict() for name, part in self._parts().items()} | state)

    def _before_update(self, example: Example, progress: float) -> Losses:
        """Masks learn what landmarks know, and the flow's network may stand still."""
        generator = self.accelerator.unwrap_model(self.generator)
        if isinstance(example, WindowExample):
            self._share_gradients(generator)
        if progress < self.settings.warp_frozen:
            for parameter in generator.motion.parameters():
                parameter.grad = None
        if generator.masks is None or progress >= self.settings.masks_until:
            return {}
        with self.accelerator.autocast():
            logits = generator.mask_logits(*example.inputs)
        loss = mask_loss(logits, example.inputs[1], example.inputs[2])
        parameters = list(generator.masks.parameters())
        for parameter, gradient in zip(
            parameters, torch.autograd.grad(loss, parameters), strict=True
        ):
            # Not through the distributed wrapper, which would do this by itself.
            added = self.settings.masks * self.accelerator.reduce(gradient, "mean")
            parameter.grad = added if parameter.grad is None else parameter.grad + added
        return {"masks": loss.detach()}

    def _share_gradients(self, generator: nn.Module) -> None:
        """What a distributed wrapper does in steps on whole pictures."""
        gradients = [p.grad for p in generator.parameters() if p.grad is not None]
        whole = self.accelerator.reduce(torch.cat([g.flatten() for g in gradients]), "mean")
        parts = whole.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def _generate(self, example: Example) -> Tensor:
        if not isinstance(example, WindowExample):
            return super()._generate(example)
        # Not through the distributed wrapper: it waits for gradients of everything.
        generator = self.accelerator.unwrap_model(self.generator)
        picture, source, target = example.inputs
        with torch.no_grad():
            appearance = generator.encode(picture, source)
        # The flow's network stands still: gradients through all that it moves are work for nothing.
        generator.motion.requires_grad_(False)
        condition = generator.condition(appearance, source, target)
        generator.motion.requires_grad_(True)
        return without_margin(generator.painted(condition, example.windows))

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

    def step(self, progress: float) -> Losses:
        self.windowed = self._in_windows(progress)
        return super().step(progress)

    def _in_windows(self, progress: float) -> bool:
        """Whether the next step paints windows: counted, so that all processes agree."""
        share = self.settings.windowed
        evenly = int((self.steps + 1) * share) > int(self.steps * share)
        return evenly and self.grown and progress < self.settings.warp_frozen

    def _batch(self) -> Example:
        device = self.accelerator.device
        crossed, batch = next(self.batches)
        while crossed and self.windowed:  # which have no truth to look at
            crossed, batch = next(self.batches)
        inputs, truth = (
            each_tensor(batch[name], lambda tensor: tensor.to(device, non_blocking=True))
            for name in ("inputs", "truth")
        )
        labels = torch.zeros(len(truth), *truth.shape[2:], device=device)
        example = Example(inputs, truth, labels, torch.ones(2, device=device))
        if self.windowed:
            return self._window_example(example)
        if not crossed:
            return example
        return CrossExample(**vars(example), likeness=plain_warp(*inputs))

    def _window_example(self, example: Example) -> WindowExample:
        residual, target = warp_error(example.inputs, example.truth), example.inputs[2]
        cells = self.config.stage_size(0)
        windows = draw_windows(residual, target.points, cells, self.draws)
        return seen_through(example, windows, cells, self._importance(example, residual))

    def _faithful(self, leaf: Tensor, example: Example) -> tuple[Losses, Tensor]:
        match example:
            case CrossExample():
                losses, weights = self._plausibility(leaf, example)
            case WindowExample():
                losses, weights = self._window_distances(leaf, example)
            case _:
                losses, weights = self._distances(leaf, example)
        loss = torch.stack([weights[name] * value for name, value in losses.items()]).sum()
        (gradient,) = torch.autograd.grad(loss, leaf)
        return losses, gradient

    def _distances(self, leaf: Tensor, example: Example) -> tuple[Losses, dict[str, float]]:
        """Losses against the true picture, and their weights."""
        target: Head = example.inputs[2]
        settings = self.settings
        weights = self._importance(example, warp_error(example.inputs, example.truth))
        losses = {
            "lpips": self._perceptual(leaf, example.truth),
            "l1": (weights * (leaf - example.truth).abs()).mean(),
            "identity": self.identity(leaf, example.truth, target.points),
            "motion": self.motion(leaf, target),
        }
        chosen = {
            "lpips": settings.perceptual,
            "l1": settings.reconstruction,
            "identity": settings.identity,
            "motion": settings.motion,
        }
        if settings.crops:
            losses["crops"] = self._crop_distance(leaf, example)
            chosen["crops"] = settings.crops
        return losses, chosen

    def _window_distances(
        self, leaf: Tensor, example: WindowExample
    ) -> tuple[Losses, dict[str, float]]:
        """Losses against windows of the true picture, and their weights."""
        with self.accelerator.autocast():
            lpips = window_lpips(self.lpips, leaf, example.truth, self.random)
        settings = self.settings
        return (
            {
                "window lpips": lpips,
                "window l1": (example.importance * (leaf - example.truth).abs()).mean(),
            },
            {"window lpips": settings.perceptual, "window l1": settings.reconstruction},
        )

    def _importance(self, example: Example, residual: Tensor) -> Tensor:
        """Weights of the L1, (batch, 1, size, size)."""
        settings, size = self.settings, example.truth.shape[2]
        weights = attention(example.inputs[2].map, settings.attention)
        return F.adaptive_avg_pool2d(weights, size) + settings.residual * residual

    def _crop_distance(self, leaf: Tensor, example: Example) -> Tensor:
        """LPIPS of mouths and eyes at about twice their size."""
        points, side = example.inputs[2].points, self.config.size // 2
        with self.accelerator.autocast():
            seen, wanted = (crops(images, points, side) for images in (leaf, example.truth))
            return shifted_lpips(self.lpips, seen, wanted, self.random)

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
        if self.crop_judge is not None and not isinstance(example, WindowExample):
            seen = self.crop_judge.cut(leaf, example.inputs[2].points)
            realism = realism + self.settings.crop_adversarial * self.crop_judge.pull(seen)
        if isinstance(example, CrossExample):
            return realism
        with torch.no_grad():
            wanted = judge.features(change.images(example.truth))
        matching = F.l1_loss(features.float(), wanted.float())
        return realism + self.settings.feature_matching * matching

    def _discriminator_step(self, example: Example, generated: Tensor) -> Losses:
        losses = super()._discriminator_step(example, generated)
        if self.crop_judge is None or isinstance(example, WindowExample):
            return losses
        # With another person's driver the truth is a picture of that person: the source's own
        # mouth and eyes are as real.
        picture, source, target = example.inputs
        crossed = isinstance(example, CrossExample)
        real = (picture, source.points) if crossed else (example.truth, target.points)
        judge = self.crop_judge
        return losses | judge.learn(judge.cut(*real), judge.cut(generated, target.points))

    def _set_rates(self, progress: float) -> None:
        super()._set_rates(progress)
        if self.crop_judge is not None:
            self.crop_judge.set_rate(self.optimizer.param_groups[0]["lr"])

    @torch.no_grad()
    def samples(self) -> Image.Image:
        """Source, plain warp, image and truth of 16 fixed training pairs."""
        batch = self.source.pairs(16, torch.Generator().manual_seed(0), self.config.size)
        device = self.accelerator.device
        inputs = each_tensor(batch["inputs"], lambda tensor: tensor.to(device))
        images = self.average(*inputs)
        return pictures.grid([inputs[0], plain_warp(*inputs), images, batch["truth"]])
