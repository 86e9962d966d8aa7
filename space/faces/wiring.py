"""What is connected to what on the faces screen."""

from typing import Any

import gradio as gr

from space import texts
from space.faces.events import Handlers
from space.faces.parts import DriverInput, FaceScreen, SourceInput
from space.faces.wish import CAMERA, CLIP, KIND, PICTURE, SLIDERS, STILL
from space.page import links
from space.page.events import model_event, private, quick_event
from space.page.outputs import Outputs
from space.page.scripts import call
from space.result import comparison, stored

REST_MILLISECONDS = 900
"""How long a hand must rest until full depth follows."""

CLIP_OUTDATED = "Out of date: source, clip, driving or budget have changed. Make the clip again."

# Always the last: a request that comes while another runs is kept, and only the newest of them.
QUIET: dict[str, Any] = private(trigger_mode="always_last")
BUSY: dict[str, Any] = {**QUIET, "show_progress": "minimal"}

# One after the other: an upload that is passed over would stay on the disk, unread.
EVERY_UPLOAD: dict[str, Any] = private(trigger_mode="multiple", show_progress="minimal")


def connect(handlers: Handlers, screen: FaceScreen) -> None:
    """Connects everything that a visitor can touch."""
    _connect_opening(handlers, screen)
    _connect_source(handlers, screen.source)
    _connect_driver(handlers, screen.driver)
    _connect_modes(screen)
    running = _connect_results(handlers, screen)
    stored.connect(screen.tab, handlers.pipe, screen.result.view, screen.buttons.generate)
    _connect_link(handlers, screen, running)
    _connect_clip(handlers, screen)
    _connect_camera(handlers, screen)


def _opening(screen: FaceScreen) -> Outputs:
    """What a link brings back."""
    source, driver = screen.source, screen.driver
    return (
        source.loaded
        | driver.picture.loaded
        | _no_neutral(driver)
        | Outputs(
            mode=driver.mode,
            driving=driver.driving,
            budget=screen.budget,
            example=source.example,
            driver_example=driver.example,
            **driver.sliders,
        )
    )


def _no_neutral(driver: DriverInput) -> Outputs:
    """A neutral picture that belongs to another driver goes."""
    of = driver.neutral
    return Outputs(neutral=of.driver, neutral_photo=of.photo, neutral_notes=of.notes)


def _connect_opening(handlers: Handlers, screen: FaceScreen) -> None:
    """One event brings the page's state; its new source starts the first picture."""
    outputs, source = _opening(screen), screen.source
    screen.tab.opened(
        outputs.by_model(handlers.opened),
        [gr.Textbox(visible="hidden"), source.person],
        outputs.components,
        js=links.with_query(screen.tab.name, first=screen.tab.first),
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
    more = ("drivingOf",)  # left out as long as it is the usual one
    state = links.State(screen.tab.name, values, choice=(driver.mode, chosen), more=more)
    links.connect(result.copy, state, result.link, words)
    links.remember(state, *(event.then for event in running), screen.budget.change)
    outputs = _opening(screen)
    # In the queue: beside it Gradio tells nobody that a state has changed, and no picture follows.
    links.restore(state, outputs.by_model(handlers.restored), outputs.components, [], queue=True)


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
    event = source.photo.input(fill(handlers.take), source.photo, outputs, **EVERY_UPLOAD)
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
    of_driver = driver.picture.loaded | _no_neutral(driver)
    _pick_example(handlers, driver.gallery, driver.example)
    driver.gallery.select(
        of_driver.by_model(handlers.pick_driver), None, of_driver.components, **BUSY
    )
    for picture in (driver.picture, driver.neutral):
        loaded, outputs = picture.loaded, picture.loaded.components
        take = loaded.by_model(handlers.take_driver)
        event = picture.photo.input(take, picture.photo, outputs, **EVERY_UPLOAD)
        event.failure(loaded.filled(handlers.no_driver), None, outputs, **QUIET)
        _forget_example(event, driver.example)
    clip = Outputs(motions=driver.motions, clip_notes=driver.clip_notes)
    driver.clip.upload(
        clip.filled(handlers.take_clip), driver.clip, clip.components, **EVERY_UPLOAD
    )


def _connect_modes(screen: FaceScreen) -> None:
    groups, result = screen.driver.groups, screen.result
    still = [screen.buttons.generate, result.pictures, result.figures]
    recorded = [result.clip, result.clip_stale]

    def switch(mode: str) -> dict[Any, Any]:
        visible: dict[Any, bool] = {group: mode == name for name, group in groups.items()}
        visible |= dict.fromkeys(still, mode in STILL)
        visible |= dict.fromkeys(recorded, mode == CLIP) | {result.camera: mode == CAMERA}
        return {part: gr.update(visible=shown) for part, shown in visible.items()}

    outputs = [*groups.values(), *still, *recorded, result.camera]
    screen.driver.mode.change(switch, screen.driver.mode, outputs, queue=False, **QUIET)
    leave = call("cameraMode", screen.tab.name, CAMERA)
    screen.driver.mode.change(None, screen.driver.mode, js=leave, api_visibility="private")


def _connect_results(handlers: Handlers, screen: FaceScreen) -> list[Any]:
    """Whatever changes the input renders at once, or marks what stands as out of date.

    Returns:
        the events that make a result.
    """
    driver, result, buttons = screen.driver, screen.result, screen.buttons
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
        outputs.by_model(handlers.live),
        screen.wish,
        outputs.components,
        cancels=running,
        **{**options, "show_progress": "hidden"},
    )
    settle = call("settle", screen.tab.name, REST_MILLISECONDS)
    gr.on(hand, None, js=settle, api_visibility="private")
    photo = Outputs(whole_photo=result.whole_photo)
    result.whole.input(
        photo.filled(handlers.in_photo),
        [result.shown_person, view.record, result.whole],
        photo.components,
        **QUIET,
    )
    view.connect_exits(handlers.pick_exit, outputs, result.shown_person, result.whole)
    inputs = [view.record, screen.budget, result.shown_person, result.whole, driver.mode]
    move = outputs.filled(handlers.move_budget), inputs, outputs.components
    screen.budget.change(*move, **quick_event())
    view.connect_hand(screen.budget, handlers.forgotten, driver.mode)
    # The budget may have been moved while the exits were being rendered.
    for event in running:
        event.then(*move, **quick_event())
    return running


def _connect_clip(handlers: Handlers, screen: FaceScreen) -> None:
    source, driver, result = screen.source, screen.driver, screen.result
    outputs, tab = Outputs(clip=result.clip), screen.tab.name
    mark = comparison.outdated(CLIP_OUTDATED)["stale"]
    # It takes long, so it waits in a line of its own.
    made = screen.buttons.make.click(
        outputs.filled(handlers.make_clip),
        [source.person, driver.motions, driver.driving, screen.budget],
        outputs.components,
        js=call("clipBegun", tab),
        concurrency_limit=1,
        api_visibility="private",
    )
    screen.buttons.make.click(**result.view.scroll_to("clip"))
    # What it is made of may have changed meanwhile.
    tell = call("clipMade", tab, mark)
    made.success(None, None, result.clip_stale, js=tell, api_visibility="private")
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
        js=call("outdatedClip", tab, mark),
        api_visibility="private",
    )


def _connect_camera(handlers: Handlers, screen: FaceScreen) -> None:
    """The page's script sends the camera's pictures itself, under a key that it gets here."""
    source, driver, tab = screen.source, screen.driver, screen.tab.name
    key = Outputs(camera_key=driver.camera_key)
    opening = screen.buttons.open_camera.click(
        key.by_model(handlers.open_camera),
        [driver.camera_key, source.person, driver.driving, screen.budget],
        key.components,
        js=call("withCamera", tab),
        **QUIET,
    )
    opening.success(None, driver.camera_key, js=call("cameraOpened", tab), api_visibility="private")
    opening.failure(None, js=call("cameraFailed", tab), api_visibility="private")
    gr.on(
        [source.person.change, driver.driving.input, screen.budget.change],
        None,
        js=call("cameraAgain", tab),
        api_visibility="private",
    )
