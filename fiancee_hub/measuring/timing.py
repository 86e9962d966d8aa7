"""Time of every exit relative to full depth, measured side by side in one run."""

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import torch

from fiancee_hub.core.exits import EarlyExitModel, Runner
from fiancee_hub.core.nested import joined


@torch.inference_mode()
def exit_milliseconds(
    model: EarlyExitModel, inputs: tuple[Any, ...], threads: int, rounds: int = 30
) -> list[list[float]]:
    """Milliseconds of a call to every exit, exits in turn in every round.

    A call is what a routed request runs: condition, predictor, trunk part, guide look-up and
    branch; for full depth the predictor is left out. Round by round, so that a drifting machine
    slows all exits alike.

    Args:
        model: the model.
        inputs: of one image.
        threads: threads that PyTorch may use.
        rounds: how often each exit runs; two more rounds warm up.

    Returns:
        for each round the milliseconds of exits 1 … K.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return [
            [_call(model, inputs, exit_index) for exit_index in range(1, model.exits + 1)]
            for _ in range(rounds + 2)
        ][2:]
    finally:
        torch.set_num_threads(before)


@torch.inference_mode()
def side_by_side(
    model: EarlyExitModel,
    inputs: tuple[Any, ...],
    runners: Mapping[str, Runner | None],
    rounds: int = 30,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[list[float]]]:
    """Milliseconds of a call to every exit by every runner, one after the other in every round.

    Args:
        model: the model.
        inputs: of one image.
        runners: by name, all made and warm; None for the model itself.
        rounds: how often each exit runs.
        clock: in seconds; that of the processor where other work disturbs.

    Returns:
        by runner for each round the milliseconds of exits 1 … K.
    """
    exits = range(1, model.exits + 1)
    found: dict[str, list[list[float]]] = {name: [] for name in runners}
    for _ in range(rounds):
        for name, runner in runners.items():
            found[name].append([_call(model, inputs, each, runner, clock) for each in exits])
    return found


@torch.inference_mode()
def batches(
    model: EarlyExitModel,
    inputs: tuple[Any, ...],
    runner: Runner | None,
    sizes: Sequence[int],
    exits: Sequence[int],
    rounds: int = 10,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[int, list[list[float]]]:
    """Milliseconds of a picture in batches, all sizes in turn in every round.

    A round renders as many pictures in every size: the largest size's number.

    Args:
        model: the model.
        inputs: of one image.
        runner: of the stages, warm; None for the model itself.
        sizes: pictures of a batch; 1 is one after the other.
        exits: to time.
        rounds: how often; one more warms up.
        clock: in seconds.

    Returns:
        by size for each round the milliseconds of a picture of each of ``exits``.
    """
    most = max(sizes)
    given = {size: joined([inputs] * size) for size in sizes}
    found: dict[int, list[list[float]]] = {size: [] for size in sizes}
    for _ in range(rounds + 1):
        rows: dict[int, list[float]] = {size: [] for size in sizes}
        for exit_index in exits:
            for size in sizes:
                calls = range(0, most, size)
                whole = sum(_call(model, given[size], exit_index, runner, clock) for _ in calls)
                rows[size].append(whole / (len(calls) * size))
        for size, row in rows.items():
            found[size].append(row)
    return {size: each[1:] for size, each in found.items()}


def _call(
    model: EarlyExitModel,
    inputs: tuple[Any, ...],
    exit_index: int,
    runner: Runner | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    started = clock()
    progress = model.start(*inputs)
    if exit_index < model.exits:
        model.predict(progress)
    model.render(progress, exit_index, runner=runner)
    return 1000 * (clock() - started)


def time_ratios(rounds: list[list[float]]) -> list[float]:
    """Median over the rounds of each exit's time relative to full depth in the same round."""
    return [median(row[index] / row[-1] for row in rounds) for index in range(len(rounds[0]))]
