"""The faces screen: its components, where they stand, and what is connected to what."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from fiancee_hub.families.faces.controls import CONTROLS, Control, Controls
from fiancee_hub.families.faces.pipeline import FacesPipeline
from space import texts
from space.faces import clips
from space.faces.events import (
    ABSOLUTE,
    CLIP,
    PICTURE,
    RELATIVE,
    SLIDERS,
    Handlers,
    fields,
    rendering,
)
from space.faces.examples import examples
from space.faces.samples import samples
from space.page import endpoints, links
from space.page.components import ClipInput, PhotoInput
from space.page.events import memory, model_event, private, quick_event
from space.page.markup import render
from space.page.outputs import Outputs
from space.page.scripts import call
from space.page.tabs import Screen, Tab
from space.result import budget as budgets
from space.result import comparison, downloads, stored
from space.result.budget import chain_place
from space.result.comparison import View
from space.result.network import network_of

KIND = "faces"

PHOTO_HEIGHT = 190
PICTURE_HEIGHT = 340

REST_MILLISECONDS = 900
"""How long a hand must rest until full depth follows."""

CLIP_OUTDATED = "Out of date: source, clip, driving or budget have changed. Make the clip again."

# Always the last: a request that comes while another runs is kept, and only the newest of them.
QUIET: dict[str, Any] = private(trigger_mode="always_last")
BUSY: dict[str, Any] = {**QUIET, "show_progress": "minimal"}


@dataclass(frozen=True)
class SourceInput:
    """Where a visitor says who shall move."""

    person: gr.State
    photo: gr.Image
    gallery: gr.Gallery
    example: gr.Textbox
    choice: gr.Radio
    crop: dict[str, gr.Slider]
    notes: gr.HTML

    @property
    def loaded(self) -> Outputs:
        """What a new source changes."""
        return Outputs(
            person=self.person, photo=self.photo, choice=self.choice, notes=self.notes, **self.crop
        )


@dataclass(frozen=True)
class DriverPicture:
    """A picture of the driver."""

    driver: gr.State
    photo: gr.Image
    notes: gr.HTML

    @property
    def loaded(self) -> Outputs:
        return Outputs(driver=self.driver, driver_photo=self.photo, driver_notes=self.notes)


@dataclass(frozen=True)
class DriverInput:
    """Where a visitor says how."""

    mode: gr.Radio
    driving: gr.Radio
    groups: dict[str, gr.Group | gr.Column]
    """What belongs to each mode."""

    sliders: dict[str, gr.Slider]
    """By the names of the controls."""

    picture: DriverPicture
    neutral: DriverPicture
    gallery: gr.Gallery
    example: gr.Textbox
    motions: gr.State
    clip: gr.UploadButton
    clip_notes: gr.HTML


@dataclass(frozen=True)
class Buttons:
    """What starts something; a resting hand presses ``settle``."""

    generate: gr.Button
    make: gr.Button
    settle: gr.Button


@dataclass(frozen=True)
class Result:
    """What comes out."""

    view: View
    pictures: gr.Column
    figures: gr.Column
    whole: gr.Checkbox
    whole_photo: gr.HTML
    clip: gr.HTML
    clip_stale: gr.HTML
    copy: gr.Button
    link: gr.HTML

    @property
    def outputs(self) -> Outputs:
        return self.view.outputs | Outputs(whole_photo=self.whole_photo)


@dataclass(frozen=True)
class FaceScreen:
    """Everything on the screen of one tab."""

    tab: Tab
    source: SourceInput
    driver: DriverInput
    budget: gr.Slider
    buttons: Buttons
    result: Result

    @property
    def wish(self) -> list[Any]:
        """The inputs of ``events.wish``."""
        driver = self.driver
        states = [self.source.person, driver.picture.driver, driver.neutral.driver]
        choices = [self.result.whole, driver.mode, driver.driving, self.budget]
        return [*states, *choices, *driver.sliders.values()]


def warm_up(pipe: FacesPipeline) -> None:
    pipe.compare(source=examples()[0].path, driver=Controls(), budget=0.0)


def style(name: str, pipe: FacesPipeline) -> str:
    return comparison.picture_style(name, pipe.size)


def place(tab: Tab, pipe: FacesPipeline) -> None:
    """Puts the screen into the tab that is being built."""
    handlers = Handlers(tab, pipe)
    network = network_of(pipe)
    taken = chain_place(tab, network)
    view = View(tab, network, taken, PICTURE_HEIGHT)
    with gr.Column(elem_id=tab.id("screen"), elem_classes=["screen", "faces-screen"]):
        view.place("headline")
        with gr.Row(equal_height=False, elem_classes="work"):
            with gr.Column(min_width=300, elem_classes="work-input"):
                source, driver, make = _people(handlers)
            with gr.Column(min_width=300, elem_classes="work-result"):
                # On a phone the pictures stay in sight above the sliders.
                with gr.Column(
                    min_width=300, elem_id=tab.id("pictures-group"), elem_classes="pictures-group"
                ) as pictures:
                    view.place_pictures()
                clip, clip_stale = _clip_place(tab)
                budget = budgets.budget_control(tab, taken)
        stored.place_contrast(tab, pipe)
        with gr.Column(elem_classes="details"):
            gr.Markdown(texts.lead(pipe.config.domain, KIND), elem_classes="lead")
            buttons = Buttons(
                gr.Button("Generate", variant="primary", elem_id=tab.id("generate")),
                make,
                gr.Button(visible="hidden", elem_id=tab.id("settle")),
            )
            result = _result(view, pictures, clip, clip_stale)
            budgets.budget_details(tab, pipe.config.domain.name, KIND)
    screen = FaceScreen(tab, source, driver, budget, buttons, result)
    _connect_opening(handlers, screen)
    _connect_source(handlers, source)
    _connect_driver(handlers, driver)
    _connect_modes(screen)
    running = _connect_results(handlers, screen)
    stored.connect(tab, pipe, result.view, buttons.generate)
    _connect_link(handlers, screen, running)
    _connect_clip(handlers, screen)
    for action, handler in (("reenact", handlers.reenact), ("drive", handlers.drive)):
        # The tab that comes along has the names that programs know.
        endpoints.publish(handler, action if tab.name == KIND else tab.endpoint(action))
    gr.Markdown(texts.limits(pipe.config.domain, KIND), elem_classes="limits")


def _people(handlers: Handlers) -> tuple[SourceInput, DriverInput, gr.Button]:
    """Source and driver, and the button that makes a clip of them."""
    photo, gallery = _photo_row(handlers)
    choice = gr.Radio(
        [],
        label="Several faces",
        type="index",
        visible=False,
        elem_id=handlers.tab.id("choice"),
    )
    notes = gr.HTML(elem_id=handlers.tab.id("source-notes"), elem_classes="input-notes")
    driver, make = _driver(handlers)
    source = _source(handlers, photo, gallery, choice, notes)
    gr.Markdown(texts.find("attribution", KIND), elem_classes="attribution")
    return source, driver, make


def _photo_row(handlers: Handlers) -> tuple[gr.Image, gr.Gallery]:
    """The source's photograph, and examples beside it."""
    with gr.Row(elem_classes="source-row", equal_height=False):
        with gr.Column(min_width=150, elem_classes="source-photo"):
            photo = _photo("Source", handlers.tab.id("source"))
        with gr.Column(min_width=200):
            gallery = _gallery(handlers, handlers.tab.id("examples"))
            gr.Markdown(texts.find("consent", KIND), elem_classes="consent")
    return photo, gallery


def _source(
    handlers: Handlers, photo: gr.Image, gallery: gr.Gallery, choice: gr.Radio, notes: gr.HTML
) -> SourceInput:
    """What is known of the source, and its crop, which few need to move."""
    tab = handlers.tab
    with gr.Column(min_width=300, elem_classes="source-group"):
        example = gr.Textbox(visible="hidden")
        with gr.Accordion("Move the crop", open=False, elem_id=tab.id("crop")):
            crop = {
                "zoom": gr.Slider(0.7, 1.4, 1, step=0.02, label="Zoom", elem_id=tab.id("zoom")),
                "right": gr.Slider(
                    -30, 30, 0, step=1, label="Right, % of its side", elem_id=tab.id("right")
                ),
                "down": gr.Slider(
                    -30, 30, 0, step=1, label="Down, % of its side", elem_id=tab.id("down")
                ),
            }
    return SourceInput(memory(), photo, gallery, example, choice, crop, notes)


def _driver(handlers: Handlers) -> tuple[DriverInput, gr.Button]:
    tab = handlers.tab
    # Outside of the groups: Gradio takes every result for a change of a state in a hidden one.
    of_driver, at_rest, motions = memory(), memory(), memory()
    with gr.Column(min_width=300, elem_classes="driver-group"):
        mode = gr.Radio(
            [SLIDERS, PICTURE, CLIP],
            value=SLIDERS,
            label="Driver",
            elem_id=tab.id("mode"),
            elem_classes="in-line",
        )
        with gr.Group() as moving, gr.Row():
            sliders = {control.name: _slider(tab, control) for control in CONTROLS}
        with gr.Column(visible=False, min_width=300) as still:
            label = "Driver: whose pose and expression"
            picture = _picture(of_driver, label, tab.id("driver"))
            gallery = _gallery(handlers, tab.id("driver-examples"))
            with gr.Accordion("Neutral picture, for relative driving", open=False):
                neutral = _picture(at_rest, "The driver without expression", tab.id("neutral"))
        with gr.Column(visible=False, min_width=300, elem_id=tab.id("clip-group")) as recorded:
            gr.Markdown(texts.find("clip", KIND), elem_classes="words")
            clip = ClipInput("Upload a clip", file_types=clips.KINDS, elem_id=tab.id("clip-upload"))
            clip_notes = gr.HTML(elem_id=tab.id("clip-notes"), elem_classes="input-notes")
            make = gr.Button("Make the clip", variant="primary", elem_id=tab.id("make"))
        driving = gr.Radio(
            [RELATIVE, ABSOLUTE],
            value=RELATIVE,
            label="Driving",
            info=texts.find("driving", KIND),
            elem_id=tab.id("driving"),
            elem_classes="driving",
        )
    inputs = DriverInput(
        mode=mode,
        driving=driving,
        groups={SLIDERS: moving, PICTURE: still, CLIP: recorded},
        sliders=sliders,
        picture=picture,
        neutral=neutral,
        gallery=gallery,
        # Outside as well: Gradio would show it with them.
        example=gr.Textbox(visible="hidden"),
        motions=motions,
        clip=clip,
        clip_notes=clip_notes,
    )
    return inputs, make


def _slider(tab: Tab, control: Control) -> gr.Slider:
    return gr.Slider(
        control.least,
        control.most,
        0,
        step=control.step,
        label=f"{control.label}, {control.unit}" if control.unit else control.label,
        elem_id=tab.id(control.name),
        elem_classes="control",
        buttons=[],
        min_width=220,
    )


def _clip_place(tab: Tab) -> tuple[gr.HTML, gr.HTML]:
    """Where a clip stands, and the mark that says it is of other inputs."""
    stale = gr.HTML(elem_id=tab.id("clip-stale"), elem_classes="stale", visible=False)
    clip = gr.HTML(
        render("clip_missing.html"),
        elem_id=tab.id("clip"),
        elem_classes="clip-place",
        visible=False,
    )
    return clip, stale


def _result(view: View, pictures: gr.Column, clip: gr.HTML, clip_stale: gr.HTML) -> Result:
    """What stands below the inputs as soon as it is rendered."""
    tab = view.tab
    with gr.Column(min_width=300, elem_classes="figures-group") as figures:
        with gr.Row(elem_classes="downloads"):
            downloads.save_buttons(tab, view.record)
            copy = downloads.link_button(tab)
        link = downloads.link_place(tab)
        view.place_details()
        whole = gr.Checkbox(label="Show it in the whole photo", elem_id=tab.id("whole-wanted"))
        whole_photo = gr.HTML(elem_id=tab.id("whole"), elem_classes="whole-photo")
    return Result(view, pictures, figures, whole, whole_photo, clip, clip_stale, copy, link)


def _photo(label: str, name: str) -> gr.Image:
    return PhotoInput(
        label=label,
        sources=["upload", "webcam", "clipboard"],
        height=PHOTO_HEIGHT,
        buttons=["fullscreen"],
        alt_text=f"{label}; the crop is drawn on it",
        elem_id=name,
        elem_classes="photo",
    )


def _picture(driver: gr.State, label: str, name: str) -> DriverPicture:
    photo = _photo(label, name)
    notes = gr.HTML(elem_id=f"{name}-notes", elem_classes="input-notes")
    return DriverPicture(driver, photo, notes)


def _gallery(handlers: Handlers, name: str) -> gr.Gallery:
    return gr.Gallery(
        [(str(example.path), example.title) for example in handlers.examples],
        label="Examples",
        columns=len(handlers.examples),
        rows=1,
        height="auto",
        allow_preview=False,
        interactive=False,
        object_fit="cover",
        buttons=[],
        elem_id=name,
        elem_classes=["examples", "face-examples"],
    )


def _opening(screen: FaceScreen) -> Outputs:
    """What a link brings back."""
    source, driver = screen.source, screen.driver
    return (
        source.loaded
        | driver.picture.loaded
        | Outputs(
            mode=driver.mode,
            budget=screen.budget,
            example=source.example,
            driver_example=driver.example,
            **driver.sliders,
        )
    )


def _connect_opening(handlers: Handlers, screen: FaceScreen) -> None:
    """One event brings the page's state; its new source starts the first picture."""
    outputs, source = _opening(screen), screen.source
    screen.tab.opened(
        outputs.by_model(handlers.opened),
        [gr.Textbox(visible="hidden"), source.person],
        outputs.components,
        js=call("withQuery"),
        show_progress_on=[source.photo],
        **BUSY,
    )


def _connect_link(handlers: Handlers, screen: FaceScreen, running: list[Any]) -> None:
    """A slider at 0 needs no place in a link, nor one that drives nothing."""
    driver, result = screen.driver, screen.result
    values = {
        "example": screen.source.example,
        "budget": screen.budget,
        "driver": driver.example,
        **driver.sliders,
    }
    chosen = {PICTURE: ["driver"], SLIDERS: list(driver.sliders)}
    words = texts.find("link", KIND).strip()
    state = links.State(screen.tab.name, values, choice=(driver.mode, chosen))
    links.connect(result.copy, state, result.link, words)
    links.remember(state, *(event.then for event in running), screen.budget.change)
    outputs = _opening(screen)
    links.restore(state, outputs.filled(handlers.restored), outputs.components, [])


def _forget_example(event: Any, example: gr.Textbox) -> None:
    """A picture of the visitor's own is in no link."""
    event.success(None, None, example, js=call("forget"), api_visibility="private")


def _pick_example(handlers: Handlers, gallery: gr.Gallery, example: gr.Textbox) -> None:
    def name(event: gr.SelectData) -> str:
        return handlers.slugs[int(event.index)]

    gallery.select(name, None, example, queue=False, **QUIET)


def _connect_source(handlers: Handlers, source: SourceInput) -> None:
    person, loaded = source.person, source.loaded
    fill, outputs = loaded.by_model, loaded.components
    _pick_example(handlers, source.gallery, source.example)
    source.gallery.select(fill(handlers.pick), None, outputs, **BUSY)
    event = source.photo.input(fill(handlers.take), source.photo, outputs, **BUSY)
    _forget_example(event, source.example)
    # A photograph that was refused is gone: the one before takes its place again.
    event.failure(loaded.filled(handlers.show), person, outputs, **QUIET)
    source.choice.input(fill(handlers.choose), [person, source.choice], outputs, **BUSY)
    gr.on(
        [slider.input for slider in source.crop.values()],
        fill(handlers.move),
        [person, *source.crop.values()],
        outputs,
        **QUIET,
    )


def _connect_driver(handlers: Handlers, driver: DriverInput) -> None:
    of_driver = driver.picture.loaded
    _pick_example(handlers, driver.gallery, driver.example)
    driver.gallery.select(
        of_driver.by_model(handlers.pick_driver), None, of_driver.components, **BUSY
    )
    for picture in (driver.picture, driver.neutral):
        loaded, outputs = picture.loaded, picture.loaded.components
        take = loaded.by_model(handlers.take_driver)
        event = picture.photo.input(take, picture.photo, outputs, **BUSY)
        event.failure(loaded.filled(handlers.no_driver), None, outputs, **QUIET)
        _forget_example(event, driver.example)
    clip = Outputs(motions=driver.motions, clip_notes=driver.clip_notes)
    driver.clip.upload(clip.filled(handlers.take_clip), driver.clip, clip.components, **BUSY)


def _connect_modes(screen: FaceScreen) -> None:
    groups, result = screen.driver.groups, screen.result
    still = [screen.buttons.generate, result.pictures, result.figures]
    recorded = [result.clip, result.clip_stale]

    def switch(mode: str) -> dict[Any, Any]:
        visible: dict[Any, bool] = {group: mode == name for name, group in groups.items()}
        visible |= dict.fromkeys(still, mode != CLIP) | dict.fromkeys(recorded, mode == CLIP)
        return {part: gr.update(visible=shown) for part, shown in visible.items()}

    outputs = [*groups.values(), *still, *recorded]
    screen.driver.mode.change(switch, screen.driver.mode, outputs, queue=False, **QUIET)


def _connect_results(handlers: Handlers, screen: FaceScreen) -> list[Any]:
    """Whatever changes the input renders at once, or marks what stands as out of date.

    Returns:
        the events that make a result.
    """
    source, driver, result, buttons = screen.source, screen.driver, screen.result, screen.buttons
    outputs, view = result.outputs, result.view
    options = model_event(trigger_mode="always_last")
    running = [
        gr.on(
            [buttons.generate.click, buttons.settle.click],
            outputs.streamed(handlers.generate),
            screen.wish,
            outputs.components,
            **options,
        ),
        gr.on(
            [
                *(state.change for state in screen.wish[:3]),
                driver.driving.input,
                driver.mode.input,
            ],
            outputs.streamed(handlers.follow),
            screen.wish,
            outputs.components,
            **options,
        ),
    ]
    buttons.generate.click(**view.scroll_to("pictures"))
    hand = [slider.input for slider in driver.sliders.values()]
    gr.on(
        hand,
        view.outputs.by_model(handlers.live),
        screen.wish,
        view.outputs.components,
        cancels=running,
        **{**options, "show_progress": "hidden"},
    )
    settle = call("settle", screen.tab.name, REST_MILLISECONDS)
    gr.on(hand, None, js=settle, api_visibility="private")
    photo = Outputs(whole_photo=result.whole_photo)
    result.whole.input(
        photo.filled(handlers.in_photo),
        [source.person, view.record, result.whole],
        photo.components,
        **QUIET,
    )
    view.connect_exits(handlers.pick_exit, outputs, source.person, result.whole)
    inputs = [view.record, screen.budget, source.person, result.whole]
    move = outputs.filled(handlers.move_budget), inputs, outputs.components
    screen.budget.change(*move, **quick_event())
    # The budget may have been moved while the exits were being rendered.
    for event in running:
        event.then(*move, **quick_event())
    return running


def _connect_clip(handlers: Handlers, screen: FaceScreen) -> None:
    source, driver, result = screen.source, screen.driver, screen.result
    outputs = Outputs(clip=result.clip, clip_stale=result.clip_stale)
    # It takes long, so it waits in a line of its own.
    screen.buttons.make.click(
        outputs.filled(handlers.make_clip),
        [source.person, driver.motions, driver.driving, screen.budget],
        outputs.components,
        concurrency_limit=1,
        api_visibility="private",
    )
    screen.buttons.make.click(**result.view.scroll_to("clip"))
    mark = comparison.outdated(CLIP_OUTDATED)["stale"]
    gr.on(
        [
            source.person.change,
            driver.motions.change,
            driver.driving.input,
            screen.budget.input,
        ],
        None,
        None,
        result.clip_stale,
        js=call("outdatedClip", screen.tab.name, mark),
        api_visibility="private",
    )


SCREEN = Screen(
    warm_up,
    place,
    fields,
    samples,
    style,
    rendering=rendering,
    scripts=(*comparison.SCRIPTS, Path(__file__).with_name("faces.js")),
)
