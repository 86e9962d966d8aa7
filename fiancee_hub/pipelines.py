"""What users call: pictures in, result out."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import ModelHubMixin
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fiancee_hub.config import CheckpointConfig
from fiancee_hub.errors import InputError
from fiancee_hub.hub import load_checkpoint, resolve, save_checkpoint
from fiancee_hub.label_maps import CAMVID_ALIASES, LabelMap, read_label_map
from fiancee_hub.models.exits import EarlyExitModel, Progress, select
from fiancee_hub.router import check_budget, route

MAX_SEED = 2**63 - 1


@dataclass(frozen=True)
class Result:
    """One delivered picture.

    Args:
        image: the picture.
        exit: the exit that made it, 1 … K; K is full depth.
        predicted_lpips: the predictor's LPIPS to full depth, 0 for full depth itself.
        macs: multiply-accumulates, the predictor included where it chose the exit.
        saving: 1 − macs / MACs of full depth; slightly below 0 when the router chose full depth.
        milliseconds: time of the network for this picture, as if made alone.
        seed: of the noise.
        notes: what was done to the input, one sentence each.
    """

    image: Image.Image
    exit: int
    predicted_lpips: float
    macs: int
    saving: float
    milliseconds: float
    seed: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """The early result, full depth, and the truth about their distance.

    Args:
        early: what the budget buys.
        full: full depth for the same input and noise.
        lpips: true LPIPS between the two.
        kept: whether ``lpips`` is within the budget.
        budget: LPIPS.
    """

    early: Result
    full: Result
    lpips: float
    kept: bool
    budget: float


class Rendering:
    """One input on its way through the exits; going deeper pays only for what is missing.

    Made by ``FianceePipeline.prepare``; belongs to one caller.
    """

    @torch.inference_mode()
    def __init__(
        self, pipeline: "FianceePipeline", progress: Progress, seed: int, notes: tuple[str, ...]
    ) -> None:
        self.pipeline, self.seed, self.notes = pipeline, seed, notes
        self._progress = progress
        self._stage_seconds: list[float] = []
        self._rendered: dict[int, tuple[Tensor, Result]] = {}
        started = time.perf_counter()
        prediction = pipeline.model.predict(progress)
        self._predictor_seconds = time.perf_counter() - started
        self._mean, self._spread = prediction.mean.numpy(), prediction.spread.numpy()

    @property
    def predicted(self) -> tuple[float, ...]:
        """Predicted LPIPS of every branch, cheapest first."""
        return tuple(float(value) for value in self._mean[0])

    def route(self, budget: float) -> int:
        """The exit that ``budget`` (LPIPS) buys, without rendering anything."""
        calibration = self.pipeline.config.calibration
        return int(route(self._mean, self._spread, check_budget(budget), calibration)[0])

    def deliver(self, budget: float) -> Result:
        """What a routed call returns: the exit that ``budget`` buys, the predictor paid for."""
        result = self.result(self.route(budget))
        costs = self.pipeline.config.costs
        return replace(
            result,
            macs=costs.routed(result.exit),
            saving=1 - costs.ratio(result.exit),
            milliseconds=result.milliseconds + 1000 * self._predictor_seconds,
        )

    def image(self, exit_index: int) -> Tensor:
        """Image of an exit in [-1, 1], (1, 3, height, width)."""
        self.result(exit_index)
        return self._rendered[exit_index][0]

    @torch.inference_mode()
    def result(self, exit_index: int) -> Result:
        """Renders an exit (1 … K) on its own account, or returns it if it was rendered before.

        ``milliseconds`` is what the exit takes from the beginning, also when some of its stages
        had been run for another exit.

        Raises:
            InputError: there is no such exit.
        """
        exit_index = self.pipeline.check_exit(exit_index)
        if exit_index not in self._rendered:
            self._rendered[exit_index] = self._render(exit_index)
        return self._rendered[exit_index][1]

    def _render(self, exit_index: int) -> tuple[Tensor, Result]:
        model, costs = self.pipeline.model, self.pipeline.config.costs
        stages = model.stages_of(exit_index)
        self._advance(stages)
        started = time.perf_counter()
        image, self._progress = model.render(self._progress, exit_index)
        seconds = time.perf_counter() - started + sum(self._stage_seconds[:stages])
        full = exit_index == model.exits
        return image, Result(
            image=to_picture(image[0]),
            exit=exit_index,
            predicted_lpips=0.0 if full else self.predicted[exit_index - 1],
            macs=costs.exits[exit_index - 1],
            saving=1 - costs.exits[exit_index - 1] / costs.full_depth,
            milliseconds=1000 * seconds,
            seed=self.seed,
            notes=self.notes,
        )

    def _advance(self, stages: int) -> None:
        for stage in range(len(self._stage_seconds), stages):
            started = time.perf_counter()
            self._progress = self.pipeline.model.advance(self._progress, stage + 1)
            self._stage_seconds.append(time.perf_counter() - started)


class FianceePipeline(ModelHubMixin):
    """Label map in, street photograph out, by the cheapest exit that keeps an LPIPS budget.

    Build it with ``from_pretrained``: a folder, ``"user/repo"`` or ``"user/repo@revision"``.
    One instance serves many threads at once.
    """

    def __init__(self, model: EarlyExitModel, config: CheckpointConfig) -> None:
        self.model, self.config = model.eval(), config

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
    ) -> "FianceePipeline":
        """Loads a checkpoint.

        Raises:
            CheckpointError: it cannot be found, is damaged or contradicts its config.
        """
        folder = resolve(
            str(pretrained_model_name_or_path),
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            force_download=force_download,
        )
        return cls(*load_checkpoint(folder))

    def _save_pretrained(self, save_directory: Path) -> None:
        save_checkpoint(save_directory, self.model, self.config)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of every picture."""
        return self.config.generator.height, self.config.generator.width

    def check_exit(self, exit_index: int) -> int:
        """Returns ``exit_index``.

        Raises:
            InputError: the model has no such exit.
        """
        exits = self.model.exits
        whole = isinstance(exit_index, int | np.integer) and not isinstance(exit_index, bool)
        if not whole or not 1 <= exit_index <= exits:
            raise InputError(f"exit {exit_index} does not exist: choose 1 to {exits}")
        return int(exit_index)

    def read(self, label_map: Any) -> LabelMap:
        """A label map of the model's size from an array, a picture or a path."""
        return read_label_map(label_map, self.config.classes, self.size, aliases=CAMVID_ALIASES)

    @torch.inference_mode()
    def prepare(self, label_map: Any, *, seed: int = 0) -> Rendering:
        """Reads an input and asks the predictor; exits are then rendered on demand.

        Args:
            label_map: class ids (height, width), a palette or RGB picture, or a path.
            seed: of the noise, 0 … 2**63 − 1.

        Raises:
            InputError: the map or the seed cannot be used.
        """
        read = self._as_read(label_map)
        ids = torch.from_numpy(np.array(read.ids))[None]
        progress = self.model.start(ids, self.noise([seed]))
        return Rendering(self, progress, seed, read.notes)

    def noise(self, seeds: Iterable[int]) -> Tensor:
        """Noise (batch, noise channels), each row from its own seed."""
        channels = self.config.generator.noise_channels
        rows = []
        for seed in seeds:
            if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
                raise InputError(f"seed must be a whole number, not {type(seed).__name__}")
            if not 0 <= seed <= MAX_SEED:
                raise InputError(f"seed {seed} is out of range: give 0 to {MAX_SEED}")
            rows.append(torch.randn(channels, generator=torch.Generator().manual_seed(int(seed))))
        return torch.stack(rows)

    def __call__(
        self, label_map: Any, *, budget: float = 0.1, seed: int = 0, exit: int | None = None
    ) -> Result:
        """Renders one input by the cheapest exit that keeps the budget.

        Args:
            label_map: class ids (height, width), a palette or RGB picture, or a path.
            budget: LPIPS to full depth, 0 to 1.
            seed: of the noise.
            exit: render this exit whatever the budget.

        Raises:
            InputError: an argument cannot be used; the message says what to do.
        """
        check_budget(budget)
        rendering = self.prepare(label_map, seed=seed)
        return rendering.deliver(budget) if exit is None else rendering.result(exit)

    def compare(self, label_map: Any, *, budget: float = 0.1, seed: int = 0) -> Comparison:
        """The early result beside full depth, with their true LPIPS (needs ``lpips``)."""
        check_budget(budget)
        rendering = self.prepare(label_map, seed=seed)
        return compare(rendering, budget)

    @torch.inference_mode()
    def generate_batch(
        self,
        label_maps: Sequence[Any],
        *,
        budget: float = 0.1,
        seeds: Sequence[int] | None = None,
        exit: int | None = None,
        batch_size: int = 8,
    ) -> list[Result]:
        """Routes every map on its own, then runs the maps of one exit together.

        Args:
            label_maps: any that ``__call__`` takes.
            budget: LPIPS.
            seeds: one for each map; 0, 1, 2 … if left out.
            exit: render this exit whatever the budget.
            batch_size: maps that go through the model at once.

        Raises:
            InputError: an argument cannot be used; the message says what to do.
        """
        check_budget(budget)
        if exit is not None:
            self.check_exit(exit)
        if batch_size < 1:
            raise InputError(f"batch_size {batch_size} is out of range: give 1 or more")
        seeds = list(range(len(label_maps))) if seeds is None else list(seeds)
        if len(seeds) != len(label_maps):
            raise InputError(f"{len(label_maps)} maps but {len(seeds)} seeds: give one for each")
        results: list[Result] = []
        for begin in range(0, len(label_maps), batch_size):
            chunk = slice(begin, begin + batch_size)
            maps = [self._as_read(item) for item in label_maps[chunk]]
            results += self._batch(maps, seeds[chunk], budget, exit)
        return results

    def _as_read(self, label_map: Any) -> LabelMap:
        return label_map if isinstance(label_map, LabelMap) else self.read(label_map)

    def _batch(
        self, maps: list[LabelMap], seeds: list[int], budget: float, exit: int | None
    ) -> list[Result]:
        """Results of one batch; a chosen ``exit`` leaves the predictor unpaid."""
        ids = torch.from_numpy(np.stack([read.ids for read in maps]))
        progress = self.model.start(ids, self.noise(seeds))
        started = time.perf_counter()
        prediction = self.model.predict(progress)
        routing_seconds = (time.perf_counter() - started) / len(maps) if exit is None else 0.0
        mean, spread = prediction.mean.numpy(), prediction.spread.numpy()
        exits = route(mean, spread, budget, self.config.calibration)
        if exit is not None:
            exits = np.full_like(exits, exit)
        predicted = np.concatenate([mean, np.zeros((len(mean), 1))], 1)
        costs, results = self.config.costs, {}
        for exit_index in sorted(set(exits.tolist())):
            rows = np.flatnonzero(exits == exit_index)
            images, seconds = self._render_rows(progress, rows, exit_index)
            macs = costs.routed(exit_index) if exit is None else costs.exits[exit_index - 1]
            for row, image in zip(rows.tolist(), images, strict=True):
                results[row] = Result(
                    image=to_picture(image),
                    exit=exit_index,
                    predicted_lpips=float(predicted[row, exit_index - 1]),
                    macs=macs,
                    saving=1 - macs / costs.full_depth,
                    milliseconds=1000 * (routing_seconds + seconds),
                    seed=seeds[row],
                    notes=maps[row].notes,
                )
        return [results[row] for row in range(len(maps))]

    def _render_rows(
        self, progress: Progress, rows: NDArray[np.integer[Any]], exit_index: int
    ) -> tuple[Tensor, float]:
        """Images of some items of a batch, and the seconds that each took."""
        started = time.perf_counter()
        images, _ = self.model.render(select(progress, torch.from_numpy(rows)), exit_index)
        return images, (time.perf_counter() - started) / len(rows)


def compare(rendering: Rendering, budget: float) -> Comparison:
    """Both results of a rendering and their true LPIPS (loads ``lpips`` at the first call)."""
    early = rendering.deliver(budget)
    full = rendering.result(rendering.pipeline.model.exits)
    distance = true_lpips(rendering, early.exit)
    return Comparison(early, full, distance, distance <= budget, budget)


@torch.inference_mode()
def true_lpips(rendering: Rendering, exit_index: int) -> float:
    """LPIPS between an exit and full depth of the same rendering."""
    from fiancee_hub.perceptual import perceptual_distance

    exits = rendering.pipeline.model.exits
    if exit_index == exits:
        return 0.0
    return float(perceptual_distance()(rendering.image(exit_index), rendering.image(exits)))


def to_picture(image: Tensor) -> Image.Image:
    """An image in [-1, 1], (3, height, width), as an RGB picture."""
    pixels = ((image.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0)
    return Image.fromarray(pixels.contiguous().numpy())
