"""The parts of the faces screen, and where they stand."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from fiancee_hub.families.faces.controls import CONTROLS, Control
from space import texts
from space.faces import clips
from space.faces.events import Handlers
from space.faces.wish import ABSOLUTE, CAMERA, CLIP, KIND, PICTURE, RELATIVE, SLIDERS
from space.page.components import ClipInput, PhotoInput
from space.page.events import memory
from space.page.markup import render
from space.page.outputs import Outputs
from space.page.tabs import Tab
from space.result import downloads
from space.result.comparison import View

PHOTO_HEIGHT = 190


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
    camera_key: gr.Textbox


@dataclass(frozen=True)
class Buttons:
    """What starts something; a resting hand presses ``settle``, a camera that runs
    ``open_camera``."""

    generate: gr.Button
    make: gr.Button
    settle: gr.Button
    open_camera: gr.Button


@dataclass(frozen=True)
class Result:
    """What comes out."""

    view: View
    pictures: gr.Column
    figures: gr.Column
    whole: gr.Checkbox
    whole_photo: gr.HTML
    shown_person: gr.State
    """Whose picture stands there: the source may have changed since."""

    clip: gr.HTML
    clip_stale: gr.HTML
    camera: gr.HTML
    copy: gr.Button
    link: gr.HTML

    @property
    def outputs(self) -> Outputs:
        return self.view.outputs | Outputs(
            whole_photo=self.whole_photo, shown_person=self.shown_person
        )


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
        """The inputs of ``wish.wish``."""
        driver = self.driver
        states = [self.source.person, driver.picture.driver, driver.neutral.driver]
        choices = [self.result.whole, driver.mode, driver.driving, self.budget]
        return [*states, *choices, *driver.sliders.values()]


def people(handlers: Handlers) -> tuple[SourceInput, DriverInput, gr.Button]:
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
            [SLIDERS, PICTURE, CLIP, CAMERA],
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
        with gr.Column(visible=False, min_width=300) as filmed:
            gr.HTML(render("camera_input.html", tab=tab.name), elem_id=tab.id("camera-input"))
            gr.Markdown(texts.find("camera", KIND), elem_classes="words")
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
        groups={SLIDERS: moving, PICTURE: still, CLIP: recorded, CAMERA: filmed},
        sliders=sliders,
        picture=picture,
        neutral=neutral,
        gallery=gallery,
        # Outside as well: Gradio would show it with them.
        example=gr.Textbox(visible="hidden"),
        motions=motions,
        clip=clip,
        clip_notes=clip_notes,
        camera_key=gr.Textbox(visible="hidden"),
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


def clip_place(tab: Tab) -> tuple[gr.HTML, gr.HTML]:
    """Where a clip stands, and the mark that says it is of other inputs."""
    stale = gr.HTML(elem_id=tab.id("clip-stale"), elem_classes="stale", visible=False)
    clip = gr.HTML(
        render("clip_missing.html"),
        elem_id=tab.id("clip"),
        elem_classes="clip-place",
        visible=False,
    )
    return clip, stale


def camera_place(tab: Tab) -> gr.HTML:
    """Where the pictures stand that a camera drives; the page's script puts them there."""
    return gr.HTML(
        render("camera.html"), elem_id=tab.id("camera"), elem_classes="camera-place", visible=False
    )


def result(
    view: View, pictures: gr.Column, clip: gr.HTML, clip_stale: gr.HTML, camera: gr.HTML
) -> Result:
    """What stands below the inputs as soon as it is rendered."""
    # Outside of the group: Gradio takes every result for a change of a state in a hidden one.
    tab, shown_person = view.tab, memory()
    with gr.Column(min_width=300, elem_classes="figures-group") as figures:
        with gr.Row(elem_classes="downloads"):
            downloads.save_buttons(tab, view.record)
            copy = downloads.link_button(tab)
        link = downloads.link_place(tab)
        view.place_details()
        whole = gr.Checkbox(label="Show it in the whole photo", elem_id=tab.id("whole-wanted"))
        whole_photo = gr.HTML(elem_id=tab.id("whole"), elem_classes="whole-photo")
    return Result(
        view,
        pictures,
        figures,
        whole,
        whole_photo,
        shown_person,
        clip,
        clip_stale,
        camera,
        copy,
        link,
    )


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
