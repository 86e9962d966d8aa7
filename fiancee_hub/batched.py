"""Many inputs, each routed on its own, those of one exit rendered together."""

import time
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass, replace
from itertools import islice
from numbers import Real
from operator import attrgetter
from typing import Any, Generic, TypeVar

import torch
from tqdm import tqdm

from fiancee_hub.core.arguments import several
from fiancee_hub.core.errors import InputError
from fiancee_hub.core.exits import Progress, join, select
from fiancee_hub.core.grouping import grouped
from fiancee_hub.core.pixels import to_picture
from fiancee_hub.core.placing import CPU, wait_for
from fiancee_hub.core.router import budget_notes, check_budget, route
from fiancee_hub.pipeline import FianceePipeline
from fiancee_hub.results import Result

WAITING = 4
"""Batches of inputs that may wait for others of their exit: what is kept of each is as large as
what the trunk is fed with."""

Key = TypeVar("Key")


@dataclass(frozen=True)
class Item(Generic[Key]):
    """An input that was read.

    Args:
        key: whose it is.
        budget: LPIPS.
        seed: of the noise.
        notes: what was done to the input.
    """

    key: Key
    budget: float
    seed: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Routed(Generic[Key]):
    """An input on its way to the next batch of its exit.

    Args:
        item: the input, its notes complete.
        progress: of a batch of one.
        exit: where it leaves.
        predicted_lpips: of that exit, 0 for full depth.
        seconds: that starting took, and routing where the caller did not choose the exit.
    """

    item: Item[Key]
    progress: Progress
    exit: int
    predicted_lpips: float
    seconds: float


def is_several(value: Any) -> bool:
    """Whether an argument is a list of inputs; rows of numbers are one input."""
    return isinstance(value, list | tuple) and not (value and _is_row(value[0]))


def _is_row(value: Any) -> bool:
    """Whether it is a row of a picture, numbers, and no picture."""
    if isinstance(value, list | tuple):
        return all(isinstance(item, Real) or getattr(item, "ndim", 1) == 0 for item in value)
    return getattr(value, "ndim", 2) < 2


def one_each(value: Any, count: int, name: str, each: str) -> list[Any]:
    """One value for each of ``count`` inputs: as given, or the same for all.

    Raises:
        InputError: it has another length.
    """
    if not isinstance(value, Iterable) or getattr(value, "ndim", 1) == 0 or isinstance(value, str):
        return [value] * count
    return exactly(several(value, name, each), count, "inputs", name)


def exactly(values: Iterable[Any], count: int, inputs: str, name: str) -> list[Any]:
    """A list of ``values``, which may have no end.

    Args:
        values: any.
        count: of the inputs that they belong to.
        inputs: what these are called.
        name: what the values are called.

    Raises:
        InputError: there are more or fewer.
    """
    found = list(islice(values, count + 1))
    if len(found) == count:
        return found
    given = f"{len(found)}" if len(found) < count else f"more than {count}"
    if isinstance(values, Sized):
        given = f"{len(values)}"
    raise InputError(f"{count} {inputs} but {given} {name}: give one for each")


def budgets_of(budget: Any, count: int) -> list[float]:
    """A budget for each of ``count`` inputs.

    Raises:
        InputError: one of them is out of range, or there are too many or too few.
    """
    return [check_budget(one) for one in one_each(budget, count, "budgets", "numbers")]


@torch.inference_mode()
def route_batch(
    pipeline: FianceePipeline,
    inputs: tuple[Any, ...],
    items: Sequence[Item[Key]],
    exit: int | None,
) -> list[Routed[Key]]:
    """The exit of every input of a batch: what the router says, or ``exit``.

    Args:
        pipeline: whose router.
        inputs: of ``model.start``, of the whole batch, where the model is.
        items: its rows.
        exit: chosen by the caller.
    """
    pipeline.check_route((item.budget for item in items), exit)
    wait_for(pipeline.device)
    started = time.perf_counter()
    progress = pipeline.model.start(*inputs)
    wait_for(pipeline.device)
    ready = time.perf_counter()
    mean, spread = (part.cpu().numpy() for part in pipeline.model.predict(progress))
    ended = time.perf_counter() if exit is None else ready
    seconds = (ended - started) / len(items)
    calibration, found = pipeline.config.calibration, []
    for row, item in enumerate(items):
        chosen, beyond = exit, item.notes
        if chosen is None:
            chosen = int(route(mean[row], spread[row], item.budget, calibration))
            beyond += budget_notes(item.budget, calibration)
        predicted = 0.0 if chosen == pipeline.model.exits else float(mean[row, chosen - 1])
        own = select(progress, torch.tensor([row], device=pipeline.device))
        found.append(Routed(replace(item, notes=beyond), own, chosen, predicted, seconds))
    return found


def in_batches(
    pipeline: FianceePipeline, items: Iterable[Routed[Key]], size: int, *, paid: bool
) -> Iterator[list[tuple[Key, Result]]]:
    """Each key with its result, batch by batch, in the order in which batches fill.

    Args:
        pipeline: that routed them.
        items: read only as far as batches need.
        size: inputs that go through the model at once.
        paid: whether the predictor chose the exits.
    """
    for group in grouped(items, attrgetter("exit"), size, WAITING * size):
        for batch in _fitting(pipeline, group):
            yield _rendered(pipeline, batch, paid=paid)


def _fitting(pipeline: FianceePipeline, group: list[Routed[Key]]) -> list[list[Routed[Key]]]:
    """Inputs of one exit as batches that are no slower than one after the other.

    Full depth's features leave a processor's caches: four at once take a third longer than one
    after the other, while early exits gain as much (docs/backends.md).
    """
    alone = pipeline.device.type == CPU.type and group[0].exit == pipeline.model.exits
    return [[each] for each in group] if alone else [group]


def in_order(
    results: Iterable[tuple[int, Result]], count: int, *, progress: bool = False
) -> list[Result]:
    """Results by the numbers that are their keys.

    Args:
        results: of ``in_batches``.
        count: of them.
        progress: show a bar on standard error.
    """
    with tqdm(total=count, disable=not progress, unit="picture") as bar:
        found = {}
        for place, result in results:
            found[place] = result
            bar.update()
    return [found[place] for place in range(count)]


@torch.inference_mode()
def _rendered(
    pipeline: FianceePipeline, group: Sequence[Routed[Key]], *, paid: bool
) -> list[tuple[Key, Result]]:
    exit_index, costs = group[0].exit, pipeline.config.costs
    started = time.perf_counter()
    progress = join([each.progress for each in group])
    made, _ = pipeline.model.render(progress, exit_index, runner=pipeline.runner)
    images = made.to(CPU, torch.float32)
    seconds = (time.perf_counter() - started) / len(group)
    macs = costs.routed(exit_index) if paid else costs.exits[exit_index - 1]
    return [
        (
            each.item.key,
            Result(
                image=to_picture(image),
                exit=exit_index,
                predicted_lpips=each.predicted_lpips,
                macs=macs,
                saving=1 - macs / costs.full_depth,
                milliseconds=1000 * (each.seconds + seconds),
                seed=each.item.seed,
                notes=each.item.notes,
                source_macs=costs.encoder,
                backend=pipeline.backend,
            ),
        )
        for each, image in zip(group, images, strict=True)
    ]
