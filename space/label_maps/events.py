"""What happens on a label-map screen: a map in, pictures and figures out."""

from collections.abc import Callable, Coroutine, Iterator, Mapping
from functools import cached_property
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from fiancee_hub.families.label_maps.classes import to_palette_image, to_rgb
from fiancee_hub.families.label_maps.pipeline import StreetsPipeline
from fiancee_hub.families.label_maps.reading import LabelMap
from fiancee_hub.rendering import Rendering
from fiancee_hub.results import Result
from space.label_maps import maps, packed
from space.label_maps.code import recipe
from space.label_maps.live import OUTDATED
from space.label_maps.seeds import whole
from space.page import links
from space.page.files import answer, picture_address, stored, uploaded
from space.page.model_threads import aside, there
from space.page.outputs import Updates
from space.page.tabs import Tab
from space.result import comparison, downloads, facts
from space.result.comparison import route
from space.result.record import Record
from space.result.scale import BUDGET, MOST_BUDGET

Answer = tuple[FileData, dict[str, Any]]
Endpoint = Callable[..., Coroutine[Any, Any, Answer]]

SUMMARY = "A label map goes in, a picture of it comes out."
ENDPOINT = """{summary} The cheapest exit that keeps a budget makes it.

Args:
    label_map: PNG, JPEG, WebP or .npy: class ids in grey, or the class colours.
    budget: largest LPIPS to the full-depth picture, 0 to 1.
    seed: of the noise.

Returns:
    The picture, and which way it took: exit, predicted_lpips, macs, saving and more.
"""


def fields(pipe: StreetsPipeline) -> Mapping[str, links.Field]:
    """What a link to such a screen can hold."""
    titles = [example.title for example in maps.examples_of(pipe)]
    return {
        "example": links.Choice(links.slugs(titles)),
        "map": packed.drawing_of(pipe),
        "budget": links.Number(0, MOST_BUDGET),
        "seed": links.Seed(),
    }


def rendering(pipe: StreetsPipeline, values: Mapping[str, Any]) -> Rendering:
    """What a link's values show: its map, or an example, or the first one, or a blank map."""
    examples = maps.examples_of(pipe)
    source = values.get("map")
    if source is None and examples:
        source = examples[values.get("example", 0)].path
    if source is None:
        source = maps.blank(pipe.config.classes, pipe.size)
    return pipe.prepare(source, seed=values.get("seed", 0))


class Handlers:
    """Holds the model only: what belongs to a visitor comes in and goes out.

    What is updated is named as in the screen's ``Inputs`` and in ``comparison.View``.
    """

    def __init__(self, tab: Tab, pipe: StreetsPipeline) -> None:
        self.tab, self.pipe = tab, pipe
        self.examples = maps.examples_of(pipe)
        self.fields = fields(pipe)

    @cached_property
    def marks(self) -> Mapping[int, str]:
        """What links call the examples, by the marks of their maps."""
        names = links.slugs(example.title for example in self.examples)
        drawing = self.fields["map"]
        assert isinstance(drawing, packed.Drawing)
        maps_read = (self.pipe.read(example.path).ids for example in self.examples)
        return {drawing.mark(ids): name for ids, name in zip(maps_read, names, strict=True)}

    # the map

    def opened(self, query: str = "", record: Record | None = None) -> Updates:
        """What a visitor sees before touching anything: the link's state, or the first example;
        nothing new where there is a result already, or where a link opens another tab."""
        if record is not None or query == links.ELSEWHERE:
            return {}
        # What stands on the page already is marked as what it is, and gives way in a moment.
        return {name: value for name, value in self._state(query).items() if name != "stale"}

    def restored(self, query: str) -> Updates:
        """The state of an address; what it leaves out is as the page begins."""
        return {"budget": BUDGET, "seed": 0, **self._state(query)}

    def _state(self, query: str) -> Updates:
        state = links.state_of(query, self.tab.name, self.fields, first=self.tab.first)
        settings: Updates = {name: state[name] for name in ("budget", "seed") if name in state}
        if "map" in state:
            nothing = {"gallery": gr.Gallery(selected_index=None)}
            return {**self.edit(state["map"]), **nothing, **settings}
        if not self.examples:
            return {**self.blank(), **settings}
        number = state.get("example", 0)
        chosen = {"gallery": gr.Gallery(selected_index=number)}
        return {**self._example(number), **chosen, **settings}

    def pick(self, event: gr.SelectData) -> Updates:
        """An example into the editor."""
        return self._example(int(event.index))

    def _example(self, number: int) -> Updates:
        return self.edit(self.examples[number].path)

    def blank(self) -> Updates:
        """A blank map into the editor."""
        return self.edit(maps.blank(self.pipe.config.classes, self.pipe.size))

    def edit(self, source: Any) -> Updates:
        """A map into the editor, and what was done to it."""
        read = self.pipe.read(source)
        return {
            "editor": maps.editor_value(to_rgb(read.ids, self.pipe.config.classes)),
            "notes": facts.notes(read.notes),
            # What was done to it stands beside it already.
            "placed": LabelMap(read.ids),
            **comparison.outdated(OUTDATED),
        }

    def save(self, drawing: str) -> downloads.File:
        """The drawn map as palette PNG, which uploads again exactly as it is."""
        ids = self.pipe.read(maps.drawing(drawing)).ids
        picture = to_palette_image(ids, self.pipe.config.classes)
        return downloads.file(f"{self.tab.name}-map.png", picture_address(picture, marked=False))

    # results

    def generate(self, drawing: str, budget: float, seed: float | None) -> Iterator[Updates]:
        """Of what is drawn: the early picture first, then full depth, then all exits."""
        yield from self.run(maps.drawing(drawing), budget, whole(seed))

    def show_placed(
        self, placed: LabelMap | None, budget: float, seed: float | None
    ) -> Iterator[Updates]:
        """The same of the map that was put into the editor last."""
        if placed is not None:
            yield from self.run(placed, budget, whole(seed))

    def show_first(
        self, record: Record | None, placed: LabelMap | None, budget: float, seed: float | None
    ) -> Iterator[Updates]:
        """The same, unless there is a result already."""
        if record is None:
            yield from self.show_placed(placed, budget, seed)

    def run(self, label_map: Any, budget: float, seed: int) -> Iterator[Updates]:
        """The pictures and figures of one map, as they become known."""
        read = self._read(label_map)
        made = recipe(self.pipe, read.ids, seed)
        rendering = self.pipe.prepare(read, seed=seed)
        yield from comparison.steps(rendering, budget, stored, recipe=made)

    def _read(self, label_map: Any) -> LabelMap:
        return label_map if isinstance(label_map, LabelMap) else self.pipe.read(label_map)

    def move(self, record: Record | None, budget: float) -> Updates:
        """Another budget for the pictures that are there."""
        return comparison.moved(record, budget, stored)

    def pick_exit(self, exit_index: float, record: Record | None) -> Updates:
        """Another exit of the pictures that are there, whatever the budget."""
        return comparison.picked(record, int(exit_index), stored)

    # programs

    @cached_property
    def endpoint(self) -> Endpoint:
        """What programs call."""

        async def picture(label_map: FileData, budget: float = BUDGET, seed: int = 0) -> Answer:
            read = await aside(self._uploaded, label_map)
            return await aside(self._answer, await there(self.pipe, read, budget=budget, seed=seed))

        picture.__doc__ = ENDPOINT.format(summary=self.pipe.config.domain.summary or SUMMARY)
        return picture

    def _uploaded(self, label_map: FileData) -> LabelMap:
        return self.pipe.read(uploaded(label_map))

    def _answer(self, result: Result) -> Answer:
        made = answer(stored(result.image, self.tab.name))
        return made, route(result, self.pipe.model.exits)
