"""What happens on the faces screen: a source and a driver in, pictures and figures out."""

import inspect
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData
from PIL import Image

from fiancee_hub.core.errors import InputError
from fiancee_hub.core.router import check_budget
from fiancee_hub.families.faces.controls import CONTROLS, Controls
from fiancee_hub.families.faces.pipeline import FacesPipeline
from fiancee_hub.rendering import Rendering
from fiancee_hub.results import Result
from space.faces import clips, code, persons
from space.faces.camera import CAMERAS, Camera
from space.faces.examples import examples
from space.faces.persons import Person
from space.faces.wish import (
    DRIVINGS,
    NO_DRIVER,
    NO_SOURCE,
    OPENING,
    PICTURE,
    RELATIVE,
    SLIDERS,
    STILL,
    Wish,
    fields,
    found,
    wish,
)
from space.page import links
from space.page.files import GONE, answer, picture_address, received, remove, stored
from space.page.markup import render
from space.page.model_threads import aside, there
from space.page.outputs import Updates
from space.page.tabs import Tab
from space.result import comparison, facts
from space.result.code import Recipe, path_of
from space.result.comparison import route
from space.result.network import Network, network_of
from space.result.record import Record
from space.result.scale import BUDGET

WHOLE_SIDE = 1600
"""Longer side of the whole photograph with the result in it, pixels."""

NO_NEUTRAL_PICTURE: Updates = {"neutral": None, "neutral_photo": None, "neutral_notes": ""}

NO_CLIP = "There is no clip yet: upload one, or wait until it has been read."
NO_NEUTRAL = "Driven absolutely: relative driving needs the driver's neutral picture."

Endpoint = Callable[..., Coroutine[Any, Any, tuple[FileData, dict[str, Any]]]]


class Handlers:
    """Holds the model only: what belongs to a visitor comes in and goes out.

    What is updated is named as in the screen's inputs and in ``comparison.View``.
    """

    def __init__(self, tab: Tab, pipe: FacesPipeline) -> None:
        self.tab, self.pipe = tab, pipe
        self.examples = examples()
        self.fields = fields(pipe)

    @cached_property
    def network(self) -> Network:
        """What the page draws of the checkpoint."""
        return network_of(self.pipe)

    @cached_property
    def slugs(self) -> tuple[str, ...]:
        """What links call the examples."""
        return links.slugs(example.title for example in self.examples)

    # source

    def opened(self, query: str = "", person: Person | None = None) -> Updates:
        """What a visitor sees before touching anything: the link's state, or the first example;
        nothing new where there is a source already, or where a link opens another tab."""
        if person is not None or query == links.ELSEWHERE:
            return {}
        return self._state(query)

    def restored(self, query: str) -> Updates:
        """The state of an address; what it leaves out is as the page begins."""
        still = {control.name: 0.0 for control in CONTROLS}
        begun = {"mode": SLIDERS, "driving": RELATIVE, "budget": BUDGET}
        return {**begun, **NO_NEUTRAL_PICTURE, **still, **self._state(query)}

    def _state(self, query: str) -> Updates:
        state = links.state_of(query, self.tab.name, self.fields, first=self.tab.first)
        number = state.pop("example", 0)
        if "driving" in state:
            state["driving"] = DRIVINGS[state["driving"]]
        updates = {
            **self._example(number),
            "example": self.slugs[number],
        }
        if "driver" in state:
            driver = state.pop("driver")
            moved = {**self._driven_by(driver), "driver_example": self.slugs[driver]}
            return {**updates, **moved, "mode": PICTURE, **state}
        if not state and "example" not in query:
            return {**updates, **OPENING}
        return {**updates, **state}

    def take(self, content: bytes | None) -> Updates:
        """An uploaded photograph; None when it was taken away."""
        return self.show(None if content is None else self._person(content))

    def _person(self, content: bytes, file: str = "") -> Person:
        return persons.person(self.pipe, persons.read(self.pipe, content, file))

    def pick(self, event: gr.SelectData) -> Updates:
        """An example as the source."""
        return self._example(int(event.index))

    def _example(self, index: int) -> Updates:
        path = self.examples[index].path
        return self.show(self._person(path.read_bytes(), path_of(path)))

    def choose(self, person: Person | None, face: int) -> Updates:
        """Another face of the photograph."""
        upload = found(person, NO_SOURCE).upload
        return self.show(persons.person(self.pipe, upload, face))

    def move(self, person: Person | None, zoom: float, right: float, down: float) -> Updates:
        """Another square around the same face."""
        moved = persons.move(self.pipe, found(person, NO_SOURCE), zoom, right / 100, down / 100)
        shown = self.show(moved)
        return {name: shown[name] for name in ("person", "photo", "notes")}

    def show(self, person: Person | None) -> Updates:
        """A source with everything as it is for a new one."""
        crop = {"zoom": 1, "right": 0, "down": 0}
        if person is None:
            nothing = {"person": None, "photo": None, "notes": ""}
            return {**nothing, "choice": gr.Radio(visible=False), **crop}
        upload = person.upload
        names = [f"Face {number}" for number in range(1, len(upload.faces) + 1)]
        picture = persons.drawn(upload, person.source.crop, person.chosen)
        return {
            "person": person,
            "photo": picture_address(picture, "jpeg", marked=False),
            "choice": gr.Radio(names, value=names[person.chosen], visible=len(names) > 1),
            "notes": facts.notes(person.source.notes),
            **crop,
        }

    # driver

    def take_driver(self, content: bytes | None) -> Updates:
        """An uploaded driver, or a neutral picture; None when it was taken away."""
        return self._driver(content, None)

    def pick_driver(self, event: gr.SelectData) -> Updates:
        """An example as the driver; its neutral picture is known, and that of another one goes."""
        return self._driven_by(int(event.index))

    def _driven_by(self, number: int) -> Updates:
        example = self.examples[number]
        updates = self._driver(example.path.read_bytes(), example.neutral.read_bytes())
        files = path_of(example.path), path_of(example.neutral)
        driver = replace(updates["driver"], file=files[0], neutral_file=files[1])
        return {**updates, "driver": driver, **NO_NEUTRAL_PICTURE}

    def _driver(self, content: bytes | None, neutral: bytes | None) -> Updates:
        if content is None:
            return self.no_driver()
        upload = persons.read(self.pipe, content)
        driver, crop = persons.driver(self.pipe, upload, neutral)
        picture = persons.drawn(upload, crop)
        return {
            "driver": driver,
            "driver_photo": picture_address(picture, "jpeg", marked=False),
            "driver_notes": facts.notes(upload.photo.notes + crop.notes),
        }

    def no_driver(self) -> Updates:
        """The driver's picture is gone."""
        return {"driver": None, "driver_photo": None, "driver_notes": ""}

    def take_clip(self, path: Path | None, progress: gr.Progress = gr.Progress()) -> Updates:
        """The motions of an uploaded clip, which is gone afterwards."""
        if path is None:
            return {"motions": None, "clip_notes": ""}
        if not path.is_file():
            raise InputError(GONE)
        try:
            motions = clips.read(self.pipe, path, _teller(progress, "Reading the clip"))
        finally:
            remove(path)
        return {"motions": motions, "clip_notes": facts.notes(motions.summary())}

    # results

    def generate(self, *values: Any) -> Iterator[Updates]:
        """The early picture first, then full depth, then the plot of all exits."""
        yield from self._generate(wish(*values))

    def _generate(self, wished: Wish) -> Iterator[Updates]:
        rendering = self._rendering(wished)
        milliseconds = wished.source.milliseconds
        early = rendering.deliver(wished.budget).image
        photo = self._in_photo(wished.person, early, wished.whole)
        more = {"shown_person": wished.person, "whole_photo": photo}
        made = wished.budget, picture_address, milliseconds, self._recipe(wished)
        for step in comparison.steps(rendering, *made):
            yield {**step, **more}
            more = {}

    def follow(self, *values: Any) -> Iterator[Updates]:
        """``generate`` after a new source or driver, once there is enough of both; what stands is
        marked as out of date where there is not."""
        wished = wish(*values)
        if wished.missing:
            yield {**comparison.outdated(f"Out of date. {wished.missing}"), "whole_photo": ""}
        elif wished.still:
            yield from self._generate(wished)
        else:
            yield comparison.of_frames(self.network, wished.budget)

    def live(self, *values: Any) -> Updates:
        """The early picture alone, while a hand is on a slider."""
        wished = wish(*values)
        if wished.person is None or wished.mode != SLIDERS:
            return {}
        rendering = self._rendering(wished)
        record = Record.begin(rendering, wished.budget, wished.source.milliseconds)
        return {**comparison.shown(record, _small), "shown_person": wished.person}

    def move_budget(
        self,
        record: Record | None,
        budget: float,
        person: Person | None,
        whole: bool,
        mode: str = SLIDERS,
    ) -> Updates:
        """Another budget for the pictures that are there."""
        if mode not in STILL:
            return comparison.of_frames(self.network, budget)
        updates = comparison.moved(record, budget, picture_address)
        if record is None or "pictures" not in updates:
            return updates
        return {**updates, **self.in_photo(person, updates["record"], whole)}

    def forgotten(self, record: Record | None, mode: str) -> Updates:
        """What is said where the budget is moved and no picture is kept that could follow it."""
        return comparison.forgotten(record) if mode in STILL else {}

    def pick_exit(
        self, exit_index: float, record: Record | None, person: Person | None, whole: bool
    ) -> Updates:
        """Another exit of the pictures that are there, whatever the budget."""
        updates = comparison.picked(record, int(exit_index), picture_address)
        if "pictures" not in updates:
            return updates
        return {**updates, **self.in_photo(person, updates["record"], whole)}

    def _recipe(self, wished: Wish) -> Recipe:
        """How a program makes what is wished; all of it is there."""
        person = found(wished.person, NO_SOURCE)
        if wished.mode == SLIDERS:
            return code.of_controls(self.pipe, person, wished.controls)
        driver = found(wished.driver, NO_DRIVER)
        if wished.neutral:
            driver = replace(driver, neutral=wished.neutral.motion, neutral_file="")
        relative = wished.relative and driver.neutral is not None
        return code.of_picture(self.pipe, person, driver, relative=relative)

    def _rendering(self, wished: Wish) -> Rendering:
        check_budget(wished.budget)
        # What was done to the photograph already stands beside it.
        source = replace(wished.source, notes=())
        if wished.mode == SLIDERS:
            return self.pipe.prepare(source=source, driver=wished.controls)
        driver = found(wished.driver, NO_DRIVER)
        neutral = wished.neutral.motion if wished.neutral else driver.neutral
        if wished.relative and neutral is None:
            source = replace(source, notes=(NO_NEUTRAL,))
        reference = neutral if wished.relative else None
        return self.pipe.prepare(source=source, driver=driver.motion, reference=reference)

    def make_clip(
        self,
        person: Person | None,
        motions: clips.Motions | None,
        driving: str,
        budget: float,
        progress: gr.Progress = gr.Progress(),
    ) -> Updates:
        """The source with the motions of the clip."""
        person, motions = found(person, NO_SOURCE), found(motions, NO_CLIP)
        tell = _teller(progress, "Making the frames")
        relative = driving == RELATIVE
        driven = clips.drive(self.pipe, person, motions, tell, budget=budget, relative=relative)
        return {"clip": clips.shown(driven, motions.summary()[1:])}

    def open_camera(
        self, before: str, person: Person | None, driving: str, budget: float
    ) -> Updates:
        """The key under which a camera's pictures drive the source; ``before``: the one that they
        had until now."""
        source = found(person, NO_SOURCE).source
        camera = Camera(self.pipe, source, budget, relative=driving == RELATIVE)
        return {"camera_key": CAMERAS.open(camera, before)}

    def in_photo(self, person: Person | None, record: Record | None, wanted: bool) -> Updates:
        """The whole photograph with the early picture in it, as HTML; nothing if not wanted."""
        picture = record.early.result.image if record else None
        return {"whole_photo": self._in_photo(person, picture, wanted)}

    def _in_photo(self, person: Person | None, picture: Image.Image | None, wanted: bool) -> str:
        if not wanted or person is None or picture is None:
            return ""
        whole = self.pipe.paste(person.source, picture)
        whole.thumbnail((WHOLE_SIDE, WHOLE_SIDE))
        return render("whole_photo.html", file=picture_address(whole, "jpeg"))

    # programs

    async def reenact(
        self,
        source: FileData,
        driver: FileData,
        budget: float = BUDGET,
        exit: int | None = None,
    ) -> tuple[FileData, dict[str, Any]]:
        """Gives a person the head pose and expression of another picture. Only for pictures of
        people who agreed; their files are deleted once they are read.

        Args:
            source: photograph of the person to move: JPEG, PNG or WebP, one large face.
            driver: photograph whose head pose and expression are taken over.
            budget: largest LPIPS to the full-depth picture, 0 to 1.
            exit: render this exit whatever the budget.

        Returns:
            The picture, and which way it took: exit, predicted_lpips, macs, saving and more.
        """
        # Both are taken before either is judged: what is refused must go as well.
        contents = [received(file) for file in (source, driver)]
        made = await there(
            self.pipe, source=contents[0], driver=contents[1], budget=budget, exit=exit
        )
        return await aside(self._answer, made)

    @cached_property
    def drive(self) -> Endpoint:
        """What programs call with a value for each control; its signature follows their table."""
        signature = inspect.Signature(
            [
                _parameter("source", FileData, inspect.Parameter.empty),
                *(_parameter(control.name, float, 0.0) for control in CONTROLS),
                _parameter("relative", bool, True),
                _parameter("budget", float, BUDGET),
                _parameter("exit", int | None, None),
            ],
            return_annotation=tuple[FileData, dict[str, Any]],
        )

        async def drive(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind(*args, **kwargs)
            given.apply_defaults()
            values = dict(given.arguments)
            content = received(values.pop("source"))
            budget, exit_index = values.pop("budget"), values.pop("exit")
            controls = Controls(**values)
            made = await there(
                self.pipe, source=content, driver=controls, budget=budget, exit=exit_index
            )
            return await aside(self._answer, made)

        drive.__signature__ = signature  # type: ignore[attr-defined]
        annotations = {name: value.annotation for name, value in signature.parameters.items()}
        drive.__annotations__ = {**annotations, "return": signature.return_annotation}
        drive.__doc__ = DRIVE.format(
            controls="\n    ".join(f"{one.name}: {one.range}; {one.meaning}." for one in CONTROLS)
        )
        return drive

    def _answer(self, result: Result) -> tuple[FileData, dict[str, Any]]:
        picture = answer(stored(result.image, "face"))
        return picture, route(result, self.pipe.model.exits)


DRIVE = """Turns and moves a face without a driver's picture. Only for pictures of people who
agreed; their files are deleted once they are read.

Args:
    source: photograph of the person to move: JPEG, PNG or WebP, one large face.
    {controls}
    relative: whether the angles are added to the source's own.
    budget: largest LPIPS to the full-depth picture, 0 to 1.
    exit: render this exit whatever the budget.

Returns:
    The picture, and which way it took: exit, predicted_lpips, macs, saving and more.
"""


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter(name, kind, default=default, annotation=annotation)


def _small(picture: Image.Image) -> str:
    return picture_address(picture, "webp")


def _teller(progress: gr.Progress, what: str) -> clips.Tell:
    return lambda done, count: progress((done, count), desc=what, unit="frames")
