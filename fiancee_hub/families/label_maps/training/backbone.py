"""Phase 1 for streets: the full-depth OASIS generator against real photographs."""

from dataclasses import dataclass

import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from fiancee_hub.core.perceptual import PerceptualDistance
from fiancee_hub.families.label_maps.classes import coloured
from fiancee_hub.families.label_maps.config import OasisConfig
from fiancee_hub.families.label_maps.generator import OasisGenerator
from fiancee_hub.families.label_maps.training.photographs import (
    DataFolder,
    enlarged,
    random_crops,
    to_signed,
)
from fiancee_hub.training import pictures
from fiancee_hub.training.adversarial import AdversarialPhase, AdversarialSettings, Example
from fiancee_hub.training.augmentation import DIFF_AUGMENT, Augmentation
from fiancee_hub.training.averaging import add_spectral_norm
from fiancee_hub.training.discriminator import class_weights
from fiancee_hub.training.loop import Losses
from fiancee_hub.training.losses import shifted_lpips

LAYOUT_STEPS = 400
"""Steps without a discriminator at the start of all."""


@dataclass(frozen=True)
class LabelMapSettings(AdversarialSettings):
    """Few photographs: what the discriminator sees is augmented, and it may pull harder."""

    adversarial_share: float = 3.0
    augmentation: Augmentation = DIFF_AUGMENT


class BackbonePhase(AdversarialPhase):
    """Random crops of the training photographs, with their label maps."""

    def __init__(
        self,
        config: OasisConfig,
        data: DataFolder,
        accelerator: Accelerator,
        settings: LabelMapSettings = LabelMapSettings(),
    ) -> None:
        self.config = config
        self.table = data.table
        size = config.height, config.width
        self.photos = data.images("photos", enlarged(size))
        self.maps = data.label_maps("photos", enlarged(size))
        generator = add_spectral_norm(OasisGenerator(config))
        super().__init__(generator, OasisGenerator(config), config.classes, accelerator, settings)
        self.lpips = PerceptualDistance().to(accelerator.device)

    def _adversarial_share(self, progress: float) -> float | None:
        started = self.grown or self.steps >= LAYOUT_STEPS
        return self.settings.adversarial_share if started else None

    def _batch(self) -> Example:
        picks = torch.randint(len(self.photos), (self.settings.batch_size,), generator=self.random)
        size = self.config.height, self.config.width
        images, labels = random_crops((self.photos[picks], self.maps[picks]), size, self.random)
        # Half of the maps that people bring have no lane markings; the road must do without, and
        # so must whatever else the table calls a part of another class.
        for part, whole in self.table.part_of.items():
            plain = torch.rand(len(labels), 1, 1, generator=self.random) < 0.15
            labels = torch.where(plain & (labels == part), whole, labels)
        noise = torch.randn(len(images), self.config.noise_channels, generator=self.random)
        device = self.accelerator.device
        labels = labels.to(device)
        weights = class_weights(labels, self.config.classes, self.table.unknown)
        return Example((labels, noise.to(device)), to_signed(images).to(device), labels, weights)

    def _faithful(self, leaf: Tensor, example: Example) -> tuple[Losses, Tensor]:
        with self.accelerator.autocast():
            perceptual = shifted_lpips(self.lpips, leaf, example.truth, self.random)
        reconstruction = F.l1_loss(leaf, example.truth)
        loss = self.settings.perceptual * perceptual + self.settings.reconstruction * reconstruction
        (gradient,) = torch.autograd.grad(loss, leaf)
        return {"lpips": perceptual, "l1": reconstruction}, gradient

    @torch.no_grad()
    def samples(self) -> Image.Image:
        """Maps, images and photographs of 16 fixed training pictures."""
        picks = torch.linspace(0, len(self.maps) - 1, 16).long()
        height, width = self.config.height, self.config.width
        labels = self.maps[picks, :height, :width].to(self.accelerator.device)
        photos = to_signed(self.photos[picks, :, :height, :width])
        noise = torch.randn(
            16, self.config.noise_channels, generator=torch.Generator().manual_seed(0)
        )
        images = self.average(labels, noise.to(labels.device)).cpu()
        return pictures.grid([coloured(labels.cpu(), self.table.entries), images, photos])
