"""Label map in, photograph out."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fiancee_hub.batched import (
    Item,
    Routed,
    budgets_of,
    exactly,
    in_batches,
    in_order,
    is_several,
    one_each,
    route_batch,
)
from fiancee_hub.core.arguments import several, whole
from fiancee_hub.core.errors import InputError, about
from fiancee_hub.core.exits import EarlyExitModel
from fiancee_hub.core.placing import CPU
from fiancee_hub.core.router import check_budget
from fiancee_hub.core.seeds import check_seed, chosen_seed, drawn
from fiancee_hub.families.label_maps.forms import Reading, check_reading
from fiancee_hub.families.label_maps.generator import OasisGenerator
from fiancee_hub.families.label_maps.reading import LabelMap, read_label_map
from fiancee_hub.hub.config import CheckpointConfig
from fiancee_hub.pipeline import FianceePipeline
from fiancee_hub.rendering import Rendering, compare
from fiancee_hub.results import Comparison, Result

Key = TypeVar("Key")

Several: TypeAlias = (
    list[str] | list[Path] | list[Image.Image] | list[NDArray[Any]] | list[LabelMap] | list[bytes]
)
"""Lists that hold several label maps; rows of numbers are one."""


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
        return Rendering(self, self._inputs([read], [seed]), seed, read.notes)

    def noise(self, seeds: Iterable[int]) -> Tensor:
        """Noise (batch, noise channels), each row from its own seed; made on the CPU in float32,
        so that a seed means the same picture on every device."""
        size, rows = self.trunk.config.noise_channels, []
        for seed in seeds:
            random = torch.Generator(CPU).manual_seed(check_seed(seed))
            rows.append(torch.randn(size, generator=random, dtype=torch.float32, device=CPU))
        return torch.stack(rows)

    def _inputs(self, maps: Sequence[LabelMap], seeds: Iterable[int]) -> tuple[Tensor, Tensor]:
        """What the model starts from: class ids and noise."""
        ids = torch.from_numpy(np.stack([read.ids for read in maps]))
        return ids.to(self.device), self.noise(seeds).to(self.device)

    @overload
    def __call__(
        self,
        label_map: Several,
        *,
        budget: float | Iterable[float] = 0.1,
        seed: int | Iterable[int] = 0,
        generator: torch.Generator | None = None,
        exit: int | None = None,
        as_: Reading | None = None,
        progress: bool = False,
    ) -> list[Result]: ...

    @overload
    def __call__(
        self,
        label_map: Any,
        *,
        budget: float = 0.1,
        seed: int = 0,
        generator: torch.Generator | None = None,
        exit: int | None = None,
        as_: Reading | None = None,
        progress: bool = False,
    ) -> Result: ...

    def __call__(
        self,
        label_map: Any,
        *,
        budget: Any = 0.1,
        seed: Any = 0,
        generator: torch.Generator | None = None,
        exit: int | None = None,
        as_: Reading | None = None,
        progress: bool = False,
    ) -> Result | list[Result]:
        """Renders an input by the cheapest exit that keeps the budget, or each of a list.

        Args:
            label_map: class ids (height, width), a palette or RGB picture, or a path; or a list
                of them, for ``generate_batch``.
            budget: LPIPS to full depth, 0 to 1; with a list one for each, or one for all.
            seed: of the noise; with a list likewise.
            generator: draws the seed instead; the result's ``seed`` says which.
            exit: render this exit whatever the budget.
            as_: "ids" or "colours" if you know what the pixels of a picture hold.
            progress: show a bar on standard error, with a list.

        Returns:
            the result, of a list their results in its order.

        Raises:
            InputError: an argument cannot be used; the message says what to do.
        """
        if is_several(label_map):
            seeds = None if generator else one_each(seed, len(label_map), "seeds", "whole numbers")
            # An array of several has no truth value, and is never the seed that was left out.
            seeded = getattr(seed, "ndim", 0) or seed != 0
            if generator and seeded:
                raise InputError("give a seed or a generator, not both")
            return self.generate_batch(
                label_map,
                budget=budget,
                seeds=seeds,
                generator=generator,
                exit=exit,
                as_=as_,
                progress=progress,
            )
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
        budget: float | Iterable[float] = 0.1,
        seeds: Iterable[int] | None = None,
        generator: torch.Generator | None = None,
        exit: int | None = None,
        batch_size: int = 8,
        as_: Reading | None = None,
        progress: bool = False,
    ) -> list[Result]:
        """Routes every map on its own, then runs the maps of one exit together.

        Sums run in another order in a batch: a channel of a pixel may lie one grey level off what
        a single call gives.

        Args:
            label_maps: any that ``__call__`` takes.
            budget: LPIPS, one for each map or one for all.
            seeds: one for each map; 0, 1, 2 … if left out.
            generator: draws the seeds instead; each result's ``seed`` says which.
            exit: render this exit whatever the budget.
            batch_size: maps that go through the model at once.
            as_: "ids" or "colours" if you know what the pixels of pictures hold.
            progress: show a bar on standard error.

        Raises:
            InputError: an argument cannot be used; the message says what to do.
        """
        if getattr(label_maps, "ndim", 3) < 3:
            raise InputError("label_maps is one map: put it into a list")
        maps = list(several(label_maps, "label_maps", "label maps"))
        if generator is not None and seeds is not None:
            raise InputError("give seeds or a generator, not both")
        own: Iterable[Any] = range(len(maps))
        if seeds is not None:
            own = exactly(several(seeds, "seeds", "whole numbers"), len(maps), "maps", "seeds")
        checked = [check_seed(seed) if generator is None else drawn(generator) for seed in own]
        budgets = budgets_of(budget, len(maps))
        items = zip(range(len(maps)), maps, checked, budgets, strict=True)
        batches = self._in_batches(items, budgets, exit, batch_size, as_, "label_maps[{!r}]")
        return in_order(chain.from_iterable(batches), len(maps), progress=progress)

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
        chosen = several(items, "items", "keys, label maps and seeds")
        with_budget = ((*_parts(item), budget) for item in chosen)
        return chain.from_iterable(self._in_batches(with_budget, [budget], exit, batch_size, as_))

    def _in_batches(
        self,
        items: Iterable[tuple[Key, Any, Any, float]],
        budgets: Iterable[float],
        exit: int | None,
        batch_size: int,
        as_: Reading | None,
        called: str = "the item with key {!r}",
    ) -> Iterator[list[tuple[Key, Result]]]:
        """Arguments are checked at once, an item, named by its key, when it is its turn."""
        exit = self.check_route(budgets, exit)
        size = whole(batch_size, "batch_size", 1)
        check_reading(as_)
        routed = self._routed(iter(items), exit, size, as_, called)
        return in_batches(self, routed, size, paid=exit is None)

    def _routed(
        self,
        items: Iterator[tuple[Key, Any, Any, float]],
        exit: int | None,
        size: int,
        as_: Reading | None,
        called: str,
    ) -> Iterator[Routed[Key]]:
        while chunk := list(islice(items, size)):
            maps, waiting = [], []
            for key, given, seed, budget in chunk:
                with about(called.format(key)):
                    maps.append(self._as_read(given, as_))
                    waiting.append(Item(key, budget, check_seed(seed), maps[-1].notes))
            inputs = self._inputs(maps, [item.seed for item in waiting])
            yield from route_batch(self, inputs, waiting, exit)

    def _as_read(self, label_map: Any, as_: Reading | None) -> LabelMap:
        if not isinstance(label_map, LabelMap):
            return self.read(label_map, as_=as_)
        ids, (height, width), count = label_map.ids, self.size, len(self.config.classes)
        if ids.shape != self.size or ids.min() < 0 or ids.max() >= count:
            raise InputError(
                f"{label_map!r} is none of this model's, which takes {width}x{height} and ids up "
                f"to {count - 1}: read it with this pipeline"
            )
        return label_map


def _parts(item: Any) -> tuple[Any, Any, Any]:
    """Key, map and seed of an item of ``stream``."""
    if not isinstance(item, Sequence) or isinstance(item, str) or len(item) != 3:
        raise InputError("each of items must be a key, a label map and a seed")
    return item[0], item[1], item[2]


StreetsPipeline = LabelMapPipeline
"""What it is called in code about streets."""
