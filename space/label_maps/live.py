"""Drawing live: the picture follows the hand, and when it rests catches up with the budget."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from fiancee_hub.core.errors import InputError
from fiancee_hub.families.label_maps.pipeline import StreetsPipeline
from fiancee_hub.rendering import Rendering
from space.label_maps import maps
from space.label_maps.code import recipe
from space.label_maps.seeds import whole
from space.page.events import memory, model_event
from space.page.files import picture_address, stored
from space.page.outputs import Outputs, Updates
from space.page.scripts import call
from space.page.tabs import Tab
from space.result import comparison
from space.result.chain import chain
from space.result.comparison import View
from space.result.record import Record

CHEAPEST = 1
"""The exit that follows the hand."""

SCRIPT = Path(__file__).with_name("live.js")
"""Says when the hand moves and rests; a frame waits for the one before, and the newest counts."""

OUTDATED = "Out of date: the map or the seed has changed. Generate makes its picture."


@dataclass(frozen=True, eq=False)
class Frame:
    """The newest map on its way through the exits.

    Args:
        drawing: ``data:`` address of the map.
        rendering: of that map.
    """

    drawing: str
    rendering: Rendering

    def is_of(self, drawing: str, seed: int) -> bool:
        return (self.drawing, self.rendering.seed) == (drawing, seed)


class Handlers:
    """What happens while somebody draws. Holds the model only.

    What is updated is named as in ``comparison.View``; ``frame`` is kept until the hand rests.
    """

    def __init__(self, pipe: StreetsPipeline) -> None:
        self.pipe = pipe

    def frame(self, drawing: str, budget: float, seed: float | None) -> Updates:
        """The cheapest exit's picture of what is drawn so far."""
        try:
            rendering = self._prepared(drawing, seed)
            record = Record.begin(rendering, budget, chosen=CHEAPEST)
            routes = chain(record.at(budget).showing(CHEAPEST))
        except InputError:
            # Said once, when the hand rests.
            return {}
        screen = comparison.shown(record, _small)
        return {**screen, "taken": routes, "frame": Frame(drawing, rendering)}

    def rest(
        self, drawing: str, budget: float, seed: float | None, frame: Frame | None
    ) -> Iterator[Updates]:
        """The budget's exit, then full depth, then all exits; stages that the last frame has run
        are not run again."""
        if frame and frame.is_of(drawing, whole(seed)):
            rendering = frame.rendering
        else:
            rendering = self._prepared(drawing, seed)
        ids = self.pipe.read(maps.drawing(drawing)).ids
        made = recipe(self.pipe, ids, rendering.seed)
        for step in comparison.steps(rendering, budget, stored, recipe=made):
            yield {**step, "frame": None}

    def _prepared(self, drawing: str, seed: float | None) -> Rendering:
        return self.pipe.prepare(maps.drawing(drawing), seed=whole(seed))


def _small(image: Image.Image) -> str:
    return picture_address(image, "webp")


@dataclass(frozen=True)
class LiveDrawing:
    """The switch, and what the page's script presses and fills.

    Args:
        tab: where they are.
        drawing: the map, put in by the script.
        back: the hand is back; whatever is being rendered is out of date.
        moves: the hand is on its way.
        rests: it has come to rest.
        stale: the map has changed and nobody renders it.
        placed: another map has been put into the editor.
        frame: the newest ``Frame``.
    """

    tab: Tab
    drawing: gr.Textbox
    back: gr.Button
    moves: gr.Button
    rests: gr.Button
    stale: gr.Button
    placed: gr.Button
    frame: gr.State

    @classmethod
    def place(cls, tab: Tab) -> "LiveDrawing":
        """Puts them on the page that is being built."""
        gr.Checkbox(
            True,
            label="Draw live",
            info="The picture follows the brush; at rest the budget's exit takes over.",
            interactive=True,
            elem_id=tab.id("live-wanted"),
        )
        back, moves, rests, stale, placed = (
            gr.Button(visible="hidden", elem_id=tab.id(f"live-{name}"))
            for name in ("back", "frame", "rest", "stale", "placed")
        )
        drawing = gr.Textbox(visible="hidden")
        return cls(tab, drawing, back, moves, rests, stale, placed, memory())

    def connect(self, pipe: StreetsPipeline, inputs: Sequence[Any], view: View) -> Any:
        """Lets the picture follow; the event of a resting hand.

        Args:
            pipe: makes the pictures.
            inputs: budget, seed.
            view: where they stand.
        """
        handlers = Handlers(pipe)
        outputs = view.outputs | Outputs(frame=self.frame)
        options = model_event(
            js=call("withFrame", self.tab.name),
            trigger_mode="always_last",
            show_progress="hidden",
        )
        seen = [self.drawing, *inputs]
        moving = self.moves.click(
            outputs.by_model(handlers.frame), seen, outputs.components, **options
        )
        for event, answer in ((moving.then, "frameDone"), (moving.failure, "frameFailed")):
            event(None, js=call(answer, self.tab.name), api_visibility="private")
        resting = self.rests.click(
            outputs.streamed(handlers.rest), [*seen, self.frame], outputs.components, **options
        )
        self.stale.click(**view.when_outdated(OUTDATED))
        return resting
