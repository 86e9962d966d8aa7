"""Pictures as people have them: colour profiles, turns, depths, kinds of file."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colour_profiles import DISPLAY_P3, SRGB, cmyk_profile, grey_profile, rgb_profile
from PIL import Image

from fiancee_hub.core.errors import InputError
from fiancee_hub.core.kinds import kind_of, kind_of_file
from fiancee_hub.core.pictures import (
    DAMAGED_PROFILE,
    eight_bits,
    flattened,
    in_srgb,
    opened,
    rgb_of,
    upright,
)

SKIN = (214, 170, 148)
P3 = rgb_profile(DISPLAY_P3, "Display P3")
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "HEIF")
FIX = "save it again"


def of_colour(colour: Any, mode: str = "RGB", profile: bytes = b"") -> Image.Image:
    picture = Image.new(mode, (4, 4), colour)
    if profile:
        picture.info["icc_profile"] = profile
    return picture


def as_file(picture: Image.Image, kind: str, **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    file.seek(0)
    return file


def pixel(picture: Image.Image) -> tuple[int, ...]:
    found = picture.getpixel((0, 0))
    assert isinstance(found, tuple)
    return found


def near(picture: Image.Image, colour: tuple[int, ...]) -> bool:
    return bool(np.abs(np.subtract(pixel(picture), colour)).max() <= 2)


# Colour


def test_wide_colours_are_converted() -> None:
    converted, notes = in_srgb(of_colour(SKIN, profile=P3))
    assert near(converted, (220, 169, 145))
    assert notes == ("Converted to sRGB from its colour profile (Display P3).",)
    assert "icc_profile" not in flattened(converted, (0, 0, 0), "")[0].info


def test_srgb_is_left_as_it_is() -> None:
    for profile in (b"", rgb_profile(SRGB)):
        picture = of_colour(SKIN, profile=profile)
        converted, notes = in_srgb(picture)
        assert converted is picture and notes == ()
        assert flattened(converted, (0, 0, 0), "")[0].info == {}


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA"])
def test_transparency_survives_the_conversion(mode: str) -> None:
    colour = (*SKIN, 90)
    picture = of_colour(colour, "RGBA")
    if mode == "P":
        # A palette with one transparent colour, as PNGs have it.
        picture = of_colour(SKIN).quantize(4)
        picture.info["transparency"] = picture.getpixel((0, 0))
    elif mode != "RGBA":
        picture = picture.convert("RGBA").convert(mode)
    picture.info["icc_profile"] = P3
    before = picture.convert("RGBA").getchannel("A").getextrema()
    converted, notes = in_srgb(picture)
    assert converted.mode == "RGBA" and len(notes) == 1
    assert converted.getchannel("A").getextrema() == before


def test_grey_pictures_by_their_own_profile_and_by_one_for_colours() -> None:
    darker, notes = in_srgb(of_colour(128, "L", grey_profile(3.0)))
    assert near(darker, (100, 100, 100)) and notes[0].endswith("(Test grey).")
    grey, _ = in_srgb(of_colour(128, "L", P3))
    assert near(grey, (128, 128, 128))
    deep = Image.fromarray(np.full((4, 4), 128 * 257, np.uint16))
    deep.info["icc_profile"] = grey_profile(3.0)
    assert near(rgb_of(deep), (100, 100, 100))


def test_inks_by_their_profile() -> None:
    half, notes = in_srgb(of_colour((0, 0, 0, 255), "CMYK", cmyk_profile()))
    assert near(half, (0, 0, 0)) and notes
    white, _ = in_srgb(of_colour((0, 0, 0, 0), "CMYK", cmyk_profile()))
    assert near(white, (255, 255, 255))
    # By the profile each ink takes a third of the light; without it cyan takes the red alone.
    cyan, _ = in_srgb(of_colour((255, 0, 0, 0), "CMYK", cmyk_profile()))
    assert max(pixel(cyan)) - min(pixel(cyan)) <= 2


def test_lab_pictures_are_read() -> None:
    assert near(rgb_of(of_colour((255, 128, 128), "LAB")), (255, 255, 255))


@pytest.mark.parametrize(
    ("mode", "profile"),
    [
        ("RGB", P3[:200]),
        ("RGB", b"no profile"),
        ("RGB", cmyk_profile()),
        ("CMYK", P3),
        ("L", cmyk_profile()),
        ("LAB", P3),
        ("RGB", P3[:16] + b"HSV " + P3[20:]),
    ],
)
def test_useless_profiles_are_ignored_with_a_note(mode: str, profile: bytes) -> None:
    plain = of_colour(0, mode)
    converted, notes = in_srgb(of_colour(0, mode, profile))
    assert notes == (DAMAGED_PROFILE,)
    assert near(converted.convert("RGB"), pixel(rgb_of(plain)))


def test_deep_grey_keeps_its_range() -> None:
    deep = Image.fromarray(np.array([[0, 257, 32896, 65535]], np.uint16))
    assert np.asarray(rgb_of(deep))[0, :, 0].tolist() == [0, 1, 128, 255]
    with pytest.raises(InputError, match="fractions"):
        eight_bits(Image.new("F", (2, 2)))


# Turns


@pytest.mark.parametrize("orientation", [0, 1, 9, 99])
def test_an_orientation_that_is_no_turn_is_none(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.open(as_file(Image.new("RGB", (8, 4)), "PNG", exif=exif))
    turned, notes = upright(picture)
    assert turned.size == (8, 4) and notes == ()


# Kinds


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_pictures_are_opened_by_what_they_are(kind: str, tmp_path: Path) -> None:
    file = as_file(Image.new("RGB", (16, 16), SKIN), kind)
    path = tmp_path / "picture.wrong"
    path.write_bytes(file.getvalue())
    for source in (file, path):
        with opened(source, FORMATS, "It", FIX) as picture:
            assert picture.convert("RGB").size == (16, 16)
    found = kind_of_file(path)
    assert found and found.format == kind and found.sort == "picture"


def test_heic_is_read_where_a_reader_is(monkeypatch: pytest.MonkeyPatch) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    file = as_file(Image.new("RGB", (64, 64), SKIN), "HEIF", quality=90)
    with opened(file, FORMATS, "It", FIX) as picture:
        assert np.abs(np.subtract(pixel(picture.convert("RGB")), SKIN)).max() < 6
    monkeypatch.setattr("fiancee_hub.core.pictures._heif_is_there", lambda: False)
    with (
        pytest.raises(InputError, match=r"a HEIC picture, .* pip install .fiancee-hub\[heic\]."),
        opened(file, FORMATS, "It", FIX),
    ):
        pass


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file where a picture is needed"),
        (b"%PDF-1.7", "a PDF document where"),
        (b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2", "an MP4 or QuickTime video where"),
        (b"\0\0\0\x18ftypM4A \0\0\0\0", "a sound file where"),
        (b"\0\0\0\x08wide\0\0\0\x08mdat", "an MP4 or QuickTime video where"),
        (b"\x1aE\xdf\xa3...", "a WebM or Matroska video where"),
        (b"RIFF\0\0\0\0AVI LIST", "an AVI video where"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture, which cannot be read here: save it"),
        (b"GIF89a", "a GIF picture, which cannot be read here"),
        (b"plain words", "truncated or no picture"),
        (b"\x89PNG\r\n\x1a\n\0", "truncated or no picture"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "truncated or no picture"),
    ],
)
def test_what_cannot_be_opened_is_named(content: bytes, words: str) -> None:
    with (
        pytest.raises(InputError, match=f"It is {words}"),
        opened(io.BytesIO(content), FORMATS, "It", FIX) as picture,
    ):
        picture.load()


def test_short_and_unknown_beginnings_are_of_no_kind() -> None:
    assert kind_of(b"x") is None
    assert kind_of(b"\0" * 64) is None
