"""Phase 1 for label maps: the full-depth OASIS generator against real photographs."""

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
from fiancee_hub.families.label_maps.training.warping import warped
from fiancee_hub.training import pictures
from fiancee_hub.training.adversarial import AdversarialPhase, AdversarialSettings, Example
from fiancee_hub.training.augmentation import DIFF_AUGMENT, Augmentation
from fiancee_hub.training.averaging import add_spectral_norm
from fiancee_hub.training.discriminator import class_weights
from fiancee_hub.training.loop import Losses
from fiancee_hub.training.losses import shifted_lpips

LAYOUT_STEPS = 400
"""Steps without a discriminator at the start of all."""

MOST_BYTES = 4 * 2**30
"""Photographs up to this size lie on the accelerator itself, larger sets beside it."""


@dataclass(frozen=True)
class LabelMapSettings(AdversarialSettings):
    """Few photographs: what the discriminator sees is augmented, and it may pull harder."""

    adversarial_share: float = 3.0
    augmentation: Augmentation = DIFF_AUGMENT
    warping: float = 0.0
    """Of the label map at the generator's input, in pixels; 0 leaves it as it is."""
    elsewhere: float = 0.0
    """Share of the pictures that are photographs of the splits ``photos-*``, of other places."""


class BackbonePhase(AdversarialPhase):
    """Random crops of the training photographs, with their label maps."""

    settings: LabelMapSettings

    def __init__(
        self,
        config: OasisConfig,
        data: DataFolder,
        accelerator: Accelerator,
        settings: LabelMapSettings = LabelMapSettings(),
    ) -> None:
        self.config = config
        self.table = data.table
        generator = add_spectral_norm(OasisGenerator(config))
        super().__init__(generator, OasisGenerator(config), config.classes, accelerator, settings)
        self.lpips = self._compiled(PerceptualDistance().to(accelerator.device))
        splits = ["photos", *(data.splits("photos-") if settings.elsewhere else ())]
        self.counts = [len(data.names(split)) for split in splits]
        size = enlarged((config.height, config.width))
        self.photos = self._kept([data.images(split, size) for split in splits])
        self.maps = self._kept([data.label_maps(split, size) for split in splits])

    def _kept(self, parts: list[Tensor]) -> Tensor:
        """On the accelerator itself, if it is not too much for that."""
        whole = torch.cat(parts) if len(parts) > 1 else parts[0]
        return whole.to(self.accelerator.device) if whole.nbytes <= MOST_BYTES else whole

    def _adversarial_share(self, progress: float) -> float | None:
        started = self.grown or self.steps >= LAYOUT_STEPS
        return self.settings.adversarial_share if started else None

    def _batch(self) -> Example:
        device = self.accelerator.device
        images, labels = (drawn.to(device, non_blocking=True) for drawn in self._crops())
        # Maps that people bring may leave out what the table calls a part of another class.
        for part, whole in self.table.part_of.items():
            plain = torch.rand(len(labels), 1, 1, generator=self.draws, device=device) < 0.15
            labels = torch.where(plain & (labels == part), whole, labels)
        shape = len(images), self.config.noise_channels
        noise = torch.randn(*shape, generator=self.draws, device=device)
        weights = class_weights(labels, self.config.classes, self.table.unknown)
        shown = labels
        if self.settings.warping:
            shown = warped(labels, self.settings.warping, self.draws)
        return Example((shown, noise), to_signed(images), labels, weights)

    def _crops(self) -> tuple[Tensor, ...]:
        """Pictures and their maps, drawn and cut where they are kept."""
        device, shape, own = self.photos.device, (self.settings.batch_size,), self.counts[0]
        random = self.random if device.type == "cpu" else self.draws
        picks = torch.randint(own, shape, generator=random, device=device)
        if further := sum(self.counts[1:]):
            others = own + torch.randint(further, shape, generator=random, device=device)
            chosen = torch.rand(shape, generator=random, device=device) < self.settings.elsewhere
            picks = torch.where(chosen, others, picks)
        size = self.config.height, self.config.width
        maps = self.maps[picks.to(self.maps.device)].to(device)
        return random_crops((self.photos[picks], maps), size, random)

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
        picks = torch.linspace(0, len(self.maps) - 1, 16).long().to(self.maps.device)
        height, width = self.config.height, self.config.width
        labels = self.maps[picks, :height, :width].to(self.accelerator.device)
        photos = to_signed(self.photos[picks, :, :height, :width])
        noise = torch.randn(
            16, self.config.noise_channels, generator=torch.Generator().manual_seed(0)
        )
        images = self.average(labels, noise.to(labels.device)).cpu()
        return pictures.grid([coloured(labels.cpu(), self.table.entries), images, photos])
