"""A driver without a picture: the controls that move a face, one row of a table each."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fiancee_hub.core.arguments import decimal
from fiancee_hub.core.errors import InputError
from fiancee_hub.families.faces.photos import MOST_TURNED


@dataclass(frozen=True)
class Control:
    """One control.

    Args:
        name: field of ``Controls``, in links and of the API.
        label: what it is called on the page.
        meaning: what its values do, for programs.
        least: smallest value.
        most: largest value.
        step: of its slider.
        unit: of its values, such as "degrees"; empty where there is none.
        blendshapes: that it moves; none for an angle of the head.
        strength: blendshape score that 1 adds.
    """

    name: str
    label: str
    meaning: str
    least: float
    most: float
    step: float
    unit: str = ""
    blendshapes: tuple[str, ...] = ()
    strength: float = 0.0

    @property
    def range(self) -> str:
        """Its values in words."""
        return f"{self.least:g} to {self.most:g} {self.unit}".rstrip()

    def checked(self, value: object) -> float:
        """What the control is set to, as Python's own number.

        Raises:
            InputError: the value is no number, or out of range.
        """
        number = decimal(value, self.name, f"{self.most:g}")
        if not self.least <= number <= self.most:
            raise InputError(f"{self.name} {value} is out of range: give {self.range}")
        return number


def _turn(label: str, meaning: str) -> Any:
    """A row: an angle of the head."""
    return _row(label, meaning, -float(MOST_TURNED), float(MOST_TURNED), 1.0, "degrees")


def _look(label: str, meaning: str, blendshapes: tuple[str, ...], strength: float) -> Any:
    """A row: a part of the expression, added to the source's own."""
    return _row(label, meaning, 0.0, 1.0, 0.05, "", blendshapes, strength)


def _row(*values: Any) -> Any:
    return field(default=0.0, metadata={"row": values})


@dataclass(frozen=True)
class Controls:
    """A driver without a picture; each field but the last is a row of the table of controls.

    The angles are the head's own in the picture, or with ``relative`` added to the source's.
    Expressions, 0 to 1, are added to the source's own.
    """

    yaw: float = _turn(
        "Yaw: turn sideways", "positive turns the face to the right edge of the picture"
    )
    pitch: float = _turn("Pitch: look down or up", "positive looks down")
    roll: float = _turn("Roll: tilt", "positive tilts counter-clockwise")
    smile: float = _look(
        "Smile", "added to the source's own", ("mouthSmileLeft", "mouthSmileRight"), 0.9
    )
    mouth: float = _look("Open the mouth", "how far the mouth opens", ("jawOpen",), 0.6)
    blink: float = _look(
        "Close the eyes", "how far the lids close", ("eyeBlinkLeft", "eyeBlinkRight"), 0.7
    )
    relative: bool = False

    def __post_init__(self) -> None:
        own = {one.name: one.checked(getattr(self, one.name)) for one in CONTROLS}
        check_switch("relative", self.relative)
        # Also those of other libraries become Python's own, which can be written to JSON.
        for name, value in {**own, "relative": bool(self.relative)}.items():
            object.__setattr__(self, name, value)


CONTROLS = tuple(
    Control(entry.name, *entry.metadata["row"])
    for entry in dataclasses.fields(Controls)
    if "row" in entry.metadata
)
"""The table: validation, sliders, links and the API follow it."""


def check_switch(name: str, value: object) -> None:
    """Any text is true to Python, "false" as well.

    Raises:
        InputError: the value is neither True nor False.
    """
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name} must be True or False, not {value!r}")
