"""Streets: label map in, street photograph out."""

import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fiancee_hub.errors import InputError
from fiancee_hub.label_maps import CAMVID_ALIASES, LabelMap, read_label_map
from fiancee_hub.models.exits import Progress, select
from fiancee_hub.models.oasis import OasisConfig
from fiancee_hub.pipelines import (
    Comparison,
    FianceePipeline,
    Rendering,
    Result,
    compare,
    to_picture,
)
from fiancee_hub.router import check_budget, route

MAX_SEED = 2**63 - 1


class StreetsPipeline(FianceePipeline):
    """Label map in, street photograph out, by the cheapest exit that keeps an LPIPS budget."""

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
        shape = self.config.generator
        assert isinstance(shape, OasisConfig)
        rows = []
        for seed in seeds:
            if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
                raise InputError(f"seed must be a whole number, not {type(seed).__name__}")
            if not 0 <= seed <= MAX_SEED:
                raise InputError(f"seed {seed} is out of range: give 0 to {MAX_SEED}")
            rows.append(
                torch.randn(
                    shape.noise_channels, generator=torch.Generator().manual_seed(int(seed))
                )
            )
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
