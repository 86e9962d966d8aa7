"""Phase 1 for faces: the full-depth generator against true frames of the same person."""

from dataclasses import dataclass

import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from fiancee_hub.faces.outlines import attention
from fiancee_hub.models.exits import each_tensor
from fiancee_hub.models.portraits import Head, PortraitConfig, PortraitGenerator
from fiancee_hub.perceptual import PerceptualDistance
from fiancee_hub.training import pictures
from fiancee_hub.training.adversarial import AdversarialPhase, AdversarialSettings, Example
from fiancee_hub.training.discriminator import Discriminator, real_loss
from fiancee_hub.training.face_data import FaceFolder, PairSource, fit_expression_basis
from fiancee_hub.training.identity import IdentityLoss
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
    judged_from: float = 0.5
    """Share of the time after which the discriminator learns, at full size only."""
    pulls_from: float = 0.6
    """Share of the time after which it pulls; its cap grows until the end."""


class PortraitBackbonePhase(AdversarialPhase):
    """Pairs of frames of one group, and photographs with a changed copy of themselves."""

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
        self.lpips = PerceptualDistance().to(accelerator.device)
        self.identity = IdentityLoss(data.root).to(accelerator.device)

    def _adversarial_share(self, progress: float) -> float | None:
        settings = self.settings
        if not self.grown or progress < settings.judged_from:
            return None
        ramp = (progress - settings.pulls_from) / (1 - settings.pulls_from)
        return settings.adversarial_share * min(1.0, max(0.0, ramp))

    def _batch(self) -> Example:
        device = self.accelerator.device
        batch = self.source.pairs(self.settings.batch_size, self.random, self.config.size)
        batch = {
            name: each_tensor(value, lambda tensor: tensor.to(device))
            for name, value in batch.items()
        }
        labels = torch.zeros(len(batch["truth"]), *batch["truth"].shape[2:], device=device)
        return Example(batch["inputs"], batch["truth"], labels, torch.ones(2, device=device))

    def _faithful(self, leaf: Tensor, example: Example) -> tuple[dict[str, float], Tensor]:
        target: Head = example.inputs[2]
        settings = self.settings
        with self.accelerator.autocast():
            perceptual = shifted_lpips(self.lpips, leaf, example.truth, self.random)
        weights = F.adaptive_avg_pool2d(attention(target.map, settings.attention), leaf.shape[2])
        reconstruction = (weights * (leaf - example.truth).abs()).mean()
        identity = self.identity(leaf, example.truth, target.points)
        loss = (
            settings.perceptual * perceptual
            + settings.reconstruction * reconstruction
            + settings.identity * identity
        )
        (gradient,) = torch.autograd.grad(loss, leaf)
        losses = {"lpips": perceptual, "l1": reconstruction, "identity": identity}
        return {name: value.item() for name, value in losses.items()}, gradient

    def _pull(self, judge: Discriminator, leaf: Tensor, example: Example) -> Tensor:
        with torch.no_grad():
            wanted = judge.features(example.truth)
        features = judge.features(leaf)
        matching = F.l1_loss(features.float(), wanted.float())
        realism = real_loss(judge.classify(features), example.labels, example.weights)
        return realism + self.settings.feature_matching * matching

    @torch.no_grad()
    def samples(self) -> Image.Image:
        """Source, plain warp, image and truth of 16 fixed training pairs."""
        batch = self.source.pairs(16, torch.Generator().manual_seed(0), self.config.size)
        device = self.accelerator.device
        inputs = each_tensor(batch["inputs"], lambda tensor: tensor.to(device))
        fresh = PortraitGenerator(self.config).to(device)
        warp = fresh.condition(*inputs).warped_picture()
        return pictures.grid([inputs[0], warp, self.average(*inputs), batch["truth"]])
