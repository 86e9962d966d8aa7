"""Photographs in every form that people bring: a picture, or one clear sentence."""

import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from colour_profiles import DISPLAY_P3, rgb_profile
from PIL import Image

from fiancee_hub.core.errors import InputError
from fiancee_hub.families.faces.clips import moves, read_clip
from fiancee_hub.families.faces.photos import read_photo
from fiancee_hub.families.faces.pipeline import Controls

EXAMPLES = Path(__file__).parents[2] / "space" / "examples" / "faces"


@pytest.fixture(scope="module")
def face() -> Image.Image:
    with Image.open(EXAMPLES / "london_008_neutral.jpg") as picture:
        return picture.convert("RGB").resize((128, 128))


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def deep(picture: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)


READABLE: dict[str, tuple[Callable[[Image.Image], bytes], float]] = {
    "16 bits": (lambda face: encoded(deep(face)), 12),
    "16 bits with a transparent level": (lambda face: encoded(deep(face), transparency=5), 12),
    "16 bits, TIFF": (lambda face: encoded(deep(face), "TIFF"), 12),
    "inks": (lambda face: encoded(face.convert("CMYK"), "JPEG", quality=95), 3),
    "inks, TIFF": (lambda face: encoded(face.convert("CMYK"), "TIFF"), 1),
    "grey with alpha": (lambda face: encoded(face.convert("LA")), 12),
    "palette": (lambda face: encoded(face.quantize(128)), 4),
    "black and white": (lambda face: encoded(face.convert("1")), 90),
    "animation": (
        lambda face: encoded(face, save_all=True, append_images=[face.rotate(180)]),
        0,
    ),
    "several pages": (
        lambda face: encoded(face, "TIFF", save_all=True, append_images=[face.rotate(180)]),
        0,
    ),
    "AVIF": (lambda face: encoded(face, "AVIF", quality=90), 3),
    "damaged EXIF data": (lambda face: encoded(face, "JPEG", exif=b"Exif\0\0rubbish"), 3),
    "damaged profile": (lambda face: encoded(face, icc_profile=b"rubbish"), 0),
}


@pytest.mark.parametrize("form", READABLE)
def test_unusual_forms_show_the_same_face(form: str, face: Image.Image) -> None:
    write, tolerance = READABLE[form]
    photo = read_photo(write(face))
    assert photo.image.mode == "RGB" and photo.image.size == face.size and photo.image.info == {}
    difference = np.abs(np.asarray(photo.image).astype(int) - np.asarray(face)).mean()
    assert difference <= tolerance


def test_the_colours_are_those_that_a_viewer_shows(face: Image.Image) -> None:
    photo = read_photo(encoded(face, icc_profile=rgb_profile(DISPLAY_P3)))

    def saturation(picture: Image.Image) -> float:
        return float(np.ptp(np.asarray(picture).astype(int), axis=2).mean())

    assert saturation(photo.image) > 1.1 * saturation(face)
    assert photo.notes == ("Converted to sRGB from its colour profile (Test).",)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (encoded(Image.new("1", (8000, 8000))), "has 64 megapixels: shrink it below 50"),
        (encoded(Image.new("1", (20000, 10000))), "below 50 megapixels"),
        (encoded(Image.new("F", (9, 9)), "TIFF"), "holds fractions: save it again"),
        (encoded(Image.new("RGB", (99, 99)), "AVIF")[:200], "truncated or no picture"),
        (encoded(Image.new("RGB", (99, 99)), "JPEG2000"), "a JPEG 2000 picture, which cannot"),
        (b"\0\0\0\x20ftypisom\0\0\x02\0isom", "video where a picture is needed: choose a picture"),
    ],
)
def test_others_are_refused_in_one_sentence(content: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words) as refused:
        read_photo(content)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("x" * 5000, "cannot be read"),
        ("https://example.org/me.jpg", "is an address: download it"),
    ],
)
def test_paths_of_no_file_are_named(path: str, words: str) -> None:
    assert not moves(path)
    readers: tuple[Callable[[str], object], ...] = (read_photo, read_clip)
    for read in readers:
        with pytest.raises(InputError, match=words):
            read(path)


def test_a_file_is_read_once() -> None:
    file = io.BytesIO(encoded(Image.new("RGB", (99, 99))))
    read_photo(file)
    with pytest.raises(InputError, match="read to its end before: open it again"):
        read_photo(file)


@pytest.mark.parametrize("value", ["false", "", 1, None, 0.0])
def test_only_true_and_false_switch(value: Any) -> None:
    with pytest.raises(InputError, match="relative must be True or False"):
        Controls(relative=value)
    assert not Controls(relative=bool(np.bool_(False))).relative


def test_controls_hold_pythons_own_numbers() -> None:
    given: Any = {"yaw": np.float32(0.1), "smile": torch.tensor(1), "relative": np.bool_(True)}
    controls = Controls(**given)
    assert controls == Controls(yaw=0.1, smile=1.0, relative=True)
    assert json.loads(json.dumps(dataclasses.asdict(controls)))["relative"] is True
    for wrong in ("5", None, True, [5]):
        with pytest.raises(InputError, match="yaw must be a number"):
            Controls(yaw=wrong)  # type: ignore[arg-type]
