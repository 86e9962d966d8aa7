"""The streets screen: a map in, the early picture beside full depth and all figures out."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from fiancee_hub.errors import InputError
from fiancee_hub.label_maps import to_rgb
from fiancee_hub.street_pipeline import StreetsPipeline
from space import comparison, facts, maps
from space.comparison import BUDGET, MODEL, SHOW_RESULT, Shown, model_event, route
from space.errors import plainly, plainly_streamed
from space.files import answer, stored, uploaded
from space.theme import hex_colour

SEEDS = 2**31
BRUSH = 9
"""Radius in pixels of the map."""

EDITOR_HEIGHT = 452
"""On a wide screen; with it the canvas fills the column's width."""

UPLOADS = [".png", ".jpg", ".jpeg", ".webp", ".npy"]

NEW_SEED = f"() => Math.floor(Math.random() * {SEEDS})"


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

    def first(self) -> Iterator[Shown]:
        """What a visitor sees before touching anything: the first example."""
        yield from self.run(self.examples[0].path, BUDGET, 0)

    def run(self, label_map: Any, budget: float, seed: int) -> Iterator[Shown]:
        """The pictures and figures of one map, as they become known."""
        yield from comparison.steps(self.pipe.prepare(label_map, seed=seed), budget, stored)

    def pick(self, event: gr.SelectData) -> tuple[dict[str, Any], str]:
        """An example into the editor."""
        return self.edit(self.examples[int(event.index)].path)

    def blank(self) -> tuple[dict[str, Any], str]:
        """A blank map into the editor."""
        return maps.editor_value(maps.blank(self.pipe.config.classes, self.pipe.size)), ""

    def edit(self, path: Path | str) -> tuple[dict[str, Any], str]:
        """A file into the editor, and what was done to it."""
        read = self.pipe.read(path)
        picture = to_rgb(read.ids, self.pipe.config.classes)
        return maps.editor_value(picture), facts.notes(read.notes)

    def api(
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
        return answer(stored(result.image, "street")), route(result, self.pipe.model.exits)


def whole(seed: float | None) -> int:
    """A seed as the number field gives it.

    Raises:
        InputError: the field is empty.
    """
    if seed is None:
        raise InputError("The seed is empty: type a whole number or press New seed.")
    return int(seed)


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
    with gr.Row(equal_height=False, elem_id="streets"):
        with gr.Column(min_width=320):
            editor, budget, seed, button = _inputs(handlers)
        with gr.Column(min_width=320, elem_id="result"):
            outputs = _outputs()
    button.click(
        plainly_streamed(handlers.generate), [editor, budget, seed], outputs, **model_event()
    )
    button.click(None, js=SHOW_RESULT.format("result"), api_visibility="private")
    demo.load(plainly_streamed(handlers.first), None, outputs, **model_event())
    gr.api(plainly(handlers.api), api_name="streets", concurrency_id=MODEL, concurrency_limit=1)


def _inputs(handlers: Handlers) -> tuple[gr.ImageEditor, gr.Slider, gr.Number, gr.Button]:
    editor = _map(handlers)
    budget = comparison.budget_slider("")
    with gr.Row(elem_id="seed-row"):
        seed = gr.Number(0, label="Seed", precision=0, minimum=0, min_width=120, elem_id="seed")
        new_seed = gr.Button("New seed", min_width=120, elem_id="new-seed")
        button = gr.Button("Generate", variant="primary", min_width=160, elem_id="generate")
    new_seed.click(None, None, seed, js=NEW_SEED, api_visibility="private")
    return editor, budget, seed, button


def _map(handlers: Handlers) -> gr.ImageEditor:
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
    _connect_sources(handlers, gallery, blank, upload, editor, notes)
    return editor


def _connect_sources(
    handlers: Handlers,
    gallery: gr.Gallery,
    blank: gr.Button,
    upload: gr.UploadButton,
    editor: gr.ImageEditor,
    notes: gr.HTML,
) -> None:
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    gallery.select(plainly(handlers.pick), None, [editor, notes], **private)
    blank.click(plainly(handlers.blank), None, [editor, notes], **private)
    editor.clear(plainly(handlers.blank), None, [editor, notes], **private)
    upload.upload(plainly(handlers.edit), upload, [editor, notes], **private)


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


def _outputs() -> list[Any]:
    return [comparison.picture_slider(""), *comparison.words("", "caption", "facts", "plot")]
