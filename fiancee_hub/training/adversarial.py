"""What every backbone's training shares: a generator, its average, and a discriminator.

The gradients of the losses meet at the pixels: there the adversarial one is capped relative to
the faithful one, and only their sum goes back through the generator.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor, nn

from fiancee_hub.training.augmentation import OFF, Augmentation, Change
from fiancee_hub.training.averaging import update_average
from fiancee_hub.training.discriminator import Discriminator, fake_loss, real_loss
from fiancee_hub.training.lecam import LeCam, margin
from fiancee_hub.training.loop import Losses
from fiancee_hub.training.resumable import Resumable

FALLING = 0.3
"""Share of the time, at the end, over which the rates fall."""


@dataclass(frozen=True)
class AdversarialSettings:
    """Weights of the losses and rates of the optimizers."""

    perceptual: float = 10.0
    reconstruction: float = 1.0
    generator_rate: float = 3e-4
    discriminator_rate: float = 2e-4
    batch_size: int = 4
    workers: int = 0
    """Processes that draw batches, where drawing takes time; 0 draws in the training process."""
    average_decay: float = 0.998
    adversarial_share: float = 1.0
    """Cap of the adversarial gradient at the pixels, relative to the perceptual one: a
    discriminator on pretrained features soon wins, and would drown layout and colour."""
    final_rate: float = 0.1
    """Share of the learning rate at the end."""
    faithful_end: float = 1.0
    """What is left of the faithful losses at the end; they fall from the start, and the cap on
    the adversarial gradient does not fall with them."""
    lecam: float = 0.0
    """Weight of LeCam's regulariser; 0 does without."""
    compile: bool = False
    """Whether networks and losses are compiled; on an accelerator only."""
    augmentation: Augmentation = OFF
    """Of all that the discriminator sees, photographs and generated pictures alike."""


@dataclass(frozen=True)
class Example:
    """A training batch.

    Args:
        inputs: what the generator takes.
        truth: pictures (batch, 3, height, width) in [-1, 1].
        labels: class of every pixel for the discriminator, (batch, height, width).
        weights: of the classes and of "fake", (classes + 1,).
    """

    inputs: tuple[Any, ...]
    truth: Tensor
    labels: Tensor
    weights: Tensor


class AdversarialPhase(Resumable):
    """Generator and discriminator steps; a family gives the batches and the faithful loss."""

    def __init__(
        self,
        generator: nn.Module,
        average: nn.Module,
        classes: int,
        accelerator: Accelerator,
        settings: AdversarialSettings,
    ) -> None:
        self.settings, self.accelerator = settings, accelerator
        layout = torch.channels_last
        discriminator = Discriminator(classes).to(memory_format=layout)
        generator = generator.to(memory_format=layout)
        self.trained = [p for p in discriminator.parameters() if p.requires_grad]
        fused = accelerator.device.type == "cuda" or None
        adam = partial(torch.optim.Adam, betas=(0.0, 0.99), fused=fused)
        self.generator, self.discriminator, self.generator_optimizer, self.optimizer = (
            accelerator.prepare(
                generator,
                discriminator,
                adam(generator.parameters(), settings.generator_rate),
                adam(self.trained, settings.discriminator_rate),
            )
        )
        self.average = average.to(accelerator.device, memory_format=layout).eval()
        for network in (self.generator, self.discriminator):
            self._compiled(accelerator.unwrap_model(network))
        self.random = torch.Generator().manual_seed(accelerator.process_index)
        self.draws = self._device_random()
        self.lecam = LeCam(accelerator.device)
        self.falling = FALLING
        self.steps, self.grown = 0, False
        self.batch_size = settings.batch_size

    def _device_random(self) -> torch.Generator:
        """Random numbers on the device, drawn without waiting for it; those of the CPU are the
        phase's own, and an accelerator's begin anew from them whenever a state is restored."""
        device = self.accelerator.device
        if device.type == "cpu":
            return self.random
        seed = int(torch.randint(2**31, (), generator=self.random))
        return torch.Generator(device).manual_seed(seed)

    def _compiled(self, network: nn.Module) -> Any:
        """The network itself, compiled in place if the settings say so."""
        if self.settings.compile and self.accelerator.device.type != "cpu":
            network.compile(dynamic=False)
        return network

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.draws = self._device_random()
        if "lecam" in state:
            self.lecam.anchors.copy_(state["lecam"])

    def state(self) -> dict[str, Any]:
        return super().state() | {"lecam": self.lecam.anchors}

    def _batch(self) -> Example:
        """The next training batch, on the accelerator's device."""
        raise NotImplementedError

    def _faithful(self, leaf: Tensor, example: Example) -> tuple[Losses, Tensor]:
        """Distances to the truth by name, and the gradient of their sum at the pixels."""
        raise NotImplementedError

    def _adversarial_share(self, progress: float) -> float | None:
        """Cap of the adversarial gradient; None while there is no discriminator yet."""
        raise NotImplementedError

    def samples(self) -> Image.Image:
        """Images of the average beside their truth."""
        raise NotImplementedError

    def step(self, progress: float) -> Losses:
        self._set_rates(progress)
        example = self._batch()
        share = self._adversarial_share(progress)
        losses, generated = self._generator_step(example, share, progress)
        if share is not None:
            losses |= self._discriminator_step(example, generated)
        self.steps += 1
        decay = min(self.settings.average_decay, self.steps / (self.steps + 10))
        update_average(self.average, self.accelerator.unwrap_model(self.generator), decay)
        return losses

    def _set_rates(self, progress: float) -> None:
        fall = min(1.0, (1 - progress) / self.falling) if self.falling > 0 else 1.0
        factor = self.settings.final_rate + (1 - self.settings.final_rate) * fall
        warm = min(1.0, (self.steps + 1) / 100)
        for optimizer, rate in (
            (self.generator_optimizer, self.settings.generator_rate),
            (self.optimizer, self.settings.discriminator_rate),
        ):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor * warm

    def _generator_step(
        self, example: Example, share: float | None, progress: float
    ) -> tuple[Losses, Tensor]:
        with self.accelerator.autocast():
            generated = self._generate(example).float()
        leaf = generated.detach().requires_grad_()
        losses, gradient = self._faithful(leaf, example)
        if share:
            losses["adversarial"], pull = self._realistic(leaf, example)
            cap = share * gradient.norm() / pull.norm().clamp(min=1e-12)
            faithful = 1 - (1 - self.settings.faithful_end) * progress
            gradient = faithful * gradient + cap.clamp(max=1.0) * pull
        self.generator_optimizer.zero_grad()
        generated.backward(gradient)
        losses |= self._before_update(example, progress)
        self.generator_optimizer.step()
        return losses, leaf.detach()

    def _generate(self, example: Example) -> Tensor:
        """The pictures that all losses see."""
        images: Tensor = self.generator(*example.inputs)
        return images

    def _before_update(self, example: Example, progress: float) -> Losses:
        """Whatever else a family does to the generator's gradients before they are used."""
        return {}

    def _realistic(self, leaf: Tensor, example: Example) -> tuple[Tensor, Tensor]:
        """Adversarial loss, and its gradient at the generated pixels."""
        # Not through the distributed wrapper: this pass leaves its parameters alone.
        judge = self.accelerator.unwrap_model(self.discriminator)
        judge.requires_grad_(False)
        with self.accelerator.autocast():
            loss = self._pull(judge, leaf, example)
        (gradient,) = torch.autograd.grad(loss, leaf)
        for parameter in self.trained:
            parameter.requires_grad_(True)
        return loss.detach(), gradient

    def _pull(self, judge: Discriminator, leaf: Tensor, example: Example) -> Tensor:
        """The generator's adversarial loss."""
        change = self._change(len(leaf))
        return real_loss(judge(change.images(leaf)), change.labels(example.labels), example.weights)

    def _change(self, count: int) -> Change:
        """How the next pictures that the discriminator sees are augmented."""
        return self.settings.augmentation.draw(count, self.draws)

    def _discriminator_step(self, example: Example, generated: Tensor) -> Losses:
        change = self._change(2 * len(generated))
        with self.accelerator.autocast():
            logits = self.discriminator(change.images(torch.cat([example.truth, generated])))
        real, fake = logits.chunk(2)
        of_real, of_fake = change.labels(example.labels.repeat(2, 1, 1)).chunk(2)
        loss_real = real_loss(real, of_real, example.weights)
        loss_fake = fake_loss(fake)
        loss = loss_real + loss_fake
        if self.settings.lecam:
            sides = (real, of_real), (fake, of_fake)
            scores = [margin(logits, labels, example.weights) for logits, labels in sides]
            loss = loss + self.settings.lecam * self.lecam.penalty(*scores)
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        self.optimizer.step()
        return {"real": loss_real, "fake": loss_fake}

    def grow_from(self, state: dict[str, Any]) -> bool:
        """Takes over what fits of another phase: of one trained at half the size all but the
        last stage; of a packed one all but the discriminator's frozen encoder; of one for other
        classes or another size all but the layers that read those.

        Returns:
            Whether the generator is the other's altogether.
        """
        self.grown = True
        parts = self._parts()
        missing = 0
        for name in ("discriminator", "generator", "average"):
            own = parts[name].state_dict()
            fitting = {
                key: value
                for key, value in state[name].items()
                if key in own and own[key].shape == value.shape
            }
            parts[name].load_state_dict(own | fitting)
            missing += len(own) - len(fitting) if name == "generator" else 0
        return not missing

    def _parts(self) -> dict[str, Any]:
        unwrap = self.accelerator.unwrap_model
        return {
            "average": self.average,
            "generator": unwrap(self.generator),
            "discriminator": unwrap(self.discriminator),
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.optimizer,
        }
