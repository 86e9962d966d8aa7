"""Python lines that move a face as the page did."""

import json
from typing import Any

from fiancee_hub.families.faces.controls import CONTROLS, Controls
from fiancee_hub.families.faces.photos import framing
from space.faces.persons import Driver, Person
from space.result.code import Recipe, checkpoint_of

OWN, OWN_DRIVER, OWN_NEUTRAL = "your-photo.jpg", "your-driver.jpg", "your-neutral-driver.jpg"
"""Stand for pictures of the visitor's own, whose names the page does not know."""


def of_controls(pipe: Any, person: Person, controls: Controls) -> Recipe:
    """A source moved by sliders."""
    values = {control.name: getattr(controls, control.name) for control in CONTROLS}
    given = [f"{name}={value:g}" for name, value in values.items() if value]
    moved = ", ".join((*given, f"relative={controls.relative}"))
    return _recipe(pipe, person, "Controls, FianceePipeline", f"Controls({moved})")


def of_picture(pipe: Any, person: Person, driver: Driver, *, relative: bool) -> Recipe:
    """A source driven by a picture, relative to the driver's neutral one where that is known."""
    reference = f"reference={_file(driver.neutral_file or OWN_NEUTRAL)}" if relative else ""
    return _recipe(pipe, person, "FianceePipeline", _file(driver.file or OWN_DRIVER), reference)


def _recipe(pipe: Any, person: Person, names: str, driver: str, *more: str) -> Recipe:
    return Recipe(
        checkpoint_of(pipe),
        (f"from fiancee_hub import {names}",),
        (f"source = {_source(person)}", f"driver = {driver}"),
        ", ".join(("source=source", "driver=driver", *filter(None, more))),
    )


def _file(name: str) -> str:
    return json.dumps(name)


def _source(person: Person) -> str:
    """The call that reads the source: which face, and which square if it was moved."""
    upload = person.upload
    arguments = [_file(upload.file or OWN)]
    if person.chosen:
        arguments.append(f"face={person.chosen}")
    box = person.source.crop.box
    if tuple(box) != tuple(framing(upload.photo.image.size, upload.faces[person.chosen])):
        arguments.append(f"box={tuple(box)}")
    return f"pipe.encode({', '.join(arguments)})"
