"""The screen of label maps: its components, where they stand, and what is connected to what."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from fiancee_hub.families.label_maps.classes import ClassEntry
from fiancee_hub.families.label_maps.pipeline import StreetsPipeline
from space import texts
from space.label_maps import live
from space.label_maps.events import Handlers, fields, rendering
from space.label_maps.live import OUTDATED, LiveDrawing
from space.label_maps.samples import samples
from space.label_maps.seeds import SEEDS
from space.page import endpoints, links
from space.page.events import memory, model_event, private, quick_event, unasked
from space.page.markup import render
from space.page.outputs import Outputs
from space.page.scripts import call
from space.page.tabs import Screen, Tab
from space.result import budget as budgets
from space.result import comparison, downloads, stored
from space.result.budget import chain_place
from space.result.comparison import View
from space.result.network import network_of

KIND = "label_maps"

BRUSH = 9
"""Radius in pixels of the map."""

EDITOR_HEIGHT = 308
"""On a wide screen: map, result and chain are in sight together."""

PICTURE_HEIGHT = 344

DRAWING = tuple(Path(__file__).with_name(f"{name}.js") for name in ("drawing", "paint"))

UPLOADS = [".png", ".jpg", ".jpeg", ".webp", ".npy"]


@dataclass(frozen=True)
class Inputs:
    """Where a visitor says what shall be made."""

    gallery: gr.Gallery
    blank: gr.Button
    upload: gr.UploadButton
    editor: gr.ImageEditor
    notes: gr.HTML
    live: LiveDrawing
    budget: gr.Slider
    taken: gr.HTML
    seed: gr.Number
    new_seed: gr.Button
    generate: gr.Button
    placed: gr.State
    """The map that was put into the editor last, without the strokes on it."""

    @property
    def map(self) -> Outputs:
        """What another map changes."""
        return Outputs(editor=self.editor, notes=self.notes, placed=self.placed)

    @property
    def state(self) -> Outputs:
        """What a link brings back."""
        return self.map | Outputs(gallery=self.gallery, budget=self.budget, seed=self.seed)

    @property
    def drawn(self) -> list[Any]:
        """What is rendered of the editor's map, which a script puts in as the first."""
        return [self.live.drawing, self.budget, self.seed]


def warm_up(pipe: StreetsPipeline) -> None:
    height, width = pipe.size
    pipe.compare([[0] * width] * height, budget=0.0)


def style(name: str, pipe: StreetsPipeline) -> str:
    """CSS that gives the n-th choice of the class picker the n-th class's colour."""
    chips = (
        f"#{name}-classes label:nth-of-type({position}) {{ --chip: {hex_colour(entry)} }}"
        for position, entry in enumerate(pipe.config.classes, 1)
    )
    return "\n".join((comparison.picture_style(name, pipe.size), *chips))


def hex_colour(entry: ClassEntry) -> str:
    return "#{:02x}{:02x}{:02x}".format(*entry.colour)


def place(tab: Tab, pipe: StreetsPipeline) -> None:
    """Puts the screen on the page that is being built: what matters first, details below."""
    handlers, network = Handlers(tab, pipe), network_of(pipe)
    taken = chain_place(tab, network)
    view = View(tab, network, taken, PICTURE_HEIGHT)
    with gr.Column(elem_id=tab.id("screen"), elem_classes=["screen", "label-map-screen"]):
        view.place("headline")
        with gr.Row(equal_height=False, elem_classes="work"):
            with gr.Column(min_width=300, elem_classes="work-input"):
                drawing = _drawing(handlers)
            # They stay in sight while somebody draws.
            with gr.Column(
                min_width=300, elem_id=tab.id("pictures-group"), elem_classes="pictures-group"
            ):
                view.place_pictures()
        budget = budgets.budget_control(tab, taken)
        stored.place_contrast(tab, pipe)
        with gr.Column(elem_classes="details"):
            gr.Markdown(texts.lead(pipe.config.domain, KIND), elem_classes="lead")
            inputs = _inputs(handlers, drawing, budget, taken)
            _buttons(handlers, inputs, view)
            view.place_details()
            budgets.budget_details(tab, handlers.pipe.config.domain.name, KIND)
    _connect_map(handlers, inputs, view)
    running = _connect_results(handlers, inputs, view)
    stored.connect(tab, pipe, view, inputs.generate)
    _connect_address(handlers, inputs, view, running)
    endpoints.publish(handlers.endpoint, tab.name.replace("-", "_"), tab.name)
    gr.Markdown(texts.limits(pipe.config.domain, KIND), elem_classes="limits")


@dataclass(frozen=True)
class Drawing:
    """Where the map comes from, and where it is drawn on."""

    gallery: gr.Gallery
    blank: gr.Button
    upload: gr.UploadButton
    editor: gr.ImageEditor
    notes: gr.HTML


def _drawing(handlers: Handlers) -> Drawing:
    tab = handlers.tab
    with gr.Row(elem_classes="choose", equal_height=False):
        gallery = _gallery(handlers)
        with gr.Column(elem_id=tab.id("sources"), elem_classes="map-sources", min_width=100):
            blank = gr.Button("Blank map", size="sm", min_width=90)
            upload = gr.UploadButton(
                "Upload a map",
                size="sm",
                min_width=90,
                file_types=UPLOADS,
                elem_id=tab.id("upload"),
            )
    with gr.Row(elem_classes="drawing", equal_height=False):
        with gr.Column(min_width=240, elem_classes="canvas"):
            editor = _editor(handlers)
        with gr.Column(min_width=150, elem_classes="palette"):
            _palette(handlers, editor)
    notes = gr.HTML(elem_id=tab.id("map-notes"), elem_classes="input-notes")
    return Drawing(gallery, blank, upload, editor, notes)


def _inputs(handlers: Handlers, drawing: Drawing, budget: gr.Slider, taken: gr.HTML) -> Inputs:
    tab = handlers.tab
    with gr.Row(elem_classes="seed-row"):
        live_drawing = LiveDrawing.place(tab)
        seed = gr.Number(
            0, label="Seed", precision=0, minimum=0, min_width=100, elem_id=tab.id("seed")
        )
        new_seed = gr.Button("New seed", min_width=100, elem_id=tab.id("new-seed"))
        generate = gr.Button(
            "Generate",
            variant="primary",
            min_width=140,
            elem_id=tab.id("generate"),
            elem_classes="generate",
        )
    return Inputs(
        gallery=drawing.gallery,
        blank=drawing.blank,
        upload=drawing.upload,
        editor=drawing.editor,
        notes=drawing.notes,
        live=live_drawing,
        budget=budget,
        taken=taken,
        seed=seed,
        new_seed=new_seed,
        generate=generate,
        placed=memory(),
    )


def _gallery(handlers: Handlers) -> gr.Gallery:
    return gr.Gallery(
        [(str(example.path), example.title) for example in handlers.examples],
        label="Examples",
        columns=len(handlers.examples) or 1,
        rows=1,
        height="auto",
        allow_preview=False,
        interactive=False,
        visible=bool(handlers.examples),
        object_fit="cover",
        buttons=[],
        format="png",
        elem_id=handlers.tab.id("examples"),
        elem_classes=["examples", "map-examples"],
    )


def _editor(handlers: Handlers) -> gr.ImageEditor:
    """The editor, empty: one map alone may be on its way to it, or either could win."""
    tab, pipe = handlers.tab, handlers.pipe
    names = [entry.name for entry in pipe.config.classes]
    colours = {entry.name: hex_colour(entry) for entry in pipe.config.classes}
    brush = gr.Brush(
        default_size=BRUSH,
        colors=list(colours.values()),
        default_color=colours[names[0]],
        color_mode="fixed",
    )
    height, width = pipe.size
    # Its canvas has the map's own size: scaled, strokes would blend into wrong third classes.
    editor = gr.ImageEditor(
        type="pil",
        image_mode="RGBA",
        format="png",
        canvas_size=(width, height),
        height=EDITOR_HEIGHT,
        layers=False,
        transforms=(),
        sources=(),
        buttons=[],
        brush=brush,
        eraser=gr.Eraser(default_size=BRUSH),
        label="Label map",
        # No event takes it as an input, by which Gradio would know.
        interactive=True,
        elem_id=tab.id("map"),
        elem_classes="label-map",
    )
    return editor


def _palette(handlers: Handlers, editor: gr.ImageEditor) -> None:
    """What is drawn, and with what."""
    tab, classes = handlers.tab, handlers.pipe.config.classes
    colours = {entry.name: hex_colour(entry) for entry in classes}
    listed = list(colours.values())
    gr.HTML(render("tools.html", colours=json.dumps(listed)), elem_id=tab.id("tools"))
    names = list(colours)
    picker = gr.Radio(
        names,
        value=names[0],
        label="Class",
        container=False,
        elem_id=tab.id("classes"),
        elem_classes="classes",
    )
    settings = {"default_size": BRUSH, "color_mode": "fixed", "colors": listed}
    script = call("brush", tab.name, {"brush": settings, "colours": colours})
    picker.change(None, picker, editor, js=script, **private(**unasked(picker)))


def _buttons(handlers: Handlers, inputs: Inputs, view: View) -> None:
    """What is saved, and the link."""
    tab = handlers.tab
    with gr.Row(elem_classes="downloads"):
        downloads.save_buttons(tab, view.record)
        script = call("withMap", tab.name)
        drawing = [inputs.live.drawing]
        downloads.save_button("Save map", handlers.save, drawing, tab.id("save-map"), script)
        copy = downloads.link_button(tab)
    words = texts.find("link", KIND).strip()
    links.connect(copy, _state(handlers, inputs), downloads.link_place(tab), words)


def _state(handlers: Handlers, inputs: Inputs) -> links.State:
    """Budget and seed stand on the page; the map is read from the editor."""
    values = {"budget": inputs.budget, "seed": inputs.seed}
    colours = [hex_colour(entry) for entry in handlers.pipe.config.classes]
    return links.State(handlers.tab.name, values, more=("drawn", colours, handlers.marks))


def _connect_address(handlers: Handlers, inputs: Inputs, view: View, running: list[Any]) -> None:
    """The address bar follows, and *Back* brings a state again."""
    state, tab = _state(handlers, inputs), handlers.tab
    changed = [event.then for event in running]
    links.remember(state, *changed, inputs.budget.change, inputs.live.stale.click)
    outputs = inputs.state | Outputs(stale=view.words["stale"])
    show = call("showPlaced", tab.name)
    restored = outputs.filled(handlers.restored)
    links.restore(state, restored, outputs.components, [show], **unasked(inputs.notes))


def _connect_map(handlers: Handlers, inputs: Inputs, view: View) -> None:
    """Another map: into the editor at once, and its picture as soon as the model is free."""
    outputs = inputs.map | Outputs(stale=view.words["stale"])
    options = private(**unasked(inputs.notes))
    show = call("showPlaced", handlers.tab.name)
    for changed, handler, source in (
        (inputs.gallery.select, handlers.pick, None),
        (inputs.blank.click, handlers.blank, None),
        (inputs.editor.clear, handlers.blank, None),
        (inputs.upload.upload, handlers.edit, inputs.upload),
    ):
        event = changed(outputs.filled(handler), source, outputs.components, **options)
        event.success(None, js=show, api_visibility="private")


def _connect_results(handlers: Handlers, inputs: Inputs, view: View) -> list[Any]:
    """Whatever changes the input renders at once, or marks what stands as out of date.

    Returns:
        the events that make a result.
    """
    tab, live_drawing = handlers.tab, inputs.live
    outputs, settings = view.outputs, [inputs.budget, inputs.seed]
    options = model_event(trigger_mode="always_last")
    drawn = {
        "fn": outputs.streamed(handlers.generate),
        # A script puts the map in: taken from the editor, Gradio would upload it beforehand.
        "inputs": [live_drawing.drawing, *settings],
        "outputs": outputs.components,
        "js": call("withMap", tab.name),
        **options,
    }
    resting = live_drawing.connect(handlers.pipe, settings, view)
    generated = gr.on([inputs.generate.click, inputs.seed.submit], **drawn)
    inputs.generate.click(**view.scroll_to("pictures"))
    placed = live_drawing.placed.click(
        outputs.streamed(handlers.show_placed),
        [inputs.placed, *settings],
        outputs.components,
        **options,
    )
    seed = [inputs.seed, view.words["stale"]]
    script = call("newSeed", tab.name, SEEDS, comparison.outdated(OUTDATED)["stale"])
    renewed = inputs.new_seed.click(None, None, seed, js=script, api_visibility="private").then(
        **drawn
    )
    first = _connect_opening(handlers, inputs, view)
    running = [resting, generated, placed, renewed, first]
    live_drawing.back.click(None, cancels=running, api_visibility="private")
    for changed in (inputs.seed.input, live_drawing.stale.click):
        changed(**view.when_outdated(OUTDATED))
        changed(None, cancels=running, api_visibility="private")
    view.connect_exits(handlers.pick_exit, outputs)
    move = outputs.filled(handlers.move), [view.record, inputs.budget], outputs.components
    inputs.budget.change(*move, **quick_event())
    view.connect_hand(inputs.budget)
    # The budget may have been moved while the exits were being rendered.
    for result in running:
        result.then(*move, **quick_event())
    return running


def _connect_opening(handlers: Handlers, inputs: Inputs, view: View) -> Any:
    """One event brings the page's state, before anything is rendered; the event that renders."""
    outputs, state = view.outputs, inputs.state | Outputs(stale=view.words["stale"])
    query = gr.Textbox(visible="hidden")
    opened = handlers.tab.opened(
        state.filled(handlers.opened),
        [query, view.record],
        state.components,
        js=links.with_query(handlers.tab.name, first=handlers.tab.first),
        **quick_event(**unasked(inputs.notes)),
    )
    opened.success(None, js=call("fit", handlers.tab.name), api_visibility="private")
    return opened.success(
        outputs.streamed(handlers.show_first),
        [view.record, inputs.placed, inputs.budget, inputs.seed],
        outputs.components,
        **model_event(show_progress_on=view.visible),
    )


SCREEN = Screen(
    warm_up,
    place,
    fields,
    samples,
    style,
    (*comparison.SCRIPTS, live.SCRIPT, *DRAWING),
    rendering,
)
