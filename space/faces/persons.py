"""Persons that visitors bring: read into memory once, with the crop drawn on the photograph."""

import time
from dataclasses import dataclass, replace

from PIL import Image, ImageDraw, ImageFont

from fiancee_hub.families.faces.landmarks.landmarker import Face
from fiancee_hub.families.faces.landmarks.motion import Motion
from fiancee_hub.families.faces.photos import (
    Box,
    FaceCrop,
    Photo,
    crop_face,
    find_faces,
    framing,
    read_photo,
)
from fiancee_hub.families.faces.pipeline import FacesPipeline, Source

MOST_SIDE = 3072
"""Larger photographs are shrunk: they stay in memory while the page is open."""

SHOWN_SIDE = 720
"""Longer side of a photograph on the page, pixels."""

LINE = 4
Colour = tuple[int, int, int]
CHOSEN, OTHER = (13, 148, 136), (100, 116, 139)


@dataclass(frozen=True, eq=False)
class Upload:
    """A photograph as the page keeps it: in memory, for one visitor, searched once.

    Args:
        photo: the photograph.
        faces: all that were found, largest first.
        milliseconds: that finding them took.
        file: where an example lies; empty for a visitor's own.
    """

    photo: Photo
    faces: tuple[Face, ...]
    milliseconds: float
    file: str = ""


@dataclass(frozen=True, eq=False)
class Person:
    """A source.

    Args:
        source: what the pipeline made of it.
        upload: its photograph.
        chosen: which of the faces is the source.
    """

    source: Source
    upload: Upload
    chosen: int


@dataclass(frozen=True, eq=False)
class Driver:
    """What is kept of a driver's picture: the motion, and that of its neutral picture if known;
    where both lie, if it is an example."""

    motion: Motion
    neutral: Motion | None = None
    file: str = ""
    neutral_file: str = ""


def read(pipe: FacesPipeline, content: bytes, file: str = "") -> Upload:
    """A photograph and the faces in it; ``file`` is where an example lies.

    Raises:
        InputError: it is no picture, or shows no face.
    """
    photo = read_photo(content)
    if max(photo.image.size) > MOST_SIDE:
        photo.image.thumbnail((MOST_SIDE, MOST_SIDE))
        photo = replace(photo, notes=(*photo.notes, "Shrunk, since it is very large."))
    started = time.perf_counter()
    faces = find_faces(photo.image, pipe.landmarker)
    return Upload(photo, tuple(faces), 1000 * (time.perf_counter() - started), file)


def person(pipe: FacesPipeline, upload: Upload, chosen: int = 0, box: Box | None = None) -> Person:
    """One of the faces as a source, by default the largest; ``box`` instead of its own square.

    Raises:
        InputError: the face cannot be used.
    """
    source = pipe.encode(upload.photo.image, face=chosen, box=box, faces=upload.faces)
    milliseconds = source.milliseconds + upload.milliseconds
    # The image given is upright already, so what was done before is known only here.
    notes = upload.photo.notes + source.notes
    source = replace(source, photo=upload.photo, notes=notes, milliseconds=milliseconds)
    return Person(source, upload, chosen)


def driver(
    pipe: FacesPipeline, upload: Upload, neutral: bytes | None = None
) -> tuple[Driver, FaceCrop]:
    """The largest face as a driver, and its crop.

    Raises:
        InputError: the face cannot be used.
    """
    crop = crop_face(upload.photo.image, upload.faces)
    known = None if neutral is None else pipe.motion(neutral)
    return Driver(pipe.motion(crop), known), crop


def move(pipe: FacesPipeline, moving: Person, zoom: float, right: float, down: float) -> Person:
    """The same face in another square.

    Args:
        pipe: reads it.
        moving: who it is.
        zoom: above 1 the square is smaller than the one found, below 1 larger.
        right: by which share of its side the square moves to the right.
        down: and downwards.

    Raises:
        InputError: the square cuts the face off.
    """
    upload, chosen = moving.upload, moving.chosen
    found = framing(upload.photo.image.size, upload.faces[chosen])
    return person(pipe, upload, chosen, moved(found, zoom, right, down))


def moved(box: Box, zoom: float, right: float, down: float) -> Box:
    """A square, shrunk by ``zoom`` around its centre and then moved by shares of its old side."""
    left, top, end, _ = box
    old = end - left
    side = round(old / zoom)
    left = round(left + (old - side) / 2 + right * old)
    top = round(top + (old - side) / 2 + down * old)
    return left, top, left + side, top + side


def drawn(upload: Upload, crop: FaceCrop, chosen: int = 0) -> Image.Image:
    """The photograph, small enough for the page, with its crop and, of several, all faces."""
    picture = upload.photo.image.copy()
    share = min(1.0, SHOWN_SIDE / max(picture.size))
    picture = picture.resize([max(1, round(side * share)) for side in picture.size])
    draw = ImageDraw.Draw(picture)
    if len(upload.faces) > 1:
        for index, face in enumerate(upload.faces):
            colour = CHOSEN if index == chosen else OTHER
            _number(draw, [value * share for value in face.box.tolist()], index + 1, colour)
    draw.rectangle([value * share for value in crop.box], None, CHOSEN, LINE)
    return picture


def _number(draw: ImageDraw.ImageDraw, box: list[float], number: int, colour: Colour) -> None:
    font = ImageFont.load_default(22)
    place = draw.textbbox((box[0], box[1]), str(number), font)
    draw.rectangle(box, None, colour, 2)
    draw.rectangle((place[0] - 5, place[1] - 4, place[2] + 5, place[3] + 4), colour)
    draw.text((box[0], box[1]), str(number), "white", font)
