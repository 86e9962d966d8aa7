"""Phase 3: branches learn full depth's image; the trunk stays (FIANCEE, arXiv 2304.10306)."""

from collections.abc import Generator
from functools import cached_property, partial
from typing import Any

import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from fiancee_hub.core.errors import DataError
from fiancee_hub.core.exits import Branch, EarlyExitModel, Progress
from fiancee_hub.core.nested import each_tensor
from fiancee_hub.core.perceptual import PerceptualDistance
from fiancee_hub.measuring.measure import render_all
from fiancee_hub.training import pictures
from fiancee_hub.training.branch_settings import BranchSettings
from fiancee_hub.training.discriminator import (
    Discriminator,
    fake_loss,
    real_loss,
)
from fiancee_hub.training.loading import batches
from fiancee_hub.training.loop import Losses
from fiancee_hub.training.losses import STRIDE
from fiancee_hub.training.resumable import Resumable
from fiancee_hub.training.task import Inputs, Task


class _Branches(nn.Module):
    """All branches at once, as one module that a distributed run can wrap."""

    def __init__(self, model: EarlyExitModel) -> None:
        super().__init__()
        self.branches = model.branches
        self.stages = [config.stage for config in model.exit_configs]

    def groups(self, gate_rate: float) -> list[dict[str, Any]]:
        """Parameters for an optimizer, and which share of the rate they learn with."""
        branches = [branch for branch in self.branches if isinstance(branch, Branch)]
        gated = [parameter for branch in branches for parameter in branch.gated()]
        known = set(map(id, gated))
        others = [parameter for parameter in self.parameters() if id(parameter) not in known]
        groups = ({"params": others, "share": 1.0}, {"params": gated, "share": gate_rate})
        return [group for group in groups if group["params"]]

    def forward(self, progress: Progress, guide: Tensor | None) -> list[Tensor]:
        return [
            branch(progress.features[stage - 1] if stage else None, progress.condition, guide)
            for branch, stage in zip(self.branches, self.stages, strict=True)
        ]


class BranchPhase(Resumable):
    """Every branch at once on fresh maps and noise: LPIPS and L1 to the full-depth image, and on
    some branches of every step an adversarial term, against a copy of the backbone's
    discriminator, or a fresh one where the backbone came without."""

    def __init__(
        self,
        model: EarlyExitModel,
        discriminator_state: dict[str, Tensor] | None,
        task: Task,
        accelerator: Accelerator,
        settings: BranchSettings = BranchSettings(),
    ) -> None:
        device = accelerator.device
        self.model = model.to(device, memory_format=torch.channels_last)
        self.model.requires_grad_(False).eval()
        self.settings, self.accelerator, self.task = settings, accelerator, task
        self.source = task.source()
        branches = _Branches(model)
        if not any(True for _ in branches.parameters()):
            raise DataError("none of the exits has anything to learn: choose others with --exits")
        branches.requires_grad_(True)
        discriminator = Discriminator(task.classes)
        if discriminator_state is not None:
            discriminator.load_state_dict(discriminator_state)
        discriminator = discriminator.to(memory_format=torch.channels_last)
        self.trained = [p for p in discriminator.parameters() if p.requires_grad]
        betas = (0.5, 0.99)
        self.branches, self.discriminator, self.optimizer, self.discriminator_optimizer = (
            accelerator.prepare(
                branches,
                discriminator,
                torch.optim.Adam(branches.groups(settings.gate_rate), settings.rate, betas=betas),
                torch.optim.Adam(self.trained, settings.discriminator_rate, betas=(0.0, 0.99)),
            )
        )
        self.lpips = PerceptualDistance().to(device)
        self.random = torch.Generator().manual_seed(1000 + accelerator.process_index)
        self.steps, self.batch_size = 0, settings.batch_size

    def step(self, progress: float) -> Losses:
        self._set_mode(progress)
        inputs = self._placed(next(self.batches))
        labels, weights = self.task.judged(inputs)
        state, target = self._full_depth(inputs)
        with self.accelerator.autocast():
            images = self.branches(state, self._guide(state))
        images = [image.float() for image in images]
        leaves = [image.detach().requires_grad_() for image in images]
        distances, gradients = self._faithful(leaves, target)
        # An exit may have nothing to learn.
        learning = [index for index, image in enumerate(images) if image.requires_grad]
        picks = [learning[pick] for pick in self._picked(len(learning))]
        adversarial = [
            self._add_realistic(leaves[pick], target, gradients[pick], labels, weights)
            for pick in picks
        ]
        self.optimizer.zero_grad()
        torch.autograd.backward(
            [images[index] for index in learning], [gradients[index] for index in learning]
        )
        self.optimizer.step()
        losses = {f"exit {index}": value for index, value in enumerate(distances, 1)}
        shown = [leaves[pick].detach() for pick in picks]
        losses |= self._discriminator_step(target, shown, labels, weights)
        self.steps += 1
        return losses | {"adversarial": torch.stack(adversarial).mean()}

    def _picked(self, branches: int) -> list[int]:
        """Which branches the discriminator sees in this step."""
        count = self.settings.adversarial_branches or branches
        if count == 1:
            return [int(torch.randint(branches, (), generator=self.random))]
        return torch.randperm(branches, generator=self.random)[:count].tolist()

    @cached_property
    def batches(self) -> Generator[Inputs]:
        """Begun with the first step, when a resumed run has its random numbers back."""
        draw = partial(self.source.draw, self.settings.batch_size)
        return batches(draw, self.random, self.settings.workers)

    def _placed(self, inputs: Inputs) -> Inputs:
        device = self.accelerator.device
        placed: Inputs = each_tensor(inputs, lambda tensor: tensor.to(device, non_blocking=True))
        return placed

    def _set_mode(self, progress: float) -> None:
        self.branches.train()
        if progress > 1 - self.settings.frozen_statistics:
            for module in self.branches.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        fall = self.settings.final_rate + (1 - self.settings.final_rate) * (1 - progress)
        for group in self.optimizer.param_groups:
            rate = self.settings.rate * group["share"]
            group["lr"] = rate * fall * min(1.0, (self.steps + 1) / 50)

    @torch.no_grad()
    def _full_depth(self, inputs: Inputs) -> tuple[Progress, Tensor]:
        with self.accelerator.autocast():
            state = self.model.start(*inputs)
            image, state = self.model.render(state, self.model.exits)
        return state, image.float()

    @torch.no_grad()
    def _guide(self, state: Progress) -> Tensor | None:
        """A guide near, but not always nearest: the nearest is often the training map itself."""
        bank = self.model.guides
        if bank is None or float(torch.rand((), generator=self.random)) < self.settings.unguided:
            return None
        nearest = min(3, len(bank.values))
        rank = int(torch.randint(nearest, (), generator=self.random))
        guide = self.model.look_up(state, rank=rank).guide
        assert guide is not None
        return guide.values

    def _faithful(self, leaves: list[Tensor], target: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """LPIPS of every branch, and the gradients at their pixels."""
        left, top = (int(torch.randint(STRIDE, (), generator=self.random)) for _ in range(2))
        pad = (left, STRIDE - 1 - left, top, STRIDE - 1 - top)
        distances, gradients = [], []
        with torch.no_grad(), self.accelerator.autocast():
            wanted = self.lpips.features(F.pad(target, pad, mode="reflect"))
        for leaf in leaves:
            with self.accelerator.autocast():
                seen = self.lpips.features(F.pad(leaf, pad, mode="reflect"))
                distance = self.lpips.between(seen, wanted).mean()
            loss = distance + self.settings.reconstruction * F.l1_loss(leaf, target)
            gradients.append(torch.autograd.grad(loss, leaf)[0])
            distances.append(distance.detach())
        return distances, gradients

    def _add_realistic(
        self, leaf: Tensor, target: Tensor, gradient: Tensor, labels: Tensor, weights: Tensor
    ) -> Tensor:
        """Adds what the discriminator says to ``gradient`` in place; its loss."""
        judge = self.accelerator.unwrap_model(self.discriminator)
        judge.requires_grad_(False)
        faithful, matching = gradient.norm(), self.settings.feature_matching
        with self.accelerator.autocast():
            features = judge.features(leaf)
            loss = real_loss(judge.classify(features), labels, weights)
        (pull,) = torch.autograd.grad(loss, leaf, retain_graph=matching > 0)
        _add(gradient, pull, self.settings.adversarial_share * faithful)
        if matching:
            with torch.no_grad(), self.accelerator.autocast():
                wanted = judge.features(target)
            (pull,) = torch.autograd.grad(F.l1_loss(features.float(), wanted.float()), leaf)
            _add(gradient, pull, matching * faithful)
        for parameter in self.trained:
            parameter.requires_grad_(True)
        return loss.detach()

    def _discriminator_step(
        self, target: Tensor, shown: list[Tensor], labels: Tensor, weights: Tensor
    ) -> Losses:
        with self.accelerator.autocast():
            logits = self.discriminator(torch.cat([target, *shown]))
        real, *fakes = logits.split(len(target))
        loss = real_loss(real, labels, weights) + fake_loss(torch.cat(fakes))
        self.discriminator_optimizer.zero_grad()
        self.accelerator.backward(loss)
        self.discriminator_optimizer.step()
        return {"discriminator": loss}

    def _parts(self) -> dict[str, Any]:
        unwrap = self.accelerator.unwrap_model
        return {
            "branches": unwrap(self.branches),
            "discriminator": unwrap(self.discriminator),
            "optimizer": self.optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }

    @torch.no_grad()
    def samples(self) -> Image.Image:
        """Inputs and every exit's image, full depth last."""
        self.model.eval()
        inputs = self._placed(self.source.draw(8, torch.Generator().manual_seed(0)))
        with self.accelerator.autocast():
            images, _ = render_all(self.model, self.model.start(*inputs))
        return pictures.grid([*self.task.preview(inputs), *images], blocks=1)


def _add(gradient: Tensor, pull: Tensor, size: Tensor) -> None:
    """Adds ``pull`` in the given size to ``gradient`` in place."""
    gradient.addcmul_(pull, size / pull.norm().clamp(min=1e-12))
