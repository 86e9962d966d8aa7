"""The streets screen: a map in, the early picture beside full depth and all figures out."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData
from gradio.utils import get_upload_folder

from fiancee_hub.errors import InputError
from fiancee_hub.label_maps import to_rgb
from fiancee_hub.pipelines import Rendering, Result, true_lpips
from fiancee_hub.street_pipeline import StreetsPipeline
from space import facts, maps, plots, texts
from space.errors import plainly, plainly_streamed
from space.facts import Outcome
from space.files import stored
from space.theme import hex_colour

BUDGET, MOST_BUDGET, BUDGET_STEP = 0.1, 0.3, 0.005
SEEDS = 2**31
BRUSH = 9
"""Radius in pixels of the map."""

EDITOR_HEIGHT = 452
"""On a wide screen; with it the canvas fills the column's width."""

MODEL = "streets-model"
"""Events with this concurrency id take turns at the model."""

UPLOADS = [".png", ".jpg", ".jpeg", ".webp", ".npy"]

NEW_SEED = f"() => Math.floor(Math.random() * {SEEDS})"
SHOW_RESULT = """() => {
  if (matchMedia('(max-width: 767px)').matches)
    document.querySelector('#result').scrollIntoView({behavior: 'smooth'});
}"""

Sides = tuple[str, str]
Shown = tuple[Sides, str, str, str]
"""Files of the slider's pictures, its caption, the facts, the plot."""


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
        rendering = self.pipe.prepare(label_map, seed=seed)
        exits = self.pipe.model.exits
        outcome = Outcome(rendering.deliver(budget), budget, exits)
        yield shown(outcome, predictions(rendering))
        full = rendering.result(exits)
        lpips = true_lpips(rendering, outcome.early.exit)
        outcome = Outcome(outcome.early, budget, exits, full, lpips)
        yield shown(outcome, predictions(rendering))
        yield shown(outcome, every_exit(rendering))

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
        picture: Any = {
            "path": stored(result.image, "street"),
            "meta": {"_type": "gradio.FileData"},
        }
        return picture, route(result, self.pipe.model.exits)


def shown(outcome: Outcome, points: Sequence[plots.Point]) -> Shown:
    """What the screen shows of an outcome and the exits' points."""
    # The slider shows nothing until it has two pictures, so the early one waits on both sides.
    pictures = (stored(outcome.early.image), stored((outcome.full or outcome.early).image))
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


def whole(seed: float | None) -> int:
    """A seed as the number field gives it.

    Raises:
        InputError: the field is empty.
    """
    if seed is None:
        raise InputError("The seed is empty: type a whole number or press New seed.")
    return int(seed)


def uploaded(file: Any) -> Path:
    """Path of a file that came through the API, and no other file of this machine.

    Raises:
        InputError: it was not uploaded.
    """
    path = Path(str(file.get("path", "") if isinstance(file, dict) else "")).resolve()
    if not path.is_relative_to(Path(get_upload_folder()).resolve()) or not path.is_file():
        raise InputError("Send the label map as a file: handle_file(...) in gradio_client.")
    return path


def route(result: Result, exits: int) -> dict[str, Any]:
    """How a picture came about, for programs."""
    return {
        "exit": result.exit,
        "exits": exits,
        "predicted_lpips": result.predicted_lpips,
        "macs": result.macs,
        "saving": result.saving,
        "milliseconds": result.milliseconds,
        "seed": result.seed,
        "notes": list(result.notes),
    }


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
    _run(button.click, plainly_streamed(handlers.generate), [editor, budget, seed], outputs)
    button.click(None, js=SHOW_RESULT, api_visibility="private")
    _run(demo.load, plainly_streamed(handlers.first), None, outputs)
    gr.api(plainly(handlers.api), api_name="streets", concurrency_id=MODEL, concurrency_limit=1)


def _run(event: Any, handler: Any, inputs: Any, outputs: Any) -> None:
    event(
        handler,
        inputs,
        outputs,
        concurrency_id=MODEL,
        concurrency_limit=1,
        show_progress="minimal",
        api_visibility="private",
    )


def _inputs(handlers: Handlers) -> tuple[gr.ImageEditor, gr.Slider, gr.Number, gr.Button]:
    editor = _map(handlers)
    with gr.Group():
        budget = gr.Slider(
            0,
            MOST_BUDGET,
            BUDGET,
            step=BUDGET_STEP,
            label="Budget: largest LPIPS to the full-depth picture",
            elem_id="budget",
        )
        gr.Markdown(texts.read("budget"), elem_id="budget-words")
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
    slider = gr.ImageSlider(
        label="Early exit | full depth",
        format="png",
        type="pil",
        interactive=False,
        buttons=["fullscreen"],
        max_height=600,
        elem_id="pictures",
    )
    caption = gr.HTML(elem_id="caption")
    figures = gr.HTML(elem_id="facts")
    plot = gr.HTML(elem_id="plot")
    with gr.Accordion("How it works", open=False):
        gr.Markdown(texts.read("method"))
    return [slider, caption, figures, plot]
