"""What both screens show of a result: early picture beside full depth, figures and plot."""

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
from PIL import Image

from fiancee_hub.pipeline import Rendering, Result
from space.page.parts import PictureSlider
from space.result import budget as budgets
from space.result import facts, plots
from space.result.difference import difference_view
from space.result.film import Film
from space.result.filmstrip import filmstrip

MODEL = "model"
"""Events with this concurrency id take turns: times would not be true otherwise."""

KEPT_SECONDS = 1800
"""How long what belongs to a visitor stays in memory after the last change."""

Place = Callable[[Image.Image], str]
"""Puts a picture where the page can fetch it; gives its path or address."""

Sides = tuple[str, str]
Shown = tuple[Sides, str, str, str, str, str, str, Film]
"""The slider's pictures, its caption, the facts, the plot, the film strip, the difference, the
exit that each budget takes, and what is kept of all this."""

SHOW_RESULT = """() => {{
  if (matchMedia('(max-width: 767px)').matches)
    document.querySelector('#{}').scrollIntoView({{behavior: 'smooth'}});
}}"""


def steps(
    rendering: Rendering, budget: float, place: Place, source_milliseconds: float = 0.0
) -> Iterator[Shown]:
    """The early picture first, then full depth, then all exits."""
    exits = rendering.pipeline.model.exits
    film = Film.begin(rendering, budget, source_milliseconds)
    yield shown(film, place)
    film = film.add(rendering, exits)
    yield shown(film, place)
    yield shown(film.add(rendering, *range(1, exits)), place)


def shown(film: Film, place: Place) -> Shown:
    """What the screen shows of a film."""
    outcome = film.outcome
    # The slider shows nothing until it has two pictures, so the early one waits on both sides.
    pictures = place(outcome.early.image), place((outcome.full or outcome.early).image)
    return (
        pictures,
        facts.caption(outcome),
        facts.facts(outcome),
        plots.exits_plot(film.points, film.budget, film.chosen),
        filmstrip(film),
        difference_view(film),
        budgets.routes(film),
        film,
    )


def moved(film: Film | None, budget: float, place: Place) -> Shown | tuple[Any, ...]:
    """The screen after the budget was moved: routed anew, nothing rendered.

    While the exits are still being rendered nothing changes; what follows asks again.
    """
    if film is None or not film.complete or film.budget == budget:
        return unchanged()
    routed = film.at(budget)
    screen = shown(routed, place)
    if routed.chosen != film.chosen:
        return screen
    skip = gr.skip()
    return skip, *screen[1:4], skip, skip, *screen[6:]


def unchanged() -> tuple[Any, ...]:
    """Leaves the screen as it is."""
    return (gr.skip(),) * 8


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


def words(prefix: str, *names: str, render: bool = True) -> list[gr.HTML]:
    """Places for captions, facts and plots."""
    return [gr.HTML(elem_id=f"{prefix}{name}", elem_classes=name, render=render) for name in names]


def memory() -> gr.State:
    """A place for what belongs to one visitor, emptied when the page is closed or forgotten."""
    return gr.State(None, time_to_live=KEPT_SECONDS)


def model_event(**more: Any) -> dict[str, Any]:
    """Options of an event that needs the model and is no endpoint."""
    return {
        "concurrency_id": MODEL,
        "concurrency_limit": 1,
        "show_progress": "minimal",
        "api_visibility": "private",
        **more,
    }


def quick_event(**more: Any) -> dict[str, Any]:
    """Options of an event that needs no model: it waits for nobody, and the newest counts."""
    return {
        "queue": False,
        "show_progress": "hidden",
        "trigger_mode": "always_last",
        "api_visibility": "private",
        **more,
    }
