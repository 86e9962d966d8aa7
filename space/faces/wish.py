"""What a visitor or a link asks the faces screen for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fiancee_hub.core.errors import InputError
from fiancee_hub.families.faces.controls import CONTROLS, Controls
from fiancee_hub.families.faces.pipeline import FacesPipeline, Source
from fiancee_hub.rendering import Rendering
from space.faces.examples import examples
from space.faces.persons import Driver, Person
from space.page import links
from space.result.scale import MOST_BUDGET

KIND = "faces"
"""Of the screen, in the page's texts."""

SLIDERS, PICTURE, CLIP, CAMERA = "Sliders", "Picture", "Clip", "Camera"
STILL = (SLIDERS, PICTURE)
"""One picture at a time is made, and not many one after the other."""

DRIVINGS = RELATIVE, ABSOLUTE = "Relative", "Absolute"

NO_SOURCE = (
    "There is no source: choose an example or upload a photo. Photos are forgotten after half an "
    "hour or when the page is closed."
)
NO_DRIVER = "There is no driver: choose an example, upload a picture, or use the sliders."

T = TypeVar("T")


def fields(pipe: FacesPipeline) -> Mapping[str, links.Field]:
    """What a link to such a screen can hold."""
    slugs = links.slugs(example.title for example in examples())
    return {
        "example": links.Choice(slugs),
        "driver": links.Choice(slugs),
        "driving": links.Choice(tuple(links.slug(one) for one in DRIVINGS)),
        "budget": links.Number(0, MOST_BUDGET),
        **{control.name: links.Number(control.least, control.most) for control in CONTROLS},
    }


OPENING: Mapping[str, float] = {"yaw": 14, "pitch": -3, "smile": 0.5}
"""Whoever opens the page sees a person who moves, and no portrait that looks like its source."""


def rendering(pipe: FacesPipeline, values: Mapping[str, Any]) -> Rendering:
    """What a link's values show: an example, moved by sliders or by another example."""
    known = examples()
    source = pipe.encode(known[values.get("example", 0)].path)
    relative = DRIVINGS[values.get("driving", 0)] == RELATIVE
    if "driver" in values:
        driver = known[values["driver"]]
        neutral = pipe.motion(driver.neutral) if relative else None
        return pipe.prepare(source=source, driver=pipe.motion(driver.path), reference=neutral)
    names = [control.name for control in CONTROLS]
    given = {name: value for name, value in (values or OPENING).items() if name in names}
    return pipe.prepare(source=source, driver=Controls(**given, relative=relative))


@dataclass(frozen=True)
class Wish:
    """The screen's inputs.

    Args:
        person: the source.
        driver: the driver's picture.
        neutral: the same without expression.
        whole: whether the result is shown in the whole photograph.
        mode: what drives: sliders, a picture, a clip or a camera.
        driving: relative or absolute.
        budget: LPIPS.
        sliders: values of the controls, by their names.
    """

    person: Person | None
    driver: Driver | None
    neutral: Driver | None
    whole: bool
    mode: str
    driving: str
    budget: float
    sliders: Mapping[str, float] = field(default_factory=dict)

    @property
    def still(self) -> bool:
        """Whether one picture is wished."""
        return self.mode in STILL

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
        return Controls(**self.sliders, relative=self.relative)

    @property
    def missing(self) -> str:
        """What the visitor has to choose before a picture can be made."""
        if self.person is None:
            return NO_SOURCE
        return NO_DRIVER if self.mode == PICTURE and self.driver is None else ""


def wish(*values: Any) -> Wish:
    """The inputs as Gradio hands them over: those before the sliders, then the sliders."""
    count = len(values) - len(CONTROLS)
    names = [control.name for control in CONTROLS]
    sliders = dict(zip(names, values[count:], strict=True))
    person, driver, neutral, whole, mode, driving, budget = values[:count]
    return Wish(person, driver, neutral, whole, mode, driving, budget, sliders)


def found(value: T | None, otherwise: str) -> T:
    """The value.

    Raises:
        InputError: saying ``otherwise``, if there is none.
    """
    if value is None:
        raise InputError(otherwise)
    return value
