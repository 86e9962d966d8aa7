"""Drawing live: the picture follows the hand, and when it rests catches up with the budget."""

import base64
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from fiancee_hub.core.errors import InputError
from fiancee_hub.core.pictures import decoding
from fiancee_hub.families.label_maps.pipeline import StreetsPipeline
from fiancee_hub.pipeline import Rendering
from space.label_maps.seeds import whole
from space.page.errors import plainly, plainly_streamed
from space.page.files import picture_address, stored
from space.result import budget as budgets
from space.result import comparison
from space.result.comparison import model_event
from space.result.film import Film

CHEAPEST = 1
"""The exit that follows the hand."""

SCRIPT = Path(__file__).parents[1] / "live.js"
"""Says when the hand moves and rests; a frame waits for the one before, and the newest counts."""

READ = "(_, ...others) => [window.fianceeLive.drawing, ...others]"
DONE = "() => window.fianceeLive.done()"
FAILED = "() => window.fianceeLive.failed()"

Screen = tuple[Any, ...]
"""What ``comparison.Shown`` has, and what is kept until the hand rests."""


@dataclass(frozen=True, eq=False)
class Kept:
    """The newest frame's map on its way through the exits.

    Args:
        drawing: ``data:`` address of the map.
        rendering: of that map.
    """

    drawing: str
    rendering: Rendering

    def is_of(self, drawing: str, seed: int) -> bool:
        return (self.drawing, self.rendering.seed) == (drawing, seed)


class Handlers:
    """What happens while somebody draws. Holds the model only."""

    def __init__(self, pipe: StreetsPipeline) -> None:
        self.pipe = pipe

    def frame(self, drawing: str, budget: float, seed: float | None) -> Screen:
        """The cheapest exit's picture of what is drawn so far."""
        try:
            rendering = self._prepared(drawing, seed)
            film = Film.begin(rendering, budget, chosen=CHEAPEST)
            routes = budgets.routes(film.at(budget))
        except InputError:
            # Said once, when the hand rests.
            return (*comparison.unchanged(), gr.skip())
        *screen, _, _ = comparison.shown(film, _small)
        return (*screen, routes, film, Kept(drawing, rendering))

    def rest(
        self, drawing: str, budget: float, seed: float | None, kept: Kept | None
    ) -> Iterator[Screen]:
        """The budget's exit, then full depth, then all exits; stages that the last frame has run
        are not run again."""
        if kept and kept.is_of(drawing, whole(seed)):
            rendering = kept.rendering
        else:
            rendering = self._prepared(drawing, seed)
        for step in comparison.steps(rendering, budget, stored):
            yield (*step, None)

    def _prepared(self, drawing: str, seed: float | None) -> Rendering:
        return self.pipe.prepare(picture(drawing), seed=whole(seed))


def picture(address: str) -> Image.Image:
    """The PNG in a ``data:`` address.

    Raises:
        InputError: there is none.
    """
    with decoding("The drawing"):
        content = base64.b64decode(address.partition(",")[2], validate=True)
        return Image.open(io.BytesIO(content), formats=["PNG"])


def _small(image: Image.Image) -> str:
    return picture_address(image, "webp")


@dataclass(frozen=True)
class Parts:
    """The switch, and what the page's script presses and fills.

    Args:
        drawing: the map, put in by the script.
        back: the hand is back; whatever is being rendered is out of date.
        frame: it moves.
        rest: it rests.
        kept: the newest frame's ``Kept``.
    """

    drawing: gr.Textbox
    back: gr.Button
    frame: gr.Button
    rest: gr.Button
    kept: gr.State

    @classmethod
    def place(cls) -> "Parts":
        """Puts them on the page that is being built."""
        gr.Checkbox(
            True,
            label="Draw live",
            info="The picture follows the brush; at rest the budget's exit takes over.",
            interactive=True,
            elem_id="live-wanted",
        )
        back, frame, rest = (
            gr.Button(visible="hidden", elem_id=f"live-{name}")
            for name in ("back", "frame", "rest")
        )
        return cls(gr.Textbox(visible="hidden"), back, frame, rest, comparison.memory())

    def connect(
        self, pipe: StreetsPipeline, inputs: Sequence[Any], outputs: Sequence[Any]
    ) -> list[Any]:
        """Lets the picture follow; the events of a moving and of a resting hand.

        Args:
            pipe: makes the pictures.
            inputs: budget, seed.
            outputs: of ``comparison.Shown``.
        """
        handlers = Handlers(pipe)
        options = model_event(js=READ, trigger_mode="always_last", show_progress="hidden")
        seen = [self.drawing, *inputs]
        screen = [*outputs, self.kept]
        frame = self.frame.click(plainly(handlers.frame), seen, screen, **options)
        frame.then(None, js=DONE, api_visibility="private")
        frame.failure(None, js=FAILED, api_visibility="private")
        rest = self.rest.click(
            plainly_streamed(handlers.rest), [*seen, self.kept], screen, **options
        )
        return [frame, rest]
