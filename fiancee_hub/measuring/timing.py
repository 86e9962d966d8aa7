"""Time of every exit relative to full depth, measured side by side in one run."""

import time
from statistics import median
from typing import Any

import torch

from fiancee_hub.core.exits import EarlyExitModel


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


def _call(model: EarlyExitModel, inputs: tuple[Any, ...], exit_index: int) -> float:
    started = time.perf_counter()
    progress = model.start(*inputs)
    if exit_index < model.exits:
        model.predict(progress)
    model.render(progress, exit_index)
    return 1000 * (time.perf_counter() - started)


def time_ratios(rounds: list[list[float]]) -> list[float]:
    """Median over the rounds of each exit's time relative to full depth in the same round."""
    return [median(row[index] / row[-1] for row in rounds) for index in range(len(rounds[0]))]
