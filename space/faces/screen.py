"""The faces screen: its parts, where they stand, and what is connected to what."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from fiancee_hub.families.faces.photos import MOST_TURNED
from fiancee_hub.families.faces.pipeline import FacesPipeline
from space import texts
from space.faces import clips
from space.faces.events import ABSOLUTE, CLIP, PICTURE, RELATIVE, SLIDERS, Handlers
from space.page import endpoints, links
from space.page.errors import plainly, plainly_streamed
from space.page.links import FACES
from space.page.parts import ClipInput, PhotoInput
from space.result import budget as budgets
from space.result import comparison, downloads
from space.result.comparison import SHOW_RESULT, memory, model_event, quick_event

PAIRS = budgets.FOLDER / "faces"

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
    example: gr.Textbox
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
    example: gr.Textbox
    motions: gr.State
    upload: gr.UploadButton
    clip_notes: gr.HTML


@dataclass(frozen=True)
class ResultParts:
    """What comes out."""

    pictures: gr.Column
    figures: gr.Column
    below: list[gr.HTML]
    shown: list[Any]
    copy: gr.Button
    link: gr.HTML
    whole: gr.Checkbox
    photo: gr.HTML
    clip: gr.HTML

    @property
    def film(self) -> Any:
        """What is kept of the result, the last of ``comparison.Shown``."""
        return self.shown[-1]


def screen(tab: gr.Tab, pipe: FacesPipeline) -> None:
    """Puts the screen into the tab that is being built."""
    handlers = Handlers(pipe)
    with gr.Row(equal_height=False, elem_id="faces"):
        with gr.Column(min_width=320, elem_id="face-inputs"):
            source = _source(handlers)
            driver = _driver(handlers)
            budget, taken, buttons = _start()
        with gr.Column(min_width=320, elem_id="face-result"):
            result = _result(taken)
    for part in result.below:
        part.render()  # type: ignore[no-untyped-call]
    _connect_tab(handlers, source, driver, budget, tab)
    _connect_link(source, driver, budget, result)
    _connect_source(handlers, source)
    _connect_driver(handlers, driver)
    _connect_modes(driver, result, buttons)
    _connect_results(handlers, source, driver, budget, result, buttons)
    _connect_clip(handlers, source, driver, budget, result, buttons[1])
    endpoints.publish(handlers.reenact)
    endpoints.publish(handlers.drive)


def _source(handlers: Handlers) -> SourceParts:
    with gr.Column(min_width=300, elem_id="face-source-group"):
        gr.Markdown(texts.read("faces-consent"), elem_classes="consent")
        photo = _photo("Source: who shall move", "face-source")
        gallery = _gallery(handlers, "Examples", "face-examples")
        example = gr.Textbox(links.slug(FACES, 0), visible="hidden")
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
    return SourceParts(memory(), photo, gallery, example, choice, crop, notes)


def _driver(handlers: Handlers) -> DriverParts:
    # Outside of the groups: Gradio takes every result for a change of a state in a hidden one.
    of_driver, at_rest, motions = memory(), memory(), memory()
    with gr.Column(min_width=300, elem_id="face-driver-group"):
        mode = gr.Radio(
            [SLIDERS, PICTURE, CLIP], value=SLIDERS, label="Driver", elem_id="face-mode"
        )
        with gr.Group() as moving:
            sliders = _sliders()
        with gr.Column(visible=False, min_width=300) as still:
            picture = _picture(of_driver, "Driver: whose pose and expression", "face-driver")
            gallery = _gallery(handlers, "Examples", "face-driver-examples")
            with gr.Accordion("Neutral picture, for relative driving", open=False):
                neutral = _picture(at_rest, "The driver without expression", "face-neutral")
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
    # Outside as well: Gradio would show it with them.
    example = gr.Textbox(visible="hidden")
    groups: dict[str, gr.Group | gr.Column] = {SLIDERS: moving, PICTURE: still, CLIP: film}
    stills = (picture, neutral, gallery, example)
    return DriverParts(mode, driving, groups, sliders, *stills, motions, upload, clip_notes)


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


def _start() -> tuple[gr.Slider, gr.HTML, tuple[gr.Button, gr.Button, gr.Button]]:
    """Budget and buttons: generate, make the clip, and the one that a resting hand presses."""
    with gr.Column(min_width=300, elem_id="face-budget-group"):
        budget, taken = budgets.budget_slider("face-")
    generate = gr.Button("Generate", variant="primary", elem_id="face-generate")
    make = gr.Button("Make the clip", variant="primary", visible=False, elem_id="face-make")
    settle = gr.Button(visible="hidden", elem_id="face-settle")
    budgets.pair_gallery("face-", PAIRS)
    return budget, taken, (generate, make, settle)


def _result(taken: gr.HTML) -> ResultParts:
    """What stands beside the inputs, and below them as soon as it is rendered."""
    film = memory()
    # On a phone the pictures stay in sight above the sliders.
    with gr.Column(min_width=300, elem_id="face-pictures-group") as pictures:
        slider = comparison.picture_slider("face-", PICTURE_HEIGHT)
        caption = comparison.words("face-", "caption")
    clip = gr.HTML(elem_id="face-clip", visible=False)
    with gr.Column(min_width=300, elem_id="face-figures-group") as figures:
        with gr.Row(elem_classes="downloads"):
            downloads.save_buttons("face-", film, "faces")
            copy = links.button("face-")
        link = links.place("face-")
        facts, difference = comparison.words("face-", "facts", "difference")
        whole = gr.Checkbox(label="Show it in the whole photo", elem_id="face-whole-wanted")
        photo = gr.HTML(elem_id="face-whole")
    strip, plot = comparison.words("face-", "film", "plot", render=False)
    shown = [slider, *caption, facts, plot, strip, difference, taken, film]
    return ResultParts(pictures, figures, [strip, plot], shown, copy, link, whole, photo, clip)


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


def _picture(driver: gr.State, label: str, name: str) -> PictureParts:
    photo = _photo(label, name)
    notes = gr.HTML(elem_id=f"{name}-notes", elem_classes="input-notes")
    return PictureParts(driver, photo, notes)


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


def _connect_tab(
    handlers: Handlers,
    source: SourceParts,
    driver: DriverParts,
    budget: gr.Slider,
    tab: gr.Tab,
) -> None:
    linked = [*driver.sliders, budget, source.example, driver.example]
    query = gr.Textbox(visible="hidden")
    tab.select(
        plainly(handlers.open),
        [source.person, query],
        [*source.loaded, *driver.picture.loaded, driver.mode, *linked],
        js=f"(person) => [person, {links.QUERY}]",
        show_progress_on=[source.photo],
        **BUSY,
    )


def _connect_link(
    source: SourceParts, driver: DriverParts, budget: gr.Slider, result: ResultParts
) -> None:
    """A slider at 0 needs no place in a link, nor one that drives nothing."""
    sliders = ", ".join(links.POSE)
    state = f"""(example, driver, budget, mode, {sliders}) => {{
      const pose = Object.entries({{{sliders}}}).filter(([, value]) => value);
      const moving = mode === '{PICTURE}' ? {{driver}} : Object.fromEntries(pose);
      return {{family: '{FACES}', example, budget, ...moving}};
    }}"""
    values = [source.example, driver.example, budget, driver.mode, *driver.sliders]
    links.connect(result.copy, values, result.link, state, texts.read("face-link").strip())


def _forget_example(event: Any, example: gr.Textbox) -> None:
    """A picture of the visitor's own is in no link."""
    event.success(None, None, example, js="() => ''", api_visibility="private")


def _pick_example(gallery: gr.Gallery, example: gr.Textbox) -> None:
    def name(event: gr.SelectData) -> str:
        return links.slug(FACES, int(event.index))

    gallery.select(name, None, example, queue=False, **QUIET)


def _connect_source(handlers: Handlers, source: SourceParts) -> None:
    person, loaded = source.person, source.loaded
    _pick_example(source.gallery, source.example)
    source.gallery.select(plainly(handlers.pick), None, loaded, **BUSY)
    event = source.photo.input(plainly(handlers.take), source.photo, loaded, **BUSY)
    _forget_example(event, source.example)
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
    _pick_example(driver.gallery, driver.example)
    driver.gallery.select(plainly(handlers.pick_driver), None, picture.loaded, **BUSY)
    for part in (picture, driver.neutral):
        event = part.photo.input(plainly(handlers.take_driver), part.photo, part.loaded, **BUSY)
        event.failure(lambda: (None, None, ""), None, part.loaded, **QUIET)
        _forget_example(event, driver.example)
    driver.upload.upload(
        plainly(handlers.take_clip), driver.upload, [driver.motions, driver.clip_notes], **BUSY
    )


def _connect_modes(
    driver: DriverParts, result: ResultParts, buttons: tuple[gr.Button, ...]
) -> None:
    generate, make, _ = buttons
    still = [generate, result.pictures, result.figures, *result.below]
    moving = [make, result.clip]

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
    outputs = [*result.shown, result.photo]
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
    hand: list[Callable[..., Any]] = [slider.input for slider in driver.sliders]
    gr.on(
        hand,
        plainly(handlers.live),
        inputs,
        result.shown,
        cancels=running,
        **model_event(**QUIET),
    )
    gr.on(hand, None, js=SETTLE, api_visibility="private")
    result.whole.input(
        plainly(handlers.in_photo),
        [source.person, result.film, result.whole],
        result.photo,
        **QUIET,
    )
    move = (
        plainly(handlers.move_budget),
        [result.film, budget, source.person, result.whole],
        outputs,
    )
    budget.change(*move, **quick_event())
    # The budget may have been moved while the exits were being rendered.
    for event in running:
        event.then(*move, **quick_event())


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
        result.clip,
        concurrency_limit=1,
        api_visibility="private",
    )
    make.click(None, js=SHOW_RESULT.format("face-clip"), api_visibility="private")
