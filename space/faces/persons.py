"""Faces that visitors bring: read into memory once, with the crop drawn on the photograph."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from fiancee_hub.families.faces.landmarks.landmarker import Face
from fiancee_hub.families.faces.landmarks.motion import Motion
from fiancee_hub.families.faces.photos import Box, Photo, find_faces, framing, read_photo
from fiancee_hub.families.faces.pipeline import FacesPipeline, Source

FOLDER = Path(__file__).parents[1] / "examples" / "faces"
NEUTRAL = "neutral"

MOST_SIDE = 3072
"""Larger photographs are shrunk: they stay in memory while the page is open."""

SHOWN_SIDE = 720
"""Longer side of a photograph on the page, pixels."""

LINE = 4
Colour = tuple[int, int, int]
CHOSEN, OTHER = (13, 148, 136), (100, 116, 139)


@dataclass(frozen=True)
class Example:
    """A photograph that may be shown here, and what it is called."""

    path: Path
    name: str

    @property
    def neutral(self) -> Path:
        """The same person without expression."""
        return self.path.with_name(re.sub(r"_[a-z]+$", f"_{NEUTRAL}", self.path.stem) + ".jpg")


@dataclass(frozen=True, eq=False)
class Person:
    """A source as the page keeps it: in memory, for one visitor.

    Args:
        source: what the pipeline made of it; its photograph is all that is kept of the upload.
        faces: all that were found, largest first.
        chosen: which of them is the source.
    """

    source: Source
    faces: tuple[Face, ...]
    chosen: int


@dataclass(frozen=True, eq=False)
class Driver:
    """What is kept of a driver's picture: the motion, and that of its neutral picture if known."""

    motion: Motion
    neutral: Motion | None = None


def examples(folder: Path = FOLDER) -> tuple[Example, ...]:
    """Files such as ``london_008_smile.jpg``, in order, called "008, smile"."""
    return tuple(Example(f, _name(f.stem)) for f in sorted(folder.glob("*.jpg")))


def _name(stem: str) -> str:
    return ", ".join(stem.split("_")[1:])


def read(pipe: FacesPipeline, content: bytes) -> Person:
    """The person in a photograph; of several the largest face.

    Raises:
        InputError: it is no picture, or shows no usable face.
    """
    photo = read_photo(content)
    if max(photo.image.size) > MOST_SIDE:
        photo.image.thumbnail((MOST_SIDE, MOST_SIDE))
        photo = replace(photo, notes=(*photo.notes, "Shrunk, since it is very large."))
    faces = find_faces(photo.image, pipe.landmarker)
    return _encoded(pipe, photo, faces, 0, None)


def choose(pipe: FacesPipeline, person: Person, chosen: int) -> Person:
    """Another face of the same photograph."""
    return _encoded(pipe, person.source.photo, person.faces, chosen, None)


def move(pipe: FacesPipeline, person: Person, zoom: float, right: float, down: float) -> Person:
    """The same face in another square.

    Args:
        pipe: reads it.
        person: who it is.
        zoom: above 1 the square is smaller than the one found, below 1 larger.
        right: by which share of its side the square moves to the right.
        down: and downwards.

    Raises:
        InputError: the square cuts the face off.
    """
    found = framing(person.source.photo.image.size, person.faces[person.chosen])
    box = moved(found, zoom, right, down)
    return _encoded(pipe, person.source.photo, person.faces, person.chosen, box)


def moved(box: Box, zoom: float, right: float, down: float) -> Box:
    """A square, shrunk by ``zoom`` around its centre and then moved by shares of its old side."""
    left, top, end, _ = box
    old = end - left
    side = round(old / zoom)
    left = round(left + (old - side) / 2 + right * old)
    top = round(top + (old - side) / 2 + down * old)
    return left, top, left + side, top + side


def _encoded(
    pipe: FacesPipeline, photo: Photo, faces: Sequence[Face], chosen: int, box: Box | None
) -> Person:
    source = pipe.encode(photo.image, face=chosen, box=box)
    # The image given is upright already, so what was done before is known only here.
    notes = photo.notes + source.notes
    return Person(replace(source, photo=photo, notes=notes), tuple(faces), chosen)


def drawn(person: Person) -> Image.Image:
    """The photograph, small enough for the page, with its crop and, of several, all faces."""
    picture = person.source.photo.image.copy()
    share = min(1.0, SHOWN_SIDE / max(picture.size))
    picture = picture.resize([max(1, round(side * share)) for side in picture.size])
    draw = ImageDraw.Draw(picture)
    if len(person.faces) > 1:
        for index, face in enumerate(person.faces):
            colour = CHOSEN if index == person.chosen else OTHER
            _number(draw, [value * share for value in face.box.tolist()], index + 1, colour)
    draw.rectangle([value * share for value in person.source.crop.box], None, CHOSEN, LINE)
    return picture


def _number(draw: ImageDraw.ImageDraw, box: list[float], number: int, colour: Colour) -> None:
    font = ImageFont.load_default(22)
    place = draw.textbbox((box[0], box[1]), str(number), font)
    draw.rectangle(box, None, colour, 2)
    draw.rectangle((place[0] - 5, place[1] - 4, place[2] + 5, place[3] + 4), colour)
    draw.text((box[0], box[1]), str(number), "white", font)
