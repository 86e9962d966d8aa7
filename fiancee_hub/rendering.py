"""One input on its way through the exits, and what is asked of it.

What only routing needs is imported where it is used, as in ``pipeline``.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from fiancee_hub.core.errors import InputError
from fiancee_hub.core.pixels import to_picture
from fiancee_hub.core.placing import CPU, wait_for
from fiancee_hub.core.precision import full_precision
from fiancee_hub.results import Comparison, Result

if TYPE_CHECKING:
    from fiancee_hub.core.exits import EarlyExitModel, Runner
    from fiancee_hub.core.router import Forecast
    from fiancee_hub.hub.config import CheckpointConfig


class Painter(Protocol):
    """What a rendering needs of the pipeline that made it."""

    model: "EarlyExitModel"
    config: "CheckpointConfig"
    backend: str
    runner: "Runner | None"
    loaded_from: Path | None

    @property
    def device(self) -> torch.device:
        """Where the model is."""

    @property
    def dtype(self) -> torch.dtype:
        """What it runs in."""

    def check_exit(self, exit_index: int) -> int:
        """``FianceePipeline.check_exit``."""

    def check_promise(self, budget: float) -> None:
        """``FianceePipeline.check_promise``."""


class Rendering:
    """One input on its way through the exits; going deeper pays only for what is missing.

    Made by ``FianceePipeline.prepare``; belongs to one caller.
    """

    @torch.inference_mode()
    def __init__(
        self, pipeline: Painter, inputs: tuple[Any, ...], seed: int, notes: tuple[str, ...]
    ) -> None:
        """Starts the call.

        Args:
            pipeline: that made it.
            inputs: of ``model.start``, one picture's, where the model is.
            seed: of the noise.
            notes: what was done to the input.
        """
        from fiancee_hub.core.router import Forecast

        self.pipeline, self.seed, self.notes = pipeline, seed, notes
        self._stage_seconds: list[float] = []
        self._rendered: dict[int, tuple[Tensor, Result]] = {}
        self._place = pipeline.device, pipeline.dtype
        wait_for(pipeline.device)
        started = time.perf_counter()
        self._progress = pipeline.model.start(*inputs)
        wait_for(pipeline.device)
        self._start_seconds = time.perf_counter() - started
        started = time.perf_counter()
        mean, spread = (part.cpu().numpy() for part in pipeline.model.predict(self._progress))
        self._predictor_seconds = time.perf_counter() - started
        self.forecast = Forecast(mean, spread, pipeline.config.calibration)

    def __repr__(self) -> str:
        """What the exits are predicted to be, and which were rendered, in one line."""
        predicted = ", ".join(f"{lpips:.3f}" for lpips in self.predicted)
        done = ", ".join(map(str, sorted(self._rendered))) or "none"
        return f"<Rendering: predicted LPIPS {predicted or 'none'}; exits rendered: {done}>"

    @property
    def predicted(self) -> tuple[float, ...]:
        """Predicted LPIPS of every branch, cheapest first."""
        return self.forecast.predicted

    def route(self, budget: float) -> int:
        """The exit that ``budget`` (LPIPS) buys, without rendering anything."""
        return self.forecast.route(budget)

    def deliver(
        self, budget: float, choose: "Callable[[Forecast, float], int] | None" = None
    ) -> Result:
        """What a routed call returns: the exit that ``budget`` buys, the predictor paid for.

        Args:
            budget: LPIPS.
            choose: from forecast and budget to an exit, in place of the cheapest that keeps it.

        Raises:
            InputError: the budget's promise was not tested in what the pipeline runs in, or does
                not hold there.
        """
        from fiancee_hub.core.router import budget_notes

        self.pipeline.check_promise(budget)
        result = self.routed(choose(self.forecast, budget) if choose else self.route(budget))
        notes = budget_notes(budget, self.pipeline.config.calibration)
        return replace(result, notes=result.notes + notes)

    def routed(self, exit_index: int) -> Result:
        """An exit (1 … K) as the router's choice: the predictor is paid for."""
        result = self.result(exit_index)
        costs = self.pipeline.config.costs
        return replace(
            result,
            macs=costs.routed(result.exit),
            saving=1 - costs.ratio(result.exit),
            milliseconds=result.milliseconds + 1000 * self._predictor_seconds,
        )

    def image(self, exit_index: int) -> Tensor:
        """Image of an exit in [-1, 1], (1, 3, height, width), float32 on the CPU."""
        return self._rendered[self.result(exit_index).exit][0]

    @torch.inference_mode()
    def result(self, exit_index: int) -> Result:
        """Renders an exit (1 … K) on its own account, or returns it if it was rendered before.

        ``milliseconds`` is what the exit takes from the beginning, also when some of its stages
        had been run for another exit.

        Raises:
            InputError: there is no such exit, or the pipeline has moved since the call was
                prepared, to another device or type.
        """
        exit_index = self.pipeline.check_exit(exit_index)
        if exit_index not in self._rendered:
            self._check_place()
            self._rendered[exit_index] = self._render(exit_index)
        return self._rendered[exit_index][1]

    def _check_place(self) -> None:
        device, dtype = self.pipeline.device, self.pipeline.dtype
        if (device, dtype) != self._place:
            raise InputError(
                f"the pipeline was moved to {device} and {dtype} after this input was prepared: "
                "prepare it again"
            )

    def _render(self, exit_index: int) -> tuple[Tensor, Result]:
        pipeline, model, costs = self.pipeline, self.pipeline.model, self.pipeline.config.costs
        stages = model.stages_of(exit_index)
        self._advance(stages)
        started = time.perf_counter()
        rendered, self._progress = model.render(self._progress, exit_index, runner=pipeline.runner)
        image = rendered.to(CPU, torch.float32)
        seconds = time.perf_counter() - started
        seconds += self._start_seconds + sum(self._stage_seconds[:stages])
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
            source_macs=costs.encoder,
            backend=pipeline.backend,
        )

    def _advance(self, stages: int) -> None:
        for stage in range(len(self._stage_seconds), stages):
            started = time.perf_counter()
            self._progress = self.pipeline.model.advance(
                self._progress, stage + 1, runner=self.pipeline.runner
            )
            wait_for(self.pipeline.device)
            self._stage_seconds.append(time.perf_counter() - started)


def compare(rendering: Rendering, budget: float) -> Comparison:
    """Both results of a rendering and their true LPIPS (loads ``lpips`` at the first call)."""
    from fiancee_hub.core.router import check_budget

    budget = check_budget(budget)
    early = rendering.deliver(budget)
    full = rendering.result(rendering.pipeline.model.exits)
    distance = true_lpips(rendering, early.exit)
    return Comparison(early, full, distance, distance <= budget, budget)


@torch.inference_mode()
def true_lpips(rendering: Rendering, exit_index: int) -> float:
    """LPIPS between an exit and full depth of the same rendering."""
    from fiancee_hub.core.perceptual import perceptual_distance

    exits = rendering.pipeline.model.exits
    if exit_index == exits:
        return 0.0
    with full_precision(CPU):
        distance = perceptual_distance()(rendering.image(exit_index), rendering.image(exits))
    return float(distance)
