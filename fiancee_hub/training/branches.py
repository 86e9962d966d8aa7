"""Phase 3: branches learn full depth's image; the trunk stays (FIANCEE, arXiv 2304.10306)."""

from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from operator import itemgetter
from typing import Any, NamedTuple

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from fiancee_hub.core.errors import DataError
from fiancee_hub.core.exits import Branch, EarlyExitModel, Progress, join
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
from fiancee_hub.training.task import Inputs, Scene, Task

SAMPLES = 8
"""Inputs of a sample grid."""


class _Branches(nn.Module):
    """All branches, as one module that a distributed run can wrap."""

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

    def learning(self) -> list[int]:
        """Indices of the branches that have anything to learn."""
        return [
            index
            for index, branch in enumerate(self.branches)
            if any(parameter.requires_grad for parameter in branch.parameters())
        ]

    def forward(
        self, progress: Progress, guide: Tensor | None, chosen: Sequence[int]
    ) -> list[Tensor]:
        """Pictures of the chosen branches (indices)."""
        return [self._picture(index, progress, guide) for index in chosen]

    def _picture(self, index: int, progress: Progress, guide: Tensor | None) -> Tensor:
        stage = self.stages[index]
        features = progress.features[stage - 1] if stage else None
        picture: Tensor = self.branches[index](features, progress.condition, guide)
        return picture


class _Lesson(NamedTuple):
    """What the branches of a step are to learn.

    ``padding`` shifts pictures before LPIPS sees them, ``wanted`` is what it sees in the shifted
    target, ``picked`` are the branches that the discriminator sees.
    """

    scene: Scene
    padding: tuple[int, int, int, int]
    wanted: list[Tensor]
    picked: list[int]


class _Learnt(NamedTuple):
    """A branch's distance to the target, and, if the discriminator saw it, what that said of
    which picture."""

    distance: Tensor
    adversarial: Tensor | None
    picture: Tensor | None


class BranchPhase(Resumable):
    """Every branch on fresh maps and noise: LPIPS and L1 to the full-depth image, and on some
    branches of every step an adversarial term, against a copy of the backbone's discriminator,
    or a fresh one where the backbone came without."""

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
        betas, groups = (0.5, 0.99), branches.groups(settings.gate_rate)
        # Apart from the optimizer, whose state brings those of an earlier run back.
        self.shares = [group["share"] for group in groups]
        self.branches, self.discriminator, self.optimizer, self.discriminator_optimizer = (
            accelerator.prepare(
                branches,
                discriminator,
                torch.optim.Adam(groups, settings.rate, betas=betas),
                torch.optim.Adam(self.trained, settings.discriminator_rate, betas=(0.0, 0.99)),
            )
        )
        self.lpips = PerceptualDistance().to(device)
        self.random = torch.Generator().manual_seed(1000 + accelerator.process_index)
        self.steps, self.batch_size = 0, settings.batch_size

    def step(self, progress: float) -> Losses:
        self._set_mode(progress)
        lesson = self._lesson(self._placed(next(self.batches)))
        self.optimizer.zero_grad()
        everyone = list(range(len(self.model.exit_configs)))
        together = [[index] for index in everyone] if self.settings.low_memory else [everyone]
        learnt = [one for chosen in together for one in self._teach(chosen, lesson)]
        if self.settings.low_memory:
            self._share()
        self.optimizer.step()
        losses = {f"exit {index}": one.distance for index, one in enumerate(learnt, 1)}
        shown = [one.picture for one in learnt if one.picture is not None]
        said = [one.adversarial for one in learnt if one.adversarial is not None]
        losses |= self._discriminator_step(lesson.scene, shown)
        self.steps += 1
        return losses | {"adversarial": torch.stack(said).mean()}

    def _lesson(self, inputs: Inputs) -> _Lesson:
        scene = self._scene(inputs)
        left, top = (int(torch.randint(STRIDE, (), generator=self.random)) for _ in range(2))
        padding = left, STRIDE - 1 - left, top, STRIDE - 1 - top
        with torch.no_grad(), self.accelerator.autocast():
            wanted = self.lpips.features(F.pad(scene.target, padding, mode="reflect"))
        learning = self.accelerator.unwrap_model(self.branches).learning()
        picked = [learning[pick] for pick in self._picked(len(learning))]
        return _Lesson(scene, padding, wanted, picked)

    def _scene(self, inputs: Inputs) -> Scene:
        """Whole pictures, or parts of them."""
        state, target = self._full_depth(inputs)
        scene = Scene(state, self._guide(state), target, *self.task.judged(inputs))
        share = self.settings.windowed
        if not share or float(torch.rand((), generator=self.random)) >= share:
            return scene
        parts = self.task.focus(scene, inputs, self.random)
        if parts is None:
            raise DataError("branches.windowed: this family's pictures are seen whole only")
        return parts

    def _teach(self, chosen: list[int], lesson: _Lesson) -> list[_Learnt]:
        """Adds what some branches have to learn to their gradients; what they make in between is
        forgotten then."""
        # A distributed run's wrapper wants to see all branches at once.
        whole = not self.settings.low_memory
        branches = self.branches if whole else self.accelerator.unwrap_model(self.branches)
        with self.accelerator.autocast():
            pictures = branches(lesson.scene.state, lesson.scene.guide, chosen)
        pictures = [lesson.scene.shown(picture).float() for picture in pictures]
        gradients, learnt = [], []
        for index, picture in zip(chosen, pictures, strict=True):
            leaf = picture.detach().requires_grad_()
            distance, gradient = self._faithful(leaf, lesson)
            said = None
            if index in lesson.picked:
                said = self._add_realistic(leaf, lesson.scene, gradient)
            gradients.append(gradient)
            learnt.append(_Learnt(distance, said, leaf.detach() if said is not None else None))
        pairs = [pair for pair in zip(pictures, gradients, strict=True) if pair[0].requires_grad]
        if pairs:
            made, pulls = (list(column) for column in zip(*pairs, strict=True))
            torch.autograd.backward(made, pulls)
        return learnt

    def _share(self) -> None:
        """What the wrapper of a distributed run would do: gradients of all processes averaged,
        normalisation statistics those of the main one."""
        if self.accelerator.num_processes == 1:
            return
        branches = self.accelerator.unwrap_model(self.branches)
        for parameter in branches.parameters():
            if parameter.grad is not None:
                parameter.grad = self.accelerator.reduce(parameter.grad, "mean")
        for buffer in branches.buffers():
            buffer.copy_(broadcast(buffer))

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
        for group, share in zip(self.optimizer.param_groups, self.shares, strict=True):
            group["lr"] = self.settings.rate * share * fall * min(1.0, (self.steps + 1) / 50)

    @torch.no_grad()
    def _full_depth(self, inputs: Inputs) -> tuple[Progress, Tensor]:
        """The state that branches leave from, and full depth's pictures."""
        size = 1 if self.settings.low_memory else self.settings.batch_size
        parts = [self._rendered(part) for part in _parts_of(inputs, size)]
        state = join([state for state, _ in parts]) if len(parts) > 1 else parts[0][0]
        return state, torch.cat([picture for _, picture in parts])

    def _rendered(self, inputs: Inputs) -> tuple[Progress, Tensor]:
        with self.accelerator.autocast():
            state = self.model.start(*inputs)
            image, state = self.model.render(state, self.model.exits)
        # No branch leaves later.
        last = max(config.stage for config in self.model.exit_configs)
        return replace(state, features=state.features[:last]), image.float()

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

    def _faithful(self, leaf: Tensor, lesson: _Lesson) -> tuple[Tensor, Tensor]:
        """LPIPS of a branch, and the gradient at its pixels."""
        with self.accelerator.autocast():
            seen = self.lpips.features(F.pad(leaf, lesson.padding, mode="reflect"))
            distance = self.lpips.between(seen, lesson.wanted).mean()
        loss = distance + self.settings.reconstruction * F.l1_loss(leaf, lesson.scene.target)
        (gradient,) = torch.autograd.grad(loss, leaf)
        return distance.detach(), gradient

    def _add_realistic(self, leaf: Tensor, scene: Scene, gradient: Tensor) -> Tensor:
        """Adds what the discriminator says to ``gradient`` in place; its loss."""
        judge = self.accelerator.unwrap_model(self.discriminator)
        judge.requires_grad_(False)
        faithful, matching = gradient.norm(), self.settings.feature_matching
        with self.accelerator.autocast():
            features = judge.features(leaf)
            loss = real_loss(judge.classify(features), scene.labels, scene.weights)
        (pull,) = torch.autograd.grad(loss, leaf, retain_graph=matching > 0)
        _add(gradient, pull, self.settings.adversarial_share * faithful)
        if matching:
            with torch.no_grad(), self.accelerator.autocast():
                wanted = judge.features(scene.target)
            (pull,) = torch.autograd.grad(F.l1_loss(features.float(), wanted.float()), leaf)
            _add(gradient, pull, matching * faithful)
        for parameter in self.trained:
            parameter.requires_grad_(True)
        return loss.detach()

    def _discriminator_step(self, scene: Scene, shown: list[Tensor]) -> Losses:
        with self.accelerator.autocast():
            logits = self.discriminator(torch.cat([scene.target, *shown]))
        real, *fakes = logits.split(len(scene.target))
        loss = real_loss(real, scene.labels, scene.weights) + fake_loss(torch.cat(fakes))
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
        inputs = self._placed(self.source.draw(SAMPLES, torch.Generator().manual_seed(0)))
        parts = []
        for part in _parts_of(inputs, 1 if self.settings.low_memory else SAMPLES):
            with self.accelerator.autocast():
                parts.append(render_all(self.model, self.model.start(*part))[0])
        images = [torch.cat(exits) for exits in zip(*parts, strict=True)]
        return pictures.grid([*self.task.preview(inputs), *images], blocks=1)


def _parts_of(inputs: Inputs, size: int) -> list[Inputs]:
    """Inputs, ``size`` at a time."""
    first: list[Tensor] = []
    each_tensor(inputs, first.append)
    return [
        each_tensor(inputs, itemgetter(slice(begin, begin + size)))
        for begin in range(0, len(first[0]), size)
    ]


def _add(gradient: Tensor, pull: Tensor, size: Tensor) -> None:
    """Adds ``pull`` in the given size to ``gradient`` in place."""
    gradient.addcmul_(pull, size / pull.norm().clamp(min=1e-12))
