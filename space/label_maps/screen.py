"""The streets screen: a map in, the early picture beside full depth and all figures out."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from fiancee_hub.families.label_maps.classes import to_palette_image, to_rgb
from fiancee_hub.families.label_maps.pipeline import StreetsPipeline
from space import texts
from space.label_maps import live, maps
from space.label_maps.seeds import NEW_SEED, whole
from space.page import endpoints, links
from space.page.errors import plainly, plainly_streamed
from space.page.files import answer, picture_address, stored, uploaded
from space.page.links import STREETS, Link
from space.page.theme import hex_colour
from space.result import budget as budgets
from space.result import comparison, downloads, facts
from space.result.budget import BUDGET
from space.result.comparison import SHOW_RESULT, Shown, model_event, quick_event, route
from space.result.film import Film

BRUSH = 9
"""Radius in pixels of the map."""

EDITOR_HEIGHT = 452
"""On a wide screen; with it the canvas fills the column's width."""

PAIRS = budgets.FOLDER / "streets"

UPLOADS = [".png", ".jpg", ".jpeg", ".webp", ".npy"]


@dataclass(frozen=True)
class Inputs:
    """Where a visitor says what shall be made."""

    editor: gr.ImageEditor
    notes: gr.HTML
    gallery: gr.Gallery
    example: gr.Textbox
    budget: gr.Slider
    taken: gr.HTML
    seed: gr.Number
    generate: gr.Button
    live: live.Parts

    @property
    def linked(self) -> list[Any]:
        """What a link brings back."""
        return [self.editor, self.notes, self.gallery, self.example, self.budget, self.seed]


class Handlers:
    """What happens on the screen. Holds the model only: a request's state is its own."""

    def __init__(self, pipe: StreetsPipeline) -> None:
        self.pipe = pipe
        self.examples = maps.examples()

    def generate(
        self, editor: Mapping[str, Any] | None, budget: float, seed: float | None
    ) -> Iterator[Shown]:
        """The early picture first, then full depth, then the plot of all exits."""
        yield from self.run(maps.drawn(editor), budget, whole(seed))

    def first(self, query: str = "") -> Iterator[tuple[Any, ...]]:
        """What a visitor sees before touching anything: the link's state, or the first example.

        After ``Shown`` come the inputs in the order of ``Inputs.linked``.
        """
        link, unchanged = links.wanted(query, STREETS), (gr.skip(),) * 6
        inputs = self._linked(link) if link else unchanged
        link = link or Link(STREETS)
        path = self.examples[link.example or 0].path
        for step in self.run(path, link.budget, link.seed):
            yield (*step, *inputs)
            inputs = unchanged

    def _linked(self, link: Link) -> tuple[Any, ...]:
        number = link.example or 0
        editor, notes = self.edit(self.examples[number].path)
        gallery = gr.Gallery(selected_index=number)
        return editor, notes, gallery, links.slug(STREETS, number), link.budget, link.seed

    def run(self, label_map: Any, budget: float, seed: int) -> Iterator[Shown]:
        """The pictures and figures of one map, as they become known."""
        yield from comparison.steps(self.pipe.prepare(label_map, seed=seed), budget, stored)

    def move(self, film: Film | None, budget: float) -> Shown | tuple[Any, ...]:
        """Another budget for the pictures that are there."""
        return comparison.moved(film, budget, stored)

    def save_map(self, editor: Mapping[str, Any] | None) -> downloads.File:
        """The map as palette PNG, which uploads again exactly as it is."""
        ids = self.pipe.read(maps.drawn(editor)).ids
        picture = to_palette_image(ids, self.pipe.config.classes)
        return downloads.file("streets-map.png", picture_address(picture, marked=False))

    def pick(self, event: gr.SelectData) -> tuple[dict[str, Any], str, str]:
        """An example into the editor, and what links call it."""
        number = int(event.index)
        return *self.edit(self.examples[number].path), links.slug(STREETS, number)

    def blank(self) -> tuple[dict[str, Any], str]:
        """A blank map into the editor."""
        return maps.editor_value(maps.blank(self.pipe.config.classes, self.pipe.size)), ""

    def edit(self, path: Path | str) -> tuple[dict[str, Any], str]:
        """A file into the editor, and what was done to it."""
        read = self.pipe.read(path)
        picture = to_rgb(read.ids, self.pipe.config.classes)
        return maps.editor_value(picture), facts.notes(read.notes)

    def streets(
        self, label_map: FileData, budget: float = BUDGET, seed: int = 0
    ) -> tuple[FileData, dict[str, Any]]:
        """Turns a label map into a street photograph by the cheapest exit that keeps a budget.

        Args:
            label_map: PNG, JPEG, WebP or .npy: class ids in grey, or the class colours.
            budget: largest LPIPS to the full-depth picture, 0 to 1.
            seed: of the noise.

        Returns:
            The picture, and which way it took: exit, predicted_lpips, macs, saving and more.
        """
        result = self.pipe(uploaded(label_map), budget=budget, seed=seed)
        return answer(stored(result.image, "street", marked=True)), route(
            result, self.pipe.model.exits
        )


def brush(pipe: StreetsPipeline, name: str) -> gr.Brush:
    """A brush in the colours of the classes, set to one of them."""
    colours = {entry.name: hex_colour(entry) for entry in pipe.config.classes}
    return gr.Brush(
        default_size=BRUSH,
        colors=list(colours.values()),
        default_color=colours[name],
        color_mode="fixed",
    )


def brush_script(pipe: StreetsPipeline) -> str:
    """JavaScript that gives the brush the colour of the picked class, without asking the server."""
    colours = {entry.name: hex_colour(entry) for entry in pipe.config.classes}
    return f"""(name) => {{
      const colours = {json.dumps(colours)};
      return {{__type__: 'update', brush: {{default_size: {BRUSH}, color_mode: 'fixed',
        colors: Object.values(colours), default_color: colours[name]}}}};
    }}"""


def screen(demo: gr.Blocks, pipe: StreetsPipeline) -> None:
    """Puts the screen on the page that is being built."""
    handlers = Handlers(pipe)
    film = comparison.memory()
    with gr.Row(equal_height=False, elem_id="streets"):
        with gr.Column(min_width=320):
            inputs = _inputs(handlers)
        with gr.Column(min_width=320):
            # They stay in sight while somebody draws.
            with gr.Column(min_width=300, elem_id="pictures-group"):
                pictures, caption = comparison.picture_slider(""), *comparison.words("", "caption")
            with gr.Column(min_width=300, elem_id="figures-group"):
                with gr.Row(elem_classes="downloads"):
                    downloads.save_buttons("", film, "streets")
                    downloads.save_button("Save map", handlers.save_map, inputs.editor, "save-map")
                    copy = links.button("")
                _connect_link(inputs, copy, links.place(""))
                facts_, difference = comparison.words("", "facts", "difference")
    strip, plot = comparison.words("", "film", "plot")
    outputs = [pictures, caption, facts_, plot, strip, difference, inputs.taken, film]
    _connect_results(demo, handlers, inputs, outputs)
    endpoints.publish(handlers.streets)


def _connect_link(inputs: Inputs, button: gr.Button, place: gr.HTML) -> None:
    state = f"(example, budget, seed) => ({{family: '{STREETS}', example, budget, seed}})"
    values = [inputs.example, inputs.budget, inputs.seed]
    links.connect(button, values, place, state, texts.read("link").strip())


def _connect_results(
    demo: gr.Blocks, handlers: Handlers, inputs: Inputs, outputs: list[Any]
) -> None:
    film, budget, button = outputs[-1], inputs.budget, inputs.generate
    following = inputs.live.connect(handlers.pipe, [budget, inputs.seed], outputs)
    # What a button starts runs one after the other: the long one is the last.
    button.click(None, cancels=following, api_visibility="private")
    button.click(None, js=SHOW_RESULT.format("pictures"), api_visibility="private")
    generate = button.click(
        plainly_streamed(handlers.generate),
        [inputs.editor, budget, inputs.seed],
        outputs,
        **model_event(),
    )
    first = demo.load(
        plainly_streamed(handlers.first),
        inputs.live.drawing,
        [*outputs, *inputs.linked],
        js=f"() => {links.QUERY}",
        **model_event(show_progress_on=outputs[:-1]),
    )
    results = [*following, generate, first]
    late = [following[-1], generate, first]
    inputs.live.back.click(None, cancels=late, api_visibility="private")
    move = plainly(handlers.move), [film, budget], outputs
    budget.change(*move, **quick_event())
    # The budget may have been moved while the exits were being rendered.
    for result in results[1:]:
        result.then(*move, **quick_event())


def _inputs(handlers: Handlers) -> Inputs:
    editor, notes, gallery, example = _map(handlers)
    drawing = live.Parts.place()
    budget, taken = budgets.budget_slider("")
    with gr.Row(elem_id="seed-row"):
        seed = gr.Number(0, label="Seed", precision=0, minimum=0, min_width=120, elem_id="seed")
        new_seed = gr.Button("New seed", min_width=120, elem_id="new-seed")
        button = gr.Button("Generate", variant="primary", min_width=160, elem_id="generate")
    new_seed.click(None, None, seed, js=NEW_SEED, api_visibility="private")
    budgets.pair_gallery("", PAIRS)
    return Inputs(editor, notes, gallery, example, budget, taken, seed, button, drawing)


def _map(
    handlers: Handlers,
) -> tuple[gr.ImageEditor, gr.HTML, gr.Gallery, gr.Textbox]:
    """The editor, what was done to its map, the examples, and what links call the chosen one."""
    gallery = gr.Gallery(
        [(str(example.path), example.name) for example in handlers.examples],
        label="Examples: choose one, then draw on it",
        columns=len(handlers.examples),
        rows=1,
        height="auto",
        allow_preview=False,
        interactive=False,
        selected_index=0,
        object_fit="cover",
        buttons=[],
        format="png",
        elem_id="examples",
        elem_classes="examples",
    )
    with gr.Row(elem_id="sources"):
        blank = gr.Button("Blank map", size="sm", min_width=120)
        upload = gr.UploadButton(
            "Upload a map", size="sm", min_width=120, file_types=UPLOADS, elem_id="upload"
        )
    with gr.Column():
        editor = _editor(handlers)
    notes = gr.HTML(elem_id="map-notes")
    example = gr.Textbox(links.slug(STREETS, 0), visible="hidden")
    _connect_sources(handlers, gallery, [blank, upload], editor, notes, example)
    return editor, notes, gallery, example


def _connect_sources(
    handlers: Handlers,
    gallery: gr.Gallery,
    buttons: list[Any],
    editor: gr.ImageEditor,
    notes: gr.HTML,
    example: gr.Textbox,
) -> None:
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    blank, upload = buttons
    gallery.select(plainly(handlers.pick), None, [editor, notes, example], **private)
    own = [
        blank.click(plainly(handlers.blank), None, [editor, notes], **private),
        editor.clear(plainly(handlers.blank), None, [editor, notes], **private),
        upload.upload(plainly(handlers.edit), upload, [editor, notes], **private),
    ]
    for event in own:
        event.success(None, None, example, js="() => ''", api_visibility="private")


def _editor(handlers: Handlers) -> gr.ImageEditor:
    pipe = handlers.pipe
    names = [entry.name for entry in pipe.config.classes]
    height, width = pipe.size
    # Its canvas has the map's own size: scaled, strokes would blend into wrong third classes.
    preset: Any = handlers.edit(handlers.examples[0].path)[0]
    editor = gr.ImageEditor(
        preset,
        type="pil",
        image_mode="RGBA",
        format="png",
        canvas_size=(width, height),
        height=EDITOR_HEIGHT,
        layers=False,
        transforms=(),
        sources=(),
        buttons=[],
        brush=brush(pipe, names[0]),
        eraser=gr.Eraser(default_size=BRUSH),
        label="Label map",
        elem_id="label-map",
    )
    picker = gr.Radio(names, value=names[0], label="Brush", elem_id="classes")
    picker.change(None, picker, editor, js=brush_script(pipe), api_visibility="private")
    return editor
