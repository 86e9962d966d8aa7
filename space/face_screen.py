"""The faces screen: its parts, where they stand, and what is connected to what."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from fiancee_hub.face_pipeline import FacesPipeline
from fiancee_hub.faces.photos import MOST_TURNED
from space import clips, comparison, texts
from space.comparison import MODEL, SHOW_RESULT, model_event
from space.errors import plainly, plainly_streamed
from space.faces import ABSOLUTE, CLIP, PICTURE, RELATIVE, SLIDERS, Handlers
from space.parts import ClipInput, PhotoInput

KEPT_SECONDS = 1800
"""How long a visitor's source and driver stay in memory after the last change."""

PHOTO_HEIGHT = 300
PICTURE_HEIGHT = 420

REST_MILLISECONDS = 900
"""How long a hand must rest until full depth follows."""

SETTLE = f"""() => {{
  clearTimeout(window.fianceeSettling);
  window.fianceeSettling = setTimeout(
    () => document.querySelector('#face-settle')?.click(), {REST_MILLISECONDS});
}}"""

TURNS = {
    "yaw": "Yaw: turn sideways, degrees",
    "pitch": "Pitch: look down or up, degrees",
    "roll": "Roll: tilt, degrees",
}
LOOKS = {"smile": "Smile", "mouth": "Open the mouth", "blink": "Close the eyes"}

# Always the last: a request that comes while another runs is kept, and only the newest of them.
LAST: dict[str, Any] = {"api_visibility": "private", "trigger_mode": "always_last"}
QUIET: dict[str, Any] = {"show_progress": "hidden", **LAST}
BUSY: dict[str, Any] = {"show_progress": "minimal", **LAST}


@dataclass(frozen=True)
class SourceParts:
    """Where a visitor says who shall move."""

    person: gr.State
    photo: gr.Image
    gallery: gr.Gallery
    choice: gr.Radio
    crop: list[gr.Slider]
    notes: gr.HTML

    @property
    def loaded(self) -> list[Any]:
        """What a new source changes."""
        return [self.person, self.photo, self.choice, *self.crop, self.notes]


@dataclass(frozen=True)
class PictureParts:
    """A driver's picture."""

    driver: gr.State
    photo: gr.Image
    notes: gr.HTML

    @property
    def loaded(self) -> list[Any]:
        return [self.driver, self.photo, self.notes]


@dataclass(frozen=True)
class DriverParts:
    """Where a visitor says how."""

    mode: gr.Radio
    driving: gr.Radio
    groups: dict[str, gr.Group | gr.Column]
    sliders: list[gr.Slider]
    picture: PictureParts
    neutral: PictureParts
    gallery: gr.Gallery
    motions: gr.State
    upload: gr.UploadButton
    clip_notes: gr.HTML


@dataclass(frozen=True)
class ResultParts:
    """What comes out."""

    pictures: gr.Column
    figures: gr.Column
    shown: list[Any]
    more: list[Any]
    whole: gr.Checkbox
    film: gr.HTML


def screen(tab: gr.Tab, pipe: FacesPipeline) -> None:
    """Puts the screen into the tab that is being built."""
    handlers = Handlers(pipe)
    with gr.Row(equal_height=False, elem_id="faces"):
        with gr.Column(min_width=320, elem_id="face-inputs"):
            source = _source(handlers)
            driver = _driver(handlers)
            budget, buttons = _start()
        with gr.Column(min_width=320, elem_id="face-result"):
            result = _result()
    _connect_source(handlers, source, tab)
    _connect_driver(handlers, driver)
    _connect_modes(driver, result, buttons)
    _connect_results(handlers, source, driver, budget, result, buttons)
    _connect_clip(handlers, source, driver, budget, result, buttons[1])
    for endpoint in (handlers.reenact, handlers.drive):
        name = endpoint.__name__
        gr.api(plainly(endpoint), api_name=name, concurrency_id=MODEL, concurrency_limit=1)


def _source(handlers: Handlers) -> SourceParts:
    with gr.Column(min_width=300, elem_id="face-source-group"):
        gr.Markdown(texts.read("faces-consent"), elem_classes="consent")
        photo = _photo("Source: who shall move", "face-source")
        gallery = _gallery(handlers, "Examples", "face-examples")
        gr.Markdown(texts.read("faces-attribution"), elem_classes="attribution")
        choice = gr.Radio(
            [], label="Several faces", type="index", visible=False, elem_id="face-choice"
        )
        with gr.Accordion("Move the crop", open=False, elem_id="face-crop"):
            crop = [
                gr.Slider(0.7, 1.4, 1, step=0.02, label="Zoom", elem_id="face-zoom"),
                gr.Slider(-30, 30, 0, step=1, label="Right, % of its side", elem_id="face-right"),
                gr.Slider(-30, 30, 0, step=1, label="Down, % of its side", elem_id="face-down"),
            ]
        notes = gr.HTML(elem_id="face-source-notes", elem_classes="input-notes")
    return SourceParts(_memory(), photo, gallery, choice, crop, notes)


def _driver(handlers: Handlers) -> DriverParts:
    with gr.Column(min_width=300, elem_id="face-driver-group"):
        mode = gr.Radio(
            [SLIDERS, PICTURE, CLIP], value=SLIDERS, label="Driver", elem_id="face-mode"
        )
        with gr.Group() as moving:
            sliders = _sliders()
        with gr.Column(visible=False, min_width=300) as still:
            picture = _picture("Driver: whose pose and expression", "face-driver")
            gallery = _gallery(handlers, "Examples", "face-driver-examples")
            with gr.Accordion("Neutral picture, for relative driving", open=False):
                neutral = _picture("The driver without expression", "face-neutral")
        with gr.Column(visible=False, min_width=300, elem_id="face-clip-group") as film:
            gr.Markdown(texts.read("faces-clip"), elem_classes="words")
            upload = ClipInput("Upload a clip", file_types=clips.KINDS, elem_id="face-clip-upload")
            clip_notes = gr.HTML(elem_id="face-clip-notes", elem_classes="input-notes")
        driving = gr.Radio(
            [RELATIVE, ABSOLUTE],
            value=RELATIVE,
            label="Driving",
            info=texts.read("faces-driving"),
            elem_id="face-driving",
        )
    groups: dict[str, gr.Group | gr.Column] = {SLIDERS: moving, PICTURE: still, CLIP: film}
    return DriverParts(
        mode, driving, groups, sliders, picture, neutral, gallery, _memory(), upload, clip_notes
    )


def _sliders() -> list[gr.Slider]:
    with gr.Row(elem_classes="pairs"):
        turns = [
            gr.Slider(-MOST_TURNED, MOST_TURNED, 0, step=1, label=label, **_small(name))
            for name, label in TURNS.items()
        ]
        looks = [
            gr.Slider(0, 1, 0, step=0.05, label=label, **_small(name))
            for name, label in LOOKS.items()
        ]
    return turns + looks


def _small(name: str) -> dict[str, Any]:
    return {"elem_id": f"face-{name}", "min_width": 220}


def _start() -> tuple[gr.Slider, tuple[gr.Button, gr.Button, gr.Button]]:
    """Budget and buttons: generate, make the clip, and the one that a resting hand presses."""
    budget = comparison.budget_slider("face-")
    generate = gr.Button("Generate", variant="primary", elem_id="face-generate")
    make = gr.Button("Make the clip", variant="primary", visible=False, elem_id="face-make")
    settle = gr.Button(visible="hidden", elem_id="face-settle")
    return budget, (generate, make, settle)


def _result() -> ResultParts:
    with gr.Column(min_width=300, elem_id="face-pictures-group") as pictures:
        slider = comparison.picture_slider("face-", PICTURE_HEIGHT)
        caption = comparison.words("face-", "caption")
    film = gr.HTML(elem_id="face-clip", visible=False)
    with gr.Column(min_width=300, elem_id="face-figures-group") as figures:
        shown = [slider, *caption, *comparison.words("face-", "facts", "plot")]
        save = gr.HTML(elem_id="face-save")
        whole = gr.Checkbox(label="Show it in the whole photo", elem_id="face-whole-wanted")
        photo = gr.HTML(elem_id="face-whole")
    return ResultParts(pictures, figures, shown, [save, photo, _memory()], whole, film)


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


def _picture(label: str, name: str) -> PictureParts:
    photo = _photo(label, name)
    notes = gr.HTML(elem_id=f"{name}-notes", elem_classes="input-notes")
    return PictureParts(_memory(), photo, notes)


def _gallery(handlers: Handlers, label: str, name: str) -> gr.Gallery:
    return gr.Gallery(
        [(str(example.path), example.name) for example in handlers.examples],
        label=label,
        columns=len(handlers.examples),
        rows=1,
        height="auto",
        allow_preview=False,
        interactive=False,
        object_fit="cover",
        buttons=[],
        elem_id=name,
        elem_classes="examples",
    )


def _memory() -> gr.State:
    return gr.State(None, time_to_live=KEPT_SECONDS)


def _connect_source(handlers: Handlers, source: SourceParts, tab: gr.Tab) -> None:
    person, loaded = source.person, source.loaded
    tab.select(plainly(handlers.first), person, loaded, **BUSY)
    source.gallery.select(plainly(handlers.pick), None, loaded, **BUSY)
    event = source.photo.input(plainly(handlers.take), source.photo, loaded, **BUSY)
    # A photograph that was refused is gone: the one before takes its place again.
    event.failure(handlers.show, person, loaded, **QUIET)
    source.choice.input(plainly(handlers.choose), [person, source.choice], loaded, **BUSY)
    gr.on(
        [slider.input for slider in source.crop],
        plainly(handlers.move),
        [person, *source.crop],
        loaded,
        **QUIET,
    )


def _connect_driver(handlers: Handlers, driver: DriverParts) -> None:
    picture = driver.picture
    driver.gallery.select(plainly(handlers.pick_driver), None, picture.loaded, **BUSY)
    for part in (picture, driver.neutral):
        event = part.photo.input(plainly(handlers.take_driver), part.photo, part.loaded, **BUSY)
        event.failure(lambda: (None, None, ""), None, part.loaded, **QUIET)
    driver.upload.upload(
        plainly(handlers.take_clip), driver.upload, [driver.motions, driver.clip_notes], **BUSY
    )


def _connect_modes(
    driver: DriverParts, result: ResultParts, buttons: tuple[gr.Button, ...]
) -> None:
    generate, make, _ = buttons
    still = [generate, result.pictures, result.figures]
    moving = [make, result.film]

    def switch(mode: str) -> list[Any]:
        visible = [mode == name for name in driver.groups]
        is_clip = mode == CLIP
        visible += [not is_clip] * len(still) + [is_clip] * len(moving)
        return [gr.update(visible=value) for value in visible]

    outputs = [*driver.groups.values(), *still, *moving]
    driver.mode.change(switch, driver.mode, outputs, queue=False, **QUIET)


def _connect_results(
    handlers: Handlers,
    source: SourceParts,
    driver: DriverParts,
    budget: gr.Slider,
    result: ResultParts,
    buttons: tuple[gr.Button, ...],
) -> None:
    generate, _, settle = buttons
    states = [source.person, driver.picture.driver, driver.neutral.driver]
    inputs = [*states, result.whole, driver.mode, driver.driving, *driver.sliders, budget]
    outputs = [*result.shown, *result.more]
    running = [
        gr.on(
            [generate.click, settle.click],
            plainly_streamed(handlers.generate),
            inputs,
            outputs,
            **model_event(**LAST),
        ),
        gr.on(
            [*(state.change for state in states), driver.driving.input, driver.mode.input],
            plainly_streamed(handlers.follow),
            inputs,
            outputs,
            **model_event(**LAST),
        ),
    ]
    generate.click(None, js=SHOW_RESULT.format("face-pictures"), api_visibility="private")
    hand: list[Callable[..., Any]] = [slider.input for slider in (*driver.sliders, budget)]
    gr.on(
        hand,
        plainly(handlers.live),
        inputs,
        result.shown,
        cancels=running,
        **model_event(**QUIET),
    )
    gr.on(hand, None, js=SETTLE, api_visibility="private")
    photo, picture = result.more[1:]
    result.whole.input(
        plainly(handlers.in_photo), [source.person, picture, result.whole], photo, **QUIET
    )


def _connect_clip(
    handlers: Handlers,
    source: SourceParts,
    driver: DriverParts,
    budget: gr.Slider,
    result: ResultParts,
    make: gr.Button,
) -> None:
    # It takes long, so it waits in a line of its own.
    make.click(
        plainly(handlers.make_clip),
        [source.person, driver.motions, driver.driving, budget],
        result.film,
        concurrency_limit=1,
        api_visibility="private",
    )
    make.click(None, js=SHOW_RESULT.format("face-clip"), api_visibility="private")
