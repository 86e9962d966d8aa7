"""What happens on the faces screen: a source and a driver in, pictures and figures out."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr
from gradio.data_classes import FileData
from PIL import Image

from fiancee_hub.core.errors import InputError
from fiancee_hub.core.router import check_budget
from fiancee_hub.families.faces.pipeline import Controls, FacesPipeline, Source
from fiancee_hub.pipeline import Rendering, Result
from space.faces import clips, people
from space.faces.people import Driver, Person
from space.page import links
from space.page.files import answer, picture_address, received, remove, stored
from space.page.links import FACES
from space.result import comparison, facts
from space.result.budget import BUDGET
from space.result.comparison import Shown, route
from space.result.film import Film

SLIDERS, PICTURE, CLIP = "Sliders", "Picture", "Clip"
RELATIVE, ABSOLUTE = "Relative", "Absolute"

WHOLE_SIDE = 1600
"""Longer side of the whole photograph with the result in it, pixels."""

NO_SOURCE = (
    "There is no source: choose an example or upload a photo. Photos are forgotten after half an "
    "hour or when the page is closed."
)
NO_DRIVER = "There is no driver: choose an example, upload a picture, or use the sliders."
NO_CLIP = "There is no clip yet: upload one, or wait until it has been read."
NO_NEUTRAL = "Driven absolutely: relative driving needs the driver's neutral picture."

T = TypeVar("T")

Loaded = tuple[Any, ...]
"""Person, drawn photograph, choice of faces, zoom, right, down, notes."""

Screen = tuple[Any, ...]
"""What ``Shown`` has, and the whole photograph."""


@dataclass(frozen=True)
class Wish:
    """The screen's inputs, in the order of its components."""

    person: Person | None
    driver: Driver | None
    neutral: Driver | None
    whole: bool
    mode: str
    driving: str
    yaw: float
    pitch: float
    roll: float
    smile: float
    mouth: float
    blink: float
    budget: float

    @property
    def relative(self) -> bool:
        return self.driving == RELATIVE

    @property
    def source(self) -> Source:
        """The source.

        Raises:
            InputError: there is none.
        """
        return found(self.person, NO_SOURCE).source

    @property
    def controls(self) -> Controls:
        turn, look = (self.yaw, self.pitch, self.roll), (self.smile, self.mouth, self.blink)
        return Controls(*turn, *look, relative=self.relative)


class Handlers:
    """Holds the model only: what belongs to a visitor comes in and goes out."""

    def __init__(self, pipe: FacesPipeline) -> None:
        self.pipe = pipe
        self.examples = people.examples()

    # source

    def first(self, person: Person | None) -> Loaded:
        """The first example, unless the visitor has a source already."""
        return self._example(0) if person is None else (gr.skip(),) * 7

    def open(self, person: Person | None, query: str = "") -> tuple[Any, ...]:
        """``first``, or the link's state: source, driver, mode, sliders, budget, and what links
        call the two examples."""
        link = links.wanted(query, FACES)
        if person or link is None:
            return (*self.first(person), *(gr.skip(),) * (7 + len(links.POSE)))
        source, driver = link.example or 0, link.driver
        names = [links.slug(FACES, source), "" if driver is None else links.slug(FACES, driver)]
        moving = (gr.skip(),) * 3 if driver is None else self._driven_by(driver)
        mode = SLIDERS if driver is None else PICTURE
        pose = [link.pose.get(name, 0) for name in links.POSE]
        return (*self._example(source), *moving, mode, *pose, link.budget, *names)

    def take(self, content: bytes | None) -> Loaded:
        """An uploaded photograph; None when it was taken away."""
        return self.show(people.read(self.pipe, content) if content else None)

    def pick(self, event: gr.SelectData) -> Loaded:
        """An example as the source."""
        return self._example(int(event.index))

    def _example(self, index: int) -> Loaded:
        return self.take(self.examples[index].path.read_bytes())

    def choose(self, person: Person | None, face: int) -> Loaded:
        """Another face of the photograph."""
        return self.show(people.choose(self.pipe, found(person, NO_SOURCE), face))

    def move(self, person: Person | None, zoom: float, right: float, down: float) -> Loaded:
        """Another square around the same face."""
        person = found(person, NO_SOURCE)
        moved = people.move(self.pipe, person, zoom, right / 100, down / 100)
        return (*self.show(moved)[:2], *(gr.skip(),) * 4, facts.notes(moved.source.notes))

    def show(self, person: Person | None) -> Loaded:
        """A source with everything as it is for a new one."""
        if person is None:
            return None, None, gr.Radio(visible=False), 1, 0, 0, ""
        names = [f"Face {number}" for number in range(1, len(person.faces) + 1)]
        choice = gr.Radio(names, value=names[person.chosen], visible=len(names) > 1)
        picture = picture_address(people.drawn(person), "jpeg", marked=False)
        return person, picture, choice, 1, 0, 0, facts.notes(person.source.notes)

    # driver

    def take_driver(self, content: bytes | None) -> tuple[Driver | None, str | None, str]:
        """An uploaded driver, or a neutral picture; None when it was taken away."""
        return self._driver(content, None)

    def pick_driver(self, event: gr.SelectData) -> tuple[Driver | None, str | None, str]:
        """An example as the driver; its neutral picture is known."""
        return self._driven_by(int(event.index))

    def _driven_by(self, number: int) -> tuple[Driver | None, str | None, str]:
        example = self.examples[number]
        return self._driver(example.path.read_bytes(), example.neutral.read_bytes())

    def _driver(
        self, content: bytes | None, neutral: bytes | None
    ) -> tuple[Driver | None, str | None, str]:
        if content is None:
            return None, None, ""
        person = people.read(self.pipe, content)
        known = None if neutral is None else self.pipe.motion(neutral)
        picture = picture_address(people.drawn(person), "jpeg", marked=False)
        return Driver(person.source.motion, known), picture, facts.notes(person.source.notes)

    def take_clip(
        self, path: Path | None, progress: gr.Progress = gr.Progress()
    ) -> tuple[clips.Motions | None, str]:
        """The motions of an uploaded clip, which is gone afterwards."""
        if path is None:
            return None, ""
        try:
            motions = clips.read(self.pipe, path, _teller(progress, "Reading the clip"))
        finally:
            remove(path)
        return motions, facts.notes(motions.summary())

    # results

    def generate(self, *values: Any) -> Iterator[Screen]:
        """The early picture first, then full depth, then the plot of all exits."""
        wish = Wish(*values)
        rendering = self._rendering(wish)
        milliseconds = wish.source.milliseconds
        early = rendering.deliver(wish.budget).image
        whole: Any = self._in_photo(wish.person, early, wish.whole)
        for step in comparison.steps(rendering, wish.budget, picture_address, milliseconds):
            yield (*step, whole)
            whole = gr.skip()

    def follow(self, *values: Any) -> Iterator[Screen]:
        """``generate`` after a new source or driver, once there is enough of both."""
        wish = Wish(*values)
        if wish.person and (wish.mode == SLIDERS or (wish.mode == PICTURE and wish.driver)):
            yield from self.generate(*values)
        else:
            yield (*comparison.unchanged(), gr.skip())

    def live(self, *values: Any) -> Shown | tuple[Any, ...]:
        """The early picture alone, while a hand is on a slider."""
        wish = Wish(*values)
        if wish.person is None or wish.mode != SLIDERS:
            return comparison.unchanged()
        rendering = self._rendering(wish)
        return comparison.shown(
            Film.begin(rendering, wish.budget, wish.source.milliseconds), _small
        )

    def move_budget(
        self, film: Film | None, budget: float, person: Person | None, whole: bool
    ) -> Screen:
        """Another budget for the pictures that are there."""
        screen = comparison.moved(film, budget, picture_address)
        moved = screen[-1]
        if film is None or not isinstance(moved, Film) or moved.chosen == film.chosen:
            return (*screen, gr.skip())
        return (*screen, self.in_photo(person, moved, whole))

    def _rendering(self, wish: Wish) -> Rendering:
        check_budget(wish.budget)
        # What was done to the photograph already stands beside it.
        source = replace(wish.source, notes=())
        if wish.mode == SLIDERS:
            return self.pipe.prepare(source=source, driver=wish.controls)
        driver = found(wish.driver, NO_DRIVER)
        neutral = wish.neutral.motion if wish.neutral else driver.neutral
        if wish.relative and neutral is None:
            source = replace(source, notes=(NO_NEUTRAL,))
        reference = neutral if wish.relative else None
        return self.pipe.prepare(source=source, driver=driver.motion, reference=reference)

    def make_clip(
        self,
        person: Person | None,
        motions: clips.Motions | None,
        driving: str,
        budget: float,
        progress: gr.Progress = gr.Progress(),
    ) -> str:
        """The source with the motions of the clip."""
        person, motions = found(person, NO_SOURCE), found(motions, NO_CLIP)
        tell = _teller(progress, "Making the frames")
        relative = driving == RELATIVE
        driven = clips.drive(self.pipe, person, motions, tell, budget=budget, relative=relative)
        return clips.shown(driven, motions.summary()[1:])

    def in_photo(self, person: Person | None, film: Film | None, wanted: bool) -> str:
        """The whole photograph with the early picture in it, as HTML; nothing if not wanted."""
        picture = film.early.result.image if film else None
        return self._in_photo(person, picture, wanted)

    def _in_photo(self, person: Person | None, picture: Image.Image | None, wanted: bool) -> str:
        if not wanted or person is None or picture is None:
            return ""
        whole = self.pipe.paste(person.source, picture)
        whole.thumbnail((WHOLE_SIDE, WHOLE_SIDE))
        file = picture_address(whole, "jpeg")
        alt = "The whole photograph with the generated face in it"
        return f'<img src="{file}" alt="{alt}">{link(file, "fiancee-photo.jpg", "this photo")}'

    # endpoints

    def reenact(
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
        return self._answer(
            self.pipe(source=contents[0], driver=contents[1], budget=budget, exit=exit)
        )

    def drive(
        self,
        source: FileData,
        yaw: float = 0.0,
        pitch: float = 0.0,
        roll: float = 0.0,
        smile: float = 0.0,
        mouth: float = 0.0,
        blink: float = 0.0,
        relative: bool = True,
        budget: float = BUDGET,
        exit: int | None = None,
    ) -> tuple[FileData, dict[str, Any]]:
        """Turns and moves a face without a driver's picture. Only for pictures of people who
        agreed; their files are deleted once they are read.

        Args:
            source: photograph of the person to move: JPEG, PNG or WebP, one large face.
            yaw: -35 to 35 degrees; positive turns the face to the right edge of the picture.
            pitch: -35 to 35 degrees; positive looks down.
            roll: -35 to 35 degrees; positive tilts counter-clockwise.
            smile: 0 to 1, added to the source's own.
            mouth: 0 to 1, how far the mouth opens.
            blink: 0 to 1, how far the lids close.
            relative: whether the angles are added to the source's own.
            budget: largest LPIPS to the full-depth picture, 0 to 1.
            exit: render this exit whatever the budget.

        Returns:
            The picture, and which way it took: exit, predicted_lpips, macs, saving and more.
        """
        content = received(source)
        controls = Controls(yaw, pitch, roll, smile, mouth, blink, relative)
        return self._answer(self.pipe(source=content, driver=controls, budget=budget, exit=exit))

    def _answer(self, result: Result) -> tuple[FileData, dict[str, Any]]:
        picture = answer(stored(result.image, "face", marked=True))
        return picture, route(result, self.pipe.model.exits)


def found(value: T | None, otherwise: str) -> T:
    """The value.

    Raises:
        InputError: saying ``otherwise``, if there is none.
    """
    if value is None:
        raise InputError(otherwise)
    return value


def link(file: str, name: str, what: str) -> str:
    return f'<a class="save" href="{file}" download="{name}">Download {what}</a>'


def _small(picture: Image.Image) -> str:
    return picture_address(picture, "webp")


def _teller(progress: gr.Progress, what: str) -> clips.Tell:
    return lambda done, count: progress((done, count), desc=what, unit="frames")
