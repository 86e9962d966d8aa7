"""Phase 4: the predictor learns each branch's LPIPS from the input (FIANCEE, arXiv 2304.10306)."""

import logging
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from fiancee_hub.core.digest import SHORT, digest_of
from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.core.nested import each_tensor
from fiancee_hub.core.perceptual import PerceptualDistance
from fiancee_hub.measuring.measure import distances, render_all
from fiancee_hub.training.loop import Losses
from fiancee_hub.training.resumable import Resumable
from fiancee_hub.training.state import load_state, save_state
from fiancee_hub.training.task import InputSource

logger = logging.getLogger(__name__)

QUANTILE = 0.9
"""The spread reaches from the mean to this quantile."""

LOOK = 25
"""Steps between two looks at what is held out."""

CHUNK = 64
BATCH = 4


def fingerprint(model: EarlyExitModel) -> str:
    """A short name of all that the predictor's targets depend on: every weight but its own."""
    state = model.state_dict().items()
    return digest_of({n: t for n, t in state if not n.startswith("predictor.")})[:SHORT]


@torch.no_grad()
def measure_targets(
    model: EarlyExitModel,
    source: InputSource,
    samples: int,
    folder: Path,
    accelerator: Accelerator,
) -> dict[str, Tensor]:
    """Random inputs with the true LPIPS of every branch; resumes where it stopped.

    Every process of a distributed run measures its share.

    Returns:
        ``maps`` and ``vector`` as the predictor takes them (float16), ``lpips`` (n, branches).
    """
    model.to(accelerator.device).eval()
    lpips = PerceptualDistance().to(accelerator.device)
    chunks = -(-samples // CHUNK)
    for chunk in range(accelerator.process_index, chunks, accelerator.num_processes):
        path = folder / f"targets-{chunk:03d}.safetensors"
        if not path.is_file():
            save_state(path, _measure_chunk(model, source, chunk, lpips, accelerator))
            logger.info("targets: chunk %d of %d", chunk + 1, chunks)
    accelerator.wait_for_everyone()
    states = [load_state(folder / f"targets-{chunk:03d}.safetensors") for chunk in range(chunks)]
    return {name: torch.cat([state[name] for state in states]) for name in states[0]}


def _measure_chunk(
    model: EarlyExitModel,
    source: InputSource,
    chunk: int,
    lpips: PerceptualDistance,
    accelerator: Accelerator,
) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(2_000_000 + chunk)
    parts: list[tuple[Tensor, ...]] = []
    for _ in range(0, CHUNK, BATCH):
        inputs = source.draw(BATCH, random)
        inputs = each_tensor(inputs, lambda tensor: tensor.to(accelerator.device))
        with accelerator.autocast():
            progress = model.start(*inputs)
            images, _ = render_all(model, progress)
            found = distances(images, lpips).float()
        views = model.trunk.predictor_inputs(progress.condition)
        parts.append((*(view.half().cpu() for view in views), found.cpu()))
    names = ("maps", "vector", "lpips")
    return {n: torch.cat(column) for n, column in zip(names, zip(*parts, strict=True), strict=True)}


class PredictorPhase(Resumable):
    """Regression of the logarithm of LPIPS, and the pinball loss for the spread.

    A few thousand targets are soon known by heart, and a spread that was learnt on them is too
    narrow elsewhere: what erred least on a tenth that is held out is kept.
    """

    batch_size = 32

    def __init__(
        self, model: EarlyExitModel, targets: dict[str, Tensor], accelerator: Accelerator
    ) -> None:
        assert model.predictor is not None
        self.targets, self.accelerator = targets, accelerator
        model.predictor.requires_grad_(True).train()
        optimizer = torch.optim.AdamW(model.predictor.parameters(), 1e-3, weight_decay=0.05)
        self.predictor, self.optimizer = accelerator.prepare(model.predictor, optimizer)
        self.random = torch.Generator().manual_seed(3000 + accelerator.process_index)
        self.steps = 0
        held_out = max(1, len(targets["lpips"]) // 10)
        self.train_rows = torch.arange(len(targets["lpips"]) - held_out)
        self.test_rows = torch.arange(len(targets["lpips"]) - held_out, len(targets["lpips"]))
        self.least, self.best = float("inf"), dict[str, Tensor]()

    def step(self, progress: float) -> Losses:
        for group in self.optimizer.param_groups:
            group["lr"] = 1e-3 * (1 - 0.98 * progress)
        picks = torch.randint(len(self.train_rows), (self.batch_size,), generator=self.random)
        losses = self._losses(self.train_rows[picks])
        self.optimizer.zero_grad()
        self.accelerator.backward(sum(losses.values()))
        self.optimizer.step()
        self.steps += 1
        if self.steps % LOOK == 0:
            self._look()
        return losses

    @torch.no_grad()
    def _look(self) -> None:
        """Keeps the weights if none were better on what is held out."""
        predictor = self.accelerator.unwrap_model(self.predictor)
        predictor.eval()
        erred = float(sum(self._losses(self.test_rows).values()))
        predictor.train()
        if erred < self.least:
            self.least = erred
            self.best = {n: tensor.clone() for n, tensor in predictor.state_dict().items()}

    def finish(self) -> None:
        """Takes the best weights."""
        self._look()
        predictor = self.accelerator.unwrap_model(self.predictor)
        predictor.load_state_dict(self.best)
        predictor.eval()

    def state(self) -> dict[str, Any]:
        return super().state() | {"least": self.least, "best": self.best}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.least, self.best = state.get("least", float("inf")), state.get("best", {})

    def _losses(self, rows: Tensor) -> dict[str, Tensor]:
        device = self.accelerator.device
        true = self.targets["lpips"][rows].to(device)
        mean, spread = self._predict(rows)
        error = true - mean
        above = error.detach() - spread
        pinball = torch.maximum(QUANTILE * above, (QUANTILE - 1) * above)
        logarithm = F.smooth_l1_loss(mean.clamp(min=1e-4).log(), true.clamp(min=1e-4).log())
        return {"mean": logarithm, "spread": pinball.mean() / true.mean()}

    def _predict(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        device = self.accelerator.device
        views = (self.targets[name][rows].float().to(device) for name in ("maps", "vector"))
        mean, spread = self.predictor(*views)
        return mean, spread

    @torch.no_grad()
    def error(self) -> list[float]:
        """Mean absolute error of every branch on the tenth of the targets that is held out."""
        mean, _ = self._predict(self.test_rows)
        return [
            float(value)
            for value in (mean.cpu() - self.targets["lpips"][self.test_rows]).abs().mean(0)
        ]

    @torch.no_grad()
    def within(self) -> list[float]:
        """Share of the targets that are held out whose true LPIPS is at most mean + spread, for
        every branch; it is to be ``QUANTILE``."""
        mean, spread = self._predict(self.test_rows)
        within = self.targets["lpips"][self.test_rows] <= (mean + spread).cpu()
        return [float(share) for share in within.float().mean(0)]

    def _parts(self) -> dict[str, Any]:
        predictor = self.accelerator.unwrap_model(self.predictor)
        return {"predictor": predictor, "optimizer": self.optimizer}

    @torch.no_grad()
    def samples(self) -> Image.Image:
        """Predicted against true LPIPS of the held-out targets, both from 0 to 0.3."""
        mean, _ = self._predict(self.test_rows)
        true = self.targets["lpips"][self.test_rows]
        side = 256
        canvas = torch.full((side, side), 255, dtype=torch.uint8)
        x, y = ((value.cpu() / 0.3 * side).long().clamp(0, side - 1) for value in (true, mean))
        canvas[side - 1 - y.flatten(), x.flatten()] = 0
        return Image.fromarray(canvas.numpy())
