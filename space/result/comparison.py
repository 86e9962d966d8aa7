"""What every screen shows of a result: early picture beside full depth, figures and plot."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from fiancee_hub.rendering import Rendering
from fiancee_hub.results import Result
from space.page.components import PictureSlider
from space.page.events import memory, quick_event
from space.page.markup import render
from space.page.outputs import Outputs, Updates
from space.page.scripts import call
from space.page.tabs import Tab
from space.result import code, facts, plots
from space.result.cards import exit_cards
from space.result.chain import chain
from space.result.chain import of_frames as chain_of_frames
from space.result.code import Recipe
from space.result.difference import difference_view
from space.result.headline import empty_headline, headline
from space.result.network import Network
from space.result.record import Record

SCRIPTS = tuple(Path(__file__).with_name(f"{name}.js") for name in ("result", "edge", "chain"))

WORDS = ("headline", "stale", "caption", "facts", "plot", "cards", "difference", "code")
"""What is said of a result, each in a place of its own."""

DETAILS = {
    "Figures of this picture": ("facts",),
    "All exits": ("cards", "plot"),
    "Where they differ": ("difference",),
    "The code for this": ("code",),
}
"""What is folded below the pictures."""


def picture_style(tab: str, size: tuple[int, int]) -> str:
    """CSS by which a tab's pictures have their room before they are there.

    Args:
        tab: its name.
        size: of the pictures: height, width.
    """
    height, width = size
    return f"#{tab}-screen {{ --picture: {width} / {height} }}"


FORGOTTEN = "Out of date: what was made here is not kept any more. Generate makes its picture."
"""After a while, or where the server has begun anew, while the page was open."""

Publish = Callable[[Image.Image], str]
"""Puts a picture where the page can fetch it; gives its path or address."""


def steps(
    rendering: Rendering,
    budget: float,
    publish: Publish,
    source_milliseconds: float = 0.0,
    recipe: Recipe | None = None,
) -> Iterator[Updates]:
    """The early picture first, then full depth, then all exits; named as in ``View``."""
    exits = rendering.pipeline.model.exits
    record = Record.begin(rendering, budget, source_milliseconds, recipe=recipe)
    yield shown(record, publish)
    record = record.add(rendering, exits)
    yield shown(record, publish)
    yield shown(record.add(rendering, *range(1, exits)), publish)


def shown(record: Record, publish: Publish) -> Updates:
    """What the screen shows of a record."""
    outcome = record.outcome
    # The slider shows nothing until it has two pictures, so the early one waits on both sides.
    pictures = publish(outcome.early.image), publish((outcome.full or outcome.early).image)
    return {
        "pictures": pictures,
        "stale": "",
        "cards": exit_cards(record),
        "difference": difference_view(record),
        **_figures(record),
    }


def _figures(record: Record) -> Updates:
    """What follows the budget even where the same exit is taken."""
    outcome = record.outcome
    return {
        "caption": facts.caption(outcome),
        "facts": facts.facts(outcome),
        "plot": plots.exits_plot(record.points, record.budget, record.chosen),
        "headline": headline(record),
        "taken": chain(record),
        "code": code.shown(record.code),
        "record": record,
    }


def moved(record: Record | None, budget: float, publish: Publish) -> Updates:
    """The screen after the budget was moved: routed anew, nothing rendered.

    While the exits are still being rendered nothing changes; what follows asks again.
    """
    if record is None or not record.complete or record.budget == budget:
        return {}
    routed = record.at(budget)
    if routed.chosen == record.chosen:
        return _figures(routed)
    # What stood is as stale as before.
    return {name: value for name, value in shown(routed, publish).items() if name != "stale"}


def picked(record: Record | None, exit_index: int, publish: Publish) -> Updates:
    """The screen with another exit for the early picture, if that is rendered already."""
    if record is None:
        return outdated(FORGOTTEN)
    if exit_index not in record.pictures or exit_index == record.chosen:
        return {}
    updates = shown(record.showing(exit_index), publish)
    # What stood is as stale as before.
    return {name: value for name, value in updates.items() if name != "stale"}


def forgotten(record: Record | None) -> Updates:
    """What a visitor is told who moves the budget where nothing is kept that could follow it."""
    return outdated(FORGOTTEN) if record is None else {}


def of_frames(network: Network, budget: float) -> Updates:
    """What the screen says where many pictures are made one after the other."""
    taken = chain_of_frames(network, budget)
    return {"headline": empty_headline(network), "taken": taken, "record": None}


def outdated(words: str) -> Updates:
    """Marks what stands as the picture of another input, and says what to do."""
    return {"stale": render("stale.html", words=words)}


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


class View:
    """Where a result stands on the page: its components, made here and placed by the screen.

    Args:
        tab: where they stand.
        network: that makes the pictures.
        taken: where the chain of exits is shown.
        max_height: of the pictures, in pixels.
    """

    def __init__(self, tab: Tab, network: Network, taken: gr.HTML, max_height: int = 600) -> None:
        self.tab, self.taken, self.record = tab, taken, memory()
        self.words = {name: self._words(name) for name in WORDS}
        self.words["headline"].value = empty_headline(network)
        self.words["caption"].value = facts.empty_caption()
        # Early exit and full depth under one sliding edge.
        self.pictures = PictureSlider(
            label="Early exit | full depth",
            format="png",
            type="pil",
            interactive=False,
            buttons=["fullscreen"],
            max_height=max_height,
            elem_id=tab.id("pictures"),
            elem_classes="pictures",
            render=False,
        )

    def _words(self, name: str) -> gr.HTML:
        return gr.HTML(elem_id=self.tab.id(name), elem_classes=name, render=False)

    def place_pictures(self) -> None:
        """Puts the pictures with their caption on the page that is being built."""
        self.pictures.render()  # type: ignore[no-untyped-call]
        self.place("caption", "stale")

    def place_details(self) -> None:
        """Puts figures, exits and plots on the page, folded."""
        for title, names in DETAILS.items():
            with gr.Accordion(title, open=False, elem_id=self.tab.id(f"{names[0]}-more")):
                self.place(*names)

    def place(self, *names: str) -> None:
        """Puts captions, facts or plots on the page that is being built."""
        for name in names:
            self.words[name].render()  # type: ignore[no-untyped-call]

    @property
    def outputs(self) -> Outputs:
        return Outputs(pictures=self.pictures, taken=self.taken, record=self.record, **self.words)

    @property
    def visible(self) -> list[Any]:
        """All but what is kept."""
        return [self.pictures, self.taken, *self.words.values()]

    def connect_exits(self, handler: Callable[..., Updates], outputs: Outputs, *more: Any) -> None:
        """A click on an exit shows it; ``more`` is what the handler gets after the record."""
        number = gr.Number(visible="hidden")
        gr.Button(visible="hidden", elem_id=self.tab.id("exit")).click(
            outputs.filled(handler),
            [number, self.record, *more],
            outputs.components,
            js=call("chosenExit"),
            **quick_event(),
        )

    def connect_hand(
        self, budget: gr.Slider, handler: Callable[..., Updates] = forgotten, *more: Any
    ) -> None:
        """A hand that moves the budget is told where no picture follows; ``more`` is what the
        handler gets after the record."""
        outputs = Outputs(stale=self.words["stale"])
        inputs = [self.record, *more]
        budget.input(outputs.filled(handler), inputs, outputs.components, **quick_event())

    def when_outdated(self, words: str) -> dict[str, Any]:
        """Options of an event that marks what stands as stale, without asking the server."""
        return {
            "fn": None,
            "inputs": None,
            "outputs": [self.words["stale"]],
            "js": call("outdated", render("stale.html", words=words)),
            "api_visibility": "private",
        }

    def scroll_to(self, part: str) -> dict[str, Any]:
        """Options of an event that brings a part into sight."""
        return {"fn": None, "js": call("show", self.tab.id(part)), "api_visibility": "private"}
