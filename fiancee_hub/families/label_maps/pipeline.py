"""Label map in, photograph out."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from fiancee_hub.core.arguments import several, whole
from fiancee_hub.core.errors import InputError
from fiancee_hub.core.exits import EarlyExitModel, Progress, join, select
from fiancee_hub.core.grouping import grouped
from fiancee_hub.core.pixels import to_picture
from fiancee_hub.core.placing import CPU, wait_for
from fiancee_hub.core.router import budget_notes, check_budget, route
from fiancee_hub.families.label_maps.forms import Reading, check_reading
from fiancee_hub.families.label_maps.generator import OasisGenerator
from fiancee_hub.families.label_maps.reading import LabelMap, read_label_map
from fiancee_hub.hub.config import CheckpointConfig
from fiancee_hub.pipeline import (
    Comparison,
    FianceePipeline,
    Rendering,
    Result,
    compare,
)

MAX_SEED = 2**63 - 1

WAITING = 4
"""Batches of maps that may wait for others of their exit: what is kept of each is as large as its
one-hot form."""

Key = TypeVar("Key")


class LabelMapPipeline(FianceePipeline):
    """Label map in, photograph out, by the cheapest exit that keeps an LPIPS budget."""

    without_model = ("read",)

    def __init__(self, model: EarlyExitModel, config: CheckpointConfig) -> None:
        super().__init__(model, config)
        self.trunk = model.trunk_as(OasisGenerator)

    def read(self, label_map: Any, *, as_: Reading | None = None) -> LabelMap:
        """A label map of the model's size from an array, a picture or a path.

        Args:
            label_map: class ids (height, width), a palette or RGB picture, or a path.
            as_: "ids" or "colours" if you know what the pixels of a picture hold; None takes
                what fits, and the notes say which.

        Raises:
            InputError: it is no label map for the model's classes; the message names the fix.
        """
        domain = self.config.domain
        return read_label_map(
            label_map,
            self.config.classes,
            self.size,
            aliases=domain.aliases,
            unknown=domain.unknown,
            as_=as_,
        )

    @torch.inference_mode()
    def prepare(
        self,
        label_map: Any,
        *,
        seed: int = 0,
        generator: torch.Generator | None = None,
        as_: Reading | None = None,
    ) -> Rendering:
        """Reads an input and asks the predictor; exits are then rendered on demand.

        Args:
            label_map: class ids (height, width), a palette or RGB picture, or a path.
            seed: of the noise, 0 … 2**63 − 1.
            generator: draws the seed instead; the result's ``seed`` says which.
            as_: "ids" or "colours" if you know what the pixels of a picture hold.

        Raises:
            InputError: the map or the seed cannot be used.
        """
        seed = chosen_seed(seed, generator)
        read = self._as_read(label_map, as_)
        progress = self._start([read], [seed])
        return Rendering(self, progress, seed, read.notes)

    def noise(self, seeds: Iterable[int]) -> Tensor:
        """Noise (batch, noise channels), each row from its own seed; made on the CPU in float32,
        so that a seed means the same picture on every device."""
        size, rows = self.trunk.config.noise_channels, []
        for seed in seeds:
            random = torch.Generator(CPU).manual_seed(check_seed(seed))
            rows.append(torch.randn(size, generator=random, dtype=torch.float32, device=CPU))
        return torch.stack(rows)

    def _start(self, maps: Sequence[LabelMap], seeds: Iterable[int]) -> Progress:
        ids = torch.from_numpy(np.stack([read.ids for read in maps]))
        return self.model.start(ids.to(self.device), self.noise(seeds).to(self.device))

    def __call__(
        self,
        label_map: Any,
        *,
        budget: float = 0.1,
        seed: int = 0,
        generator: torch.Generator | None = None,
        exit: int | None = None,
        as_: Reading | None = None,
    ) -> Result:
        """Renders one input by the cheapest exit that keeps the budget.

        Args:
            label_map: class ids (height, width), a palette or RGB picture, or a path.
            budget: LPIPS to full depth, 0 to 1.
            seed: of the noise.
            generator: draws the seed instead; the result's ``seed`` says which.
            exit: render this exit whatever the budget.
            as_: "ids" or "colours" if you know what the pixels of a picture hold.

        Raises:
            InputError: an argument cannot be used; the message says what to do.
        """
        budget = check_budget(budget)
        rendering = self.prepare(label_map, seed=seed, generator=generator, as_=as_)
        return rendering.deliver(budget) if exit is None else rendering.result(exit)

    def compare(
        self,
        label_map: Any,
        *,
        budget: float = 0.1,
        seed: int = 0,
        generator: torch.Generator | None = None,
        as_: Reading | None = None,
    ) -> Comparison:
        """The early result beside full depth, with their true LPIPS (needs ``lpips``)."""
        budget = check_budget(budget)
        rendering = self.prepare(label_map, seed=seed, generator=generator, as_=as_)
        return compare(rendering, budget)

    def generate_batch(
        self,
        label_maps: Iterable[Any],
        *,
        budget: float = 0.1,
        seeds: Iterable[int] | None = None,
        generator: torch.Generator | None = None,
        exit: int | None = None,
        batch_size: int = 8,
        as_: Reading | None = None,
    ) -> list[Result]:
        """Routes every map on its own, then runs the maps of one exit together.

        Sums run in another order in a batch: a channel of a pixel may lie one grey level off what
        a single call gives.

        Args:
            label_maps: any that ``__call__`` takes.
            budget: LPIPS.
            seeds: one for each map; 0, 1, 2 … if left out.
            generator: draws the seeds instead; each result's ``seed`` says which.
            exit: render this exit whatever the budget.
            batch_size: maps that go through the model at once.
            as_: "ids" or "colours" if you know what the pixels of pictures hold.

        Raises:
            InputError: an argument cannot be used; the message says what to do.
        """
        if getattr(label_maps, "ndim", 3) < 3:
            raise InputError("label_maps is one map: put it into a list")
        maps = list(several(label_maps, "label_maps", "label maps"))
        if generator is not None and seeds is not None:
            raise InputError("give seeds or a generator, not both")
        own = range(len(maps)) if seeds is None else several(seeds, "seeds", "whole numbers")
        checked = [check_seed(seed) if generator is None else drawn(generator) for seed in own]
        if len(checked) != len(maps):
            raise InputError(f"{len(maps)} maps but {len(checked)} seeds: give one for each")
        items = zip(range(len(maps)), maps, checked, strict=True)
        found = dict(self.stream(items, budget=budget, exit=exit, batch_size=batch_size, as_=as_))
        return [found[place] for place in range(len(maps))]

    def stream(
        self,
        items: Iterable[tuple[Key, Any, int]],
        *,
        budget: float = 0.1,
        exit: int | None = None,
        batch_size: int = 8,
        as_: Reading | None = None,
    ) -> Iterator[tuple[Key, Result]]:
        """Any number of maps, in bounded memory: what ``generate_batch`` does, as results come.

        Args:
            items: a key of your choice, any map that ``__call__`` takes, and its seed.
            budget: LPIPS.
            exit: render this exit whatever the budget.
            batch_size: maps that go through the model at once; at most ``WAITING`` times as many
                wait until those of their exit fill a batch.
            as_: "ids" or "colours" if you know what the pixels of pictures hold.

        Returns:
            each key with its result, in the order in which batches fill.

        Raises:
            InputError: an argument cannot be used, at once; an item, when it is its turn.
        """
        budget = check_budget(budget)
        exit = None if exit is None else self.check_exit(exit)
        batch_size = whole(batch_size, "batch_size", 1)
        check_reading(as_)
        chosen = several(items, "items", "keys, label maps and seeds")
        parts = (_parts(item) for item in chosen)
        read = ((key, self._as_read(each, as_), check_seed(seed)) for key, each, seed in parts)
        routed = self._routed(read, budget, exit, batch_size)
        groups = grouped(routed, attrgetter("exit"), batch_size, WAITING * batch_size)
        return (pair for group in groups for pair in self._rendered(group, paid=exit is None))

    def _routed(
        self,
        items: Iterator[tuple[Key, LabelMap, int]],
        budget: float,
        exit: int | None,
        size: int,
    ) -> Iterator["_Routed[Key]"]:
        while chunk := list(islice(items, size)):
            yield from self._route(chunk, budget, exit)

    def _as_read(self, label_map: Any, as_: Reading | None) -> LabelMap:
        return label_map if isinstance(label_map, LabelMap) else self.read(label_map, as_=as_)

    @torch.inference_mode()
    def _route(
        self,
        chunk: Sequence[tuple[Key, LabelMap, int]],
        budget: float,
        exit: int | None,
    ) -> list["_Routed[Key]"]:
        """The exit of every map of a batch: what the router says, or ``exit``."""
        maps = [read for _, read, _ in chunk]
        progress = self._start(maps, [seed for _, _, seed in chunk])
        wait_for(self.device)
        started = time.perf_counter()
        mean, spread = (part.cpu().numpy() for part in self.model.predict(progress))
        seconds = (time.perf_counter() - started) / len(maps) if exit is None else 0.0
        exits = route(mean, spread, budget, self.config.calibration)
        if exit is not None:
            exits = np.full_like(exits, exit)
        predicted = np.concatenate([mean, np.zeros((len(mean), 1))], 1)
        beyond = budget_notes(budget, self.config.calibration) if exit is None else ()
        return [
            _Routed(
                key=key,
                progress=select(progress, torch.tensor([row], device=self.device)),
                exit=int(exits[row]),
                predicted_lpips=float(predicted[row, exits[row] - 1]),
                seconds=seconds,
                seed=seed,
                notes=maps[row].notes + beyond,
            )
            for row, (key, _, seed) in enumerate(chunk)
        ]

    @torch.inference_mode()
    def _rendered(self, group: Sequence["_Routed[Key]"], *, paid: bool) -> list[tuple[Key, Result]]:
        """Results of maps of one exit; where the caller chose it, the predictor is not paid."""
        exit_index, costs = group[0].exit, self.config.costs
        started = time.perf_counter()
        rendered, _ = self.model.render(join([item.progress for item in group]), exit_index)
        images = rendered.to(CPU, torch.float32)
        seconds = (time.perf_counter() - started) / len(group)
        macs = costs.routed(exit_index) if paid else costs.exits[exit_index - 1]
        return [
            (
                item.key,
                Result(
                    image=to_picture(image),
                    exit=exit_index,
                    predicted_lpips=item.predicted_lpips,
                    macs=macs,
                    saving=1 - macs / costs.full_depth,
                    milliseconds=1000 * (item.seconds + seconds),
                    seed=item.seed,
                    notes=item.notes,
                ),
            )
            for item, image in zip(group, images, strict=True)
        ]


def _parts(item: Any) -> tuple[Any, Any, Any]:
    """Key, map and seed of an item of ``stream``."""
    if not isinstance(item, Sequence) or isinstance(item, str) or len(item) != 3:
        raise InputError("each of items must be a key, a label map and a seed")
    return item[0], item[1], item[2]


def check_seed(seed: Any) -> int:
    """Raises an InputError unless ``seed`` is a whole number from 0 to 2**63 − 1."""
    return whole(seed, "seed", 0, MAX_SEED)


def chosen_seed(seed: Any, generator: torch.Generator | None) -> int:
    """The seed, or one that the generator draws.

    Raises:
        InputError: both are given, or either cannot be used.
    """
    if generator is None:
        return check_seed(seed)
    if check_seed(seed) != 0:
        raise InputError("give a seed or a generator, not both")
    return drawn(generator)


def drawn(generator: torch.Generator) -> int:
    """A seed from a generator on any device."""
    if not isinstance(generator, torch.Generator):
        raise InputError(f"generator must be a torch.Generator, not {type(generator).__name__}")
    device = generator.device
    return int(torch.randint(MAX_SEED, (), generator=generator, dtype=torch.int64, device=device))


StreetsPipeline = LabelMapPipeline
"""What it is called in code about streets."""


@dataclass(frozen=True)
class _Routed(Generic[Key]):
    """A map on its way to the next batch of its exit."""

    key: Key
    progress: Progress
    exit: int
    predicted_lpips: float
    seconds: float
    seed: int
    notes: tuple[str, ...]
