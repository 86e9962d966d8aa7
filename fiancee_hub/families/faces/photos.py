"""Face photographs: reading them, cutting one face out, putting a result back."""

import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fiancee_hub.core.arguments import check_file, decimal, several, whole
from fiancee_hub.core.errors import InputError
from fiancee_hub.core.pictures import (
    MOST_PIXELS,
    content_of,
    decoding,
    eight_bits,
    flattened,
    in_srgb,
    opened,
    upright,
)
from fiancee_hub.families.faces.landmarks.landmarker import LEAST_SIZE, Face, FaceLandmarker
from fiancee_hub.families.faces.landmarks.pose import Floats, Pose, fit_pose

SIZE = 256
"""Side of a crop's picture, pixels."""

FACE_HEIGHTS = 1.8
"""Side of a crop over the size of its face, as in the training photographs."""

TIGHTEST = 1.5
"""The same in a picture that has no more room, as in the tightest training clips."""

RISE = 0.07
"""How far a crop's centre lies above the face's, in face sizes: room for the hair."""

LEAST_FACE = LEAST_SIZE
"""Smallest size of a face that can be chosen, pixels."""

GOOD_FACE = 64
"""Size of a face from which results are good."""

MOST_OUTSIDE = 0.02
"""Share of landmarks that may lie outside: those of a whole face near the edge stray a little."""

MOST_TURNED = 35
"""Degrees of yaw or pitch up to which results are good."""

MOST_MOVED = 1.5
"""Sizes of a face by which it may move from one frame of a clip to the next."""

SOFT_EDGE = 0.1
"""Width of the soft edge of what is put back, over the crop's side."""

WHITE = (255, 255, 255)
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF")
_ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")
_FIX = "save it again as JPEG or PNG"

Content = bytes | bytearray | memoryview | IO[bytes]
Source = str | os.PathLike[str] | Content | Image.Image | NDArray[np.generic]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels of the photo; parts may lie outside of it."""


@dataclass(frozen=True, eq=False)
class Photo:
    """A photograph, upright RGB, and a sentence for each thing done to get it."""

    image: Image.Image
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class FaceCrop:
    """One face of a photo as the model takes it."""

    picture: Image.Image
    """256x256 RGB."""

    box: Box
    """The square of the photo that the picture shows."""

    landmarks: Floats
    """(478, 3), pixels of the picture."""

    notes: tuple[str, ...] = ()
    """Sentences on what the picture lacks or what was done to it."""

    @property
    def pose(self) -> Pose:
        """Head pose in pixels of the picture."""
        return fit_pose(self.landmarks)


def read_photo(source: Source) -> Photo:
    """A photograph from any of the forms people have it in.

    Args:
        source: the path or the bytes of a JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF file, or of a
            HEIC file if ``pillow-heif`` is installed, or such a file opened for reading; a PIL
            image; or an array (height, width) or (height, width, 3 or 4) of uint8 or uint16.

    Raises:
        InputError: the source is no such picture; the message names the fix.
    """
    if isinstance(source, str | os.PathLike):
        path = check_file(source)
        return _read_file(path, path.name)
    if (content := content_of(source)) is not None:
        return _read_file(io.BytesIO(content), "The file")
    if isinstance(source, np.ndarray):
        source = _of_array(source)
    if isinstance(source, Image.Image):
        with decoding("The PIL image", _FIX):
            return _read_picture(source)
    raise InputError(
        f"A photo cannot be a {type(source).__name__}: pass a path, bytes, a PIL image or an array"
    )


def find_faces(
    image: Image.Image,
    landmarker: FaceLandmarker,
    *,
    every: bool = True,
    least: float = LEAST_FACE,
) -> list[Face]:
    """The faces of an RGB image that can be chosen, largest first.

    Args:
        image: the photo.
        landmarker: finds them.
        every: also those that are small beside the largest, which takes longer.
        least: size in pixels from which faces must be found.

    Returns:
        faces from ``LEAST_FACE`` pixels on; where all are smaller, the largest.

    Raises:
        InputError: there is none.
    """
    if faces := landmarker(image, every=every, least=least):
        return [face for face in faces if face.size >= LEAST_FACE] or faces[:1]
    raise InputError(
        "No face was found: use a photograph that shows one large, well lit and from the front"
    )


def nearest(faces: Sequence[Face], last: Face) -> int:
    """Which of the faces is the one that was ``last`` a frame ago; the first if none is near."""
    middles = [(face.box[:2] + face.box[2:]) / 2 for face in (last, *faces)]
    ways = [float(np.linalg.norm(middle - middles[0])) for middle in middles[1:]]
    index = int(np.argmin(ways))
    return index if ways[index] <= MOST_MOVED * last.size else 0


def chosen(faces: Sequence[Face], index: int) -> Face:
    """One of the faces, counted from 0.

    Raises:
        InputError: there is no such.
    """
    number = whole(index, "face", 0)
    if number >= len(faces):
        raise InputError(f"There is no face {number}: the picture has 0 to {len(faces) - 1}")
    return faces[number]


def crop_face(image: Image.Image, faces: Sequence[Face], index: int = 0) -> FaceCrop:
    """The crop of one of the faces of an RGB image, framed as in the training photographs.

    Args:
        image: the photo.
        faces: what ``find_faces`` returned for it.
        index: which of them.

    Raises:
        InputError: the face is too small, or cut off by the picture's edge; or there is no such.
    """
    face = chosen(faces, index)
    several = f"Found {len(faces)} faces and took the {'largest' if index == 0 else 'chosen one'}."
    notes = (several,) if len(faces) > 1 else ()
    crop = crop_at(image, framing(image.size, face), face)
    return FaceCrop(crop.picture, crop.box, crop.landmarks, notes + crop.notes)


def framing(size: tuple[int, int], face: Face) -> Box:
    """The square for a face of an image (width, height): within it, unless that is too tight."""
    side = max(min(round(FACE_HEIGHTS * face.size), *size), round(TIGHTEST * face.size))
    middle = (face.box[:2] + face.box[2:]) / 2 - (0, RISE * face.size)
    left, top = (
        round(min(max(centre - side / 2, min(0, length - side)), max(0, length - side)))
        for centre, length in zip(middle.tolist(), size, strict=True)
    )
    return left, top, left + side, top + side


def crop_at(image: Image.Image, box: Box, face: Face) -> FaceCrop:
    """The crop of a face by a square of one's own; edge pixels go on outside the image.

    Raises:
        InputError: the box is no square or cuts the face off; the face is too small, or cut off
            by the picture's edge.
    """
    box = left, top, right, _ = _square(box)
    side = right - left
    _check_face(image.size, box, face)
    region, extended = _with_edges(image, box)
    picture = region.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    landmarks = (face.landmarks - np.array([left, top, 0], np.float32)) * np.float32(SIZE / side)
    notes = _turn_notes(face.pose) + _size_notes(face.size, side)
    if extended:
        notes += ("The picture is tight around the face: its edges were extended.",)
    return FaceCrop(picture, box, landmarks, notes)


def _square(box: Any) -> Box:
    """A box of whole pixels.

    Raises:
        InputError: it is no four numbers, or no square.
    """
    edges = [decimal(edge, "each edge of box", "0") for edge in several(box, "box", "four edges")]
    if len(edges) != 4 or not all(map(math.isfinite, edges)):
        raise InputError("box must be four edges in pixels: left, top, right, bottom")
    left, top, right, bottom = map(round, edges)
    if right - left < 1 or bottom - top != right - left:
        raise InputError(f"The box is {right - left}x{bottom - top} pixels: make it a square")
    return left, top, right, bottom


def paste_back(photo: Photo, crop: FaceCrop, image: Image.Image) -> Image.Image:
    """The whole photo with an image, made from the crop, in place of the crop; edges are soft."""
    whole = photo.image.copy()
    left, top, right, bottom = crop.box
    fitted = image.convert("RGB").resize((right - left, bottom - top), Image.Resampling.LANCZOS)
    across = _soft_edge(left, right, whole.width)
    down = _soft_edge(top, bottom, whole.height)
    mask = Image.fromarray(np.rint(255 * down[:, None] * across).astype(np.uint8))
    whole.paste(fitted, (left, top), mask)
    return whole


def _read_file(file: Path | io.BytesIO, subject: str) -> Photo:
    with opened(file, _FORMATS, subject, _FIX) as picture:
        return _read_picture(picture)


def _read_picture(picture: Image.Image) -> Photo:
    # Before anything is decoded: the header alone may promise gigabytes.
    if picture.width * picture.height > MOST_PIXELS:
        raise InputError(
            f"The picture has {picture.width * picture.height / 1e6:.0f} megapixels: shrink it "
            f"below {MOST_PIXELS // 1_000_000}"
        )
    moving: tuple[str, ...] = ()
    if getattr(picture, "is_animated", False) and picture.format in _ANIMATED:
        moving = ("Took the first picture of an animation.",)
    picture, turned = upright(picture)
    coloured, converted = in_srgb(eight_bits(picture))
    image, flat = flattened(coloured, WHITE, "Transparent parts were made white.")
    # A copy even where nothing was to be done: the caller may go on drawing in theirs.
    return Photo(image.copy(), moving + turned + converted + flat)


def _of_array(array: NDArray[np.generic]) -> Image.Image:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise InputError(
            f"The picture has shape {array.shape}: pass (height, width) or (height, width, 3)"
        )
    if array.dtype == np.uint16:
        array = np.rint(array.astype(np.float32) / 257).astype(np.uint8)
    if array.dtype != np.uint8:
        raise InputError(f"The picture holds {array.dtype} values: pass uint8, 0 to 255")
    if not array.size:
        raise InputError("The picture is empty: pass at least one pixel")
    return Image.fromarray(np.ascontiguousarray(array))


def _check_face(size: tuple[int, int], box: Box, face: Face) -> None:
    if face.size < LEAST_FACE:
        raise InputError(
            f"The face is {face.size:.0f} pixels high, less than {LEAST_FACE}: use a picture in "
            "which the face is larger"
        )
    if _share_outside(face, (0, 0, *size)) > MOST_OUTSIDE:
        raise InputError(
            "The face is cut off by the picture's edge: use a picture that shows all of it"
        )
    if _share_outside(face, box) > MOST_OUTSIDE:
        raise InputError("The box cuts the face off: move or enlarge it")


def _share_outside(face: Face, box: Box) -> float:
    points = face.landmarks[:, :2]
    inside = (points >= box[:2]) & (points <= box[2:])
    return float(1 - inside.all(axis=1).mean())


def _turn_notes(pose: Pose) -> tuple[str, ...]:
    yaw, pitch, _ = pose.euler_deg().tolist()
    turns = {"sideways": abs(yaw), "up or down": abs(pitch)}
    return tuple(
        f"The head is turned {angle:.0f} degrees {way}: beyond {MOST_TURNED} results get worse."
        for way, angle in turns.items()
        if angle > MOST_TURNED
    )


def _size_notes(face: float, side: int) -> tuple[str, ...]:
    if side >= SIZE:
        return ()
    soft = (f"Enlarged from {side}x{side} to {SIZE}x{SIZE} pixels, so it is soft.",)
    if face >= GOOD_FACE:
        return soft
    return (*soft, f"The face is {face:.0f} pixels high: below {GOOD_FACE} results get worse.")


def _with_edges(image: Image.Image, box: Box) -> tuple[Image.Image, bool]:
    """A box of an image, its edge pixels going on outside, and whether any lies outside."""
    left, top, right, bottom = box
    inside = (max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height))
    part = image.crop(inside)
    if inside == box:
        return part, False
    rows = (inside[1] - top, bottom - inside[3])
    columns = (inside[0] - left, right - inside[2])
    padded = np.pad(np.asarray(part), (rows, columns, (0, 0)), mode="edge")
    return Image.fromarray(padded), True


def _soft_edge(start: int, end: int, length: int) -> NDArray[np.float64]:
    """Weights (end - start,) along one side: soft at both ends, but not at the photo's edges."""
    side = end - start
    place = (np.arange(side) + 0.5) / (SOFT_EDGE * side)
    first = np.ones(side) if start <= 0 else place
    last = np.ones(side) if end >= length else place[::-1]
    ramp = np.minimum(first, last).clip(0, 1)
    return ramp * ramp * (3 - 2 * ramp)
