"""Phase 1: the full-depth OASIS generator against real photographs."""

from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from fiancee_hub.models.oasis import OasisConfig, OasisGenerator
from fiancee_hub.perceptual import PerceptualDistance
from fiancee_hub.training import pictures
from fiancee_hub.training.averaging import add_spectral_norm, update_average
from fiancee_hub.training.classes import LANE_MARKING, ROAD, UNKNOWN
from fiancee_hub.training.data import DataFolder, enlarged, random_crops, to_signed
from fiancee_hub.training.discriminator import (
    Discriminator,
    class_weights,
    fake_loss,
    real_loss,
)
from fiancee_hub.training.losses import shifted_lpips
from fiancee_hub.training.resumable import Resumable


@dataclass(frozen=True)
class BackboneSettings:
    """Weights of the losses and rates of the optimizers."""

    perceptual: float = 10.0
    reconstruction: float = 1.0
    generator_rate: float = 3e-4
    discriminator_rate: float = 2e-4
    batch_size: int = 4
    average_decay: float = 0.998
    adversarial_share: float = 1.0
    """Cap of the adversarial gradient at the pixels, relative to the perceptual one: a
    discriminator on pretrained features soon wins, and would drown layout and colour."""
    layout_steps: int = 400
    """Steps without a discriminator at the start of all."""
    final_rate: float = 0.1
    """Share of the learning rate at the end; it falls over the last 30 % of the time."""


class BackbonePhase(Resumable):
    """Generator and discriminator steps on random crops of the training photographs."""

    def __init__(
        self,
        config: OasisConfig,
        data: DataFolder,
        accelerator: Accelerator,
        settings: BackboneSettings = BackboneSettings(),
    ) -> None:
        self.config, self.settings, self.accelerator = config, settings, accelerator
        self.classes = data.classes
        size = config.height, config.width
        self.photos = data.images("photos", enlarged(size))
        self.maps = data.label_maps("photos", enlarged(size))
        device = accelerator.device
        layout = torch.channels_last
        generator = add_spectral_norm(OasisGenerator(config)).to(memory_format=layout)
        discriminator = Discriminator(config.classes).to(memory_format=layout)
        self.trained = [p for p in discriminator.parameters() if p.requires_grad]
        betas = (0.0, 0.99)
        self.generator, self.discriminator, self.generator_optimizer, self.optimizer = (
            accelerator.prepare(
                generator,
                discriminator,
                torch.optim.Adam(generator.parameters(), settings.generator_rate, betas=betas),
                torch.optim.Adam(self.trained, settings.discriminator_rate, betas=betas),
            )
        )
        self.average = OasisGenerator(config).to(device, memory_format=layout).eval()
        self.lpips = PerceptualDistance().to(device)
        self.random = torch.Generator().manual_seed(accelerator.process_index)
        self.steps, self.grown = 0, False
        self.batch_size = settings.batch_size

    def step(self, progress: float) -> dict[str, float]:
        self._set_rates(progress)
        images, labels = self._batch()
        noise = torch.randn(len(images), self.config.noise_channels, generator=self.random)
        weights = class_weights(labels, self.config.classes, UNKNOWN)
        losses, generated = self._generator_step(images, labels, noise, weights)
        if self.adversarial:
            losses |= self._discriminator_step(images, generated, labels, weights)
        self.steps += 1
        decay = min(self.settings.average_decay, self.steps / (self.steps + 10))
        update_average(self.average, self.accelerator.unwrap_model(self.generator), decay)
        return losses

    @property
    def adversarial(self) -> bool:
        return self.grown or self.steps >= self.settings.layout_steps

    def _set_rates(self, progress: float) -> None:
        fall = min(1.0, (1 - progress) / 0.3)
        factor = self.settings.final_rate + (1 - self.settings.final_rate) * fall
        warm = min(1.0, (self.steps + 1) / 100)
        for optimizer, rate in (
            (self.generator_optimizer, self.settings.generator_rate),
            (self.optimizer, self.settings.discriminator_rate),
        ):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor * warm

    def _batch(self) -> tuple[Tensor, Tensor]:
        picks = torch.randint(len(self.photos), (self.settings.batch_size,), generator=self.random)
        size = self.config.height, self.config.width
        images, labels = random_crops((self.photos[picks], self.maps[picks]), size, self.random)
        # Half of the maps that people bring have no lane markings; the road must do without.
        plain = torch.rand(len(labels), 1, 1, generator=self.random) < 0.15
        labels = torch.where(plain & (labels == LANE_MARKING), ROAD, labels)
        device = self.accelerator.device
        return to_signed(images).to(device), labels.to(device)

    def _generator_step(
        self, images: Tensor, labels: Tensor, noise: Tensor, weights: Tensor
    ) -> tuple[dict[str, float], Tensor]:
        with self.accelerator.autocast():
            generated = self.generator(labels, noise.to(images.device)).float()
        leaf = generated.detach().requires_grad_()
        losses, gradient = self._faithful(leaf, images)
        if self.adversarial:
            losses["adversarial"], pull = self._realistic(leaf, labels, weights)
            share = self.settings.adversarial_share * gradient.norm() / pull.norm().clamp(min=1e-12)
            gradient = gradient + share.clamp(max=1.0) * pull
        self.generator_optimizer.zero_grad()
        generated.backward(gradient)
        self.generator_optimizer.step()
        return losses, leaf.detach()

    def _faithful(self, leaf: Tensor, images: Tensor) -> tuple[dict[str, float], Tensor]:
        """Distance to the photographs, and its gradient at the generated pixels."""
        with self.accelerator.autocast():
            perceptual = shifted_lpips(self.lpips, leaf, images, self.random)
        reconstruction = F.l1_loss(leaf, images)
        loss = self.settings.perceptual * perceptual + self.settings.reconstruction * reconstruction
        (gradient,) = torch.autograd.grad(loss, leaf)
        return {"lpips": perceptual.item(), "l1": reconstruction.item()}, gradient

    def _realistic(self, leaf: Tensor, labels: Tensor, weights: Tensor) -> tuple[float, Tensor]:
        """Adversarial loss, and its gradient at the generated pixels."""
        # Not through the distributed wrapper: this pass leaves its parameters alone.
        judge = self.accelerator.unwrap_model(self.discriminator)
        judge.requires_grad_(False)
        with self.accelerator.autocast():
            loss = real_loss(judge(leaf), labels, weights)
        (gradient,) = torch.autograd.grad(loss, leaf)
        for parameter in self.trained:
            parameter.requires_grad_(True)
        return loss.item(), gradient

    def _discriminator_step(
        self, images: Tensor, generated: Tensor, labels: Tensor, weights: Tensor
    ) -> dict[str, float]:
        with self.accelerator.autocast():
            logits = self.discriminator(torch.cat([images, generated.to(images.dtype)]))
        real, fake = logits.chunk(2)
        loss_real, loss_fake = real_loss(real, labels, weights), fake_loss(fake)
        self.optimizer.zero_grad()
        self.accelerator.backward(loss_real + loss_fake)
        self.optimizer.step()
        return {"real": loss_real.item(), "fake": loss_fake.item()}

    def grow_from(self, state: dict[str, Any]) -> None:
        """Takes over what fits of another phase: of one trained at half the size all but the
        last stage; of a packed one all but the discriminator's frozen encoder."""
        self.grown = True
        parts = self._parts()
        for name in ("discriminator", "generator", "average"):
            own = parts[name].state_dict()
            fitting = {
                key: value
                for key, value in state[name].items()
                if key in own and own[key].shape == value.shape
            }
            parts[name].load_state_dict(own | fitting)

    def _parts(self) -> dict[str, Any]:
        unwrap = self.accelerator.unwrap_model
        return {
            "average": self.average,
            "generator": unwrap(self.generator),
            "discriminator": unwrap(self.discriminator),
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.optimizer,
        }

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
        return pictures.grid([pictures.colour(labels.cpu(), self.classes), images, photos])
