"""What both screens show of a result: early picture beside full depth, figures and plot."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr
from PIL import Image

from fiancee_hub.pipelines import Rendering, Result, true_lpips
from space import facts, plots, texts
from space.facts import Outcome
from space.parts import PictureSlider

MODEL = "model"
"""Events with this concurrency id take turns: times would not be true otherwise."""

BUDGET, MOST_BUDGET, BUDGET_STEP = 0.1, 0.3, 0.005

Place = Callable[[Image.Image], str]
"""Puts a picture where the page can fetch it; gives its path or address."""

Sides = tuple[str, str]
Shown = tuple[Sides, str, str, str]
"""The slider's pictures, its caption, the facts, the plot."""

SHOW_RESULT = """() => {{
  if (matchMedia('(max-width: 767px)').matches)
    document.querySelector('#{}').scrollIntoView({{behavior: 'smooth'}});
}}"""


def steps(
    rendering: Rendering, budget: float, place: Place, source_milliseconds: float = 0.0
) -> Iterator[Shown]:
    """The early picture first, then full depth, then the plot of all exits."""
    exits = rendering.pipeline.model.exits
    early = rendering.deliver(budget)
    outcome = Outcome(early, budget, exits, source_milliseconds=source_milliseconds)
    yield shown(outcome, predictions(rendering), place)
    full, lpips = rendering.result(exits), true_lpips(rendering, early.exit)
    outcome = Outcome(early, budget, exits, full, lpips, source_milliseconds)
    yield shown(outcome, predictions(rendering), place)
    yield shown(outcome, every_exit(rendering), place)


def shown(outcome: Outcome, points: Sequence[plots.Point], place: Place) -> Shown:
    """What the screen shows of an outcome and the exits' points."""
    # The slider shows nothing until it has two pictures, so the early one waits on both sides.
    pictures = place(outcome.early.image), place((outcome.full or outcome.early).image)
    plot = plots.exits_plot(points, outcome.budget, outcome.early.exit)
    return pictures, facts.caption(outcome), facts.facts(outcome), plot


def predictions(rendering: Rendering) -> list[plots.Point]:
    """What is known of all exits before any is rendered."""
    costs = rendering.pipeline.config.costs.exits
    predicted = (*rendering.predicted, 0.0)
    return [plots.Point(i, *known) for i, known in enumerate(zip(costs, predicted, strict=True), 1)]


def every_exit(rendering: Rendering) -> list[plots.Point]:
    """All exits of a rendering with their true LPIPS."""
    return [measured(rendering, index) for index in range(1, rendering.pipeline.model.exits + 1)]


def measured(rendering: Rendering, index: int) -> plots.Point:
    """One exit, rendered and compared with full depth."""
    result, lpips = rendering.result(index), true_lpips(rendering, index)
    return plots.Point(index, result.macs, result.predicted_lpips, lpips, result.milliseconds)


def route(result: Result, exits: int) -> dict[str, Any]:
    """How a picture came about, for programs."""
    return {
        "exit": result.exit,
        "exits": exits,
        "predicted_lpips": result.predicted_lpips,
        "macs": result.macs,
        "source_macs": result.source_macs,
        "saving": result.saving,
        "milliseconds": result.milliseconds,
        "seed": result.seed,
        "notes": list(result.notes),
    }


def budget_slider(prefix: str) -> gr.Slider:
    """The budget with what its values mean."""
    with gr.Group():
        slider = gr.Slider(
            0,
            MOST_BUDGET,
            BUDGET,
            step=BUDGET_STEP,
            label="Budget: largest LPIPS to the full-depth picture",
            elem_id=f"{prefix}budget",
        )
        gr.Markdown(
            texts.read(f"{prefix}budget"),
            elem_id=f"{prefix}budget-words",
            elem_classes="budget-words",
        )
    return slider


def picture_slider(prefix: str, max_height: int = 600) -> gr.ImageSlider:
    """Early exit and full depth under one sliding edge."""
    return PictureSlider(
        label="Early exit | full depth",
        format="png",
        type="pil",
        interactive=False,
        buttons=["fullscreen"],
        max_height=max_height,
        elem_id=f"{prefix}pictures",
        elem_classes="pictures",
    )


def words(prefix: str, *names: str) -> list[gr.HTML]:
    """Places for captions, facts and plots."""
    return [gr.HTML(elem_id=f"{prefix}{name}", elem_classes=name) for name in names]


def model_event(**more: Any) -> dict[str, Any]:
    """Options of an event that needs the model and is no endpoint."""
    return {
        "concurrency_id": MODEL,
        "concurrency_limit": 1,
        "show_progress": "minimal",
        "api_visibility": "private",
        **more,
    }
