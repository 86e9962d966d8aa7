"""Opening the pictures that people have: errors that name the kind, upright, in sRGB, flattened."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import TypeGuard

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from fiancee_hub.core.errors import InputError
from fiancee_hub.core.kinds import kind_of_file

MOST_PIXELS = 50_000_000
"""Pictures larger than this are refused before they are decoded."""

DAMAGED_PROFILE = "Its colour profile is damaged or of another kind, and was ignored."

_ORIENTATION = 0x0112
_TURNED = range(2, 9)
"""Orientations that mean a turn or a mirror; 1 means none, others mean nothing."""

_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab ": "LAB"}
"""Modes of pictures by the colour space that their profile names."""

_SAME = 1.5
"""Grey levels by which a profile may differ from sRGB and still be called that."""


@contextmanager
def decoding(subject: str, fix: str = "save it again as PNG") -> Iterator[None]:
    """Turns whatever a decoder raises into an InputError about ``subject`` that names the fix."""
    try:
        yield
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{subject} is too large: shrink it below {MOST_PIXELS // 1_000_000} megapixels"
        ) from error
    # On damaged files the decoders raise whatever their parsing happened to stumble over.
    except Exception as error:
        raise InputError(f"{subject} is truncated or no picture: {fix}") from error


@contextmanager
def opened(
    file: Path | io.BytesIO, formats: Sequence[str], subject: str, fix: str
) -> Iterator[Image.Image]:
    """A picture file, whose pixels are decoded within the block.

    HEIC is read where the package ``pillow-heif`` is installed, if ``formats`` has "HEIF".

    Args:
        file: its path, or its content.
        formats: Pillow's names of the formats that are taken.
        subject: what errors call it.
        fix: what errors advise.

    Raises:
        InputError: it is of another kind, which the message names, or damaged.
    """
    known = [name for name in formats if name != "HEIF" or _heif_is_there()]
    with decoding(subject, fix):
        try:
            picture = Image.open(file, formats=known)
        except UnidentifiedImageError as error:
            raise _of_other_kind(file, formats, subject, fix) or error from error
        with picture:
            yield picture


def content_of(source: object) -> bytes | None:
    """The bytes of a file, given as such or opened; None for anything else.

    Raises:
        InputError: it was opened as text, cannot be read, or has nothing left to read.
    """
    if isinstance(source, bytes | bytearray) or _is_plain(source):
        return bytes(source)
    read = None if isinstance(source, Image.Image) else getattr(source, "read", None)
    if not callable(read):
        return None
    try:
        content = read()
    except (OSError, ValueError) as error:
        raise InputError(f"The file cannot be read ({error}): open it again") from error
    if not isinstance(content, bytes):
        raise InputError('The file is opened as text: open it with mode "rb"')
    if not content:
        raise InputError("The file is empty, or was read to its end before: open it again")
    return content


def _is_plain(source: object) -> TypeGuard[memoryview]:
    """Whether it shows the bytes of a file; others show the pixels of an array."""
    return isinstance(source, memoryview) and source.ndim == 1 and source.itemsize == 1


def _of_other_kind(
    file: Path | io.BytesIO, formats: Sequence[str], subject: str, fix: str
) -> InputError | None:
    """What to say of a file that is no picture of these formats; None if nothing is known."""
    if isinstance(file, io.BytesIO):
        file.seek(0)
    kind = kind_of_file(file)
    if kind is None:
        return None
    if kind.sort != "picture":
        fix = "choose a picture" if kind.sort == "video" else fix
        return InputError(f"{subject} is {kind.name} where a picture is needed: {fix}")
    if kind.format == "HEIF" and "HEIF" in formats and not _heif_is_there():
        fix = f'pip install "fiancee-hub[heic]", or {fix}'
    elif kind.format in formats:
        return None  # of the right kind, but damaged
    return InputError(f"{subject} is {kind.name}, which cannot be read here: {fix}")


@lru_cache
def _heif_is_there() -> bool:
    """Whether Pillow can read HEIC; it can from the first call on."""
    try:
        import_module("pillow_heif").register_heif_opener()
    except ImportError:
        return False
    return True


def upright(picture: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """The picture turned as its EXIF data says, and a note if it was."""
    if picture.getexif().get(_ORIENTATION) not in _TURNED:
        return picture, ()
    return ImageOps.exif_transpose(picture), ("Turned upright as its EXIF data says.",)


def eight_bits(picture: Image.Image) -> Image.Image:
    """Grey pictures of 16 bits as 8, others as they are: Pillow cuts values off at 255.

    Raises:
        InputError: the picture holds fractions, whose range is unknown.
    """
    if picture.mode == "F":
        raise InputError("The picture holds fractions: save it again as JPEG or PNG")
    if not picture.mode.startswith("I"):
        return picture
    values = np.asarray(picture).astype(np.int64).clip(0, 65535)
    grey = Image.fromarray(np.rint(values / 257).astype(np.uint8))
    if profile := picture.info.get("icc_profile"):
        grey.info["icc_profile"] = profile
    return grey


def rgb_of(picture: Image.Image) -> Image.Image:
    """The pixels of a picture in any mode as RGB in sRGB; transparency is dropped."""
    return in_srgb(eight_bits(picture))[0].convert("RGB")


def in_srgb(picture: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """The picture in the colours that a viewer shows, and a note if its profile mattered.

    Args:
        picture: 8 bits a channel, in any mode; what is transparent stays so.

    Returns:
        The picture as it is, unless its embedded ICC profile names another space than sRGB: then
        as RGB, or as RGBA if it has transparency. A profile that cannot be used is ignored.
    """
    profile = picture.info.get("icc_profile")
    if not profile:
        return (_of_lab(picture) if picture.mode == "LAB" else picture), ()
    try:
        space, name, same = _described(profile)
        if same and picture.mode not in ("CMYK", "LAB"):
            return picture, ()
        converted = _converted(picture, profile, space)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, KeyError):
        return (_of_lab(picture) if picture.mode == "LAB" else picture), (DAMAGED_PROFILE,)
    return converted, (f"Converted to sRGB from its colour profile{name}.",)


def _converted(picture: Image.Image, profile: bytes, space: str) -> Image.Image:
    mode = _SPACES[space]
    alpha = picture.convert("RGBA").getchannel("A") if picture.has_transparency_data else None
    if picture.mode != mode and {picture.mode, mode} & {"CMYK", "LAB"}:
        raise ValueError("the profile is not for this kind of picture")
    # A grey picture may carry a profile for RGB, and the other way round.
    colours = picture if picture.mode == mode else picture.convert("RGBA").convert(mode)
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        _srgb(),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    converted = ImageCms.applyTransform(colours, transform)
    assert converted is not None
    if alpha:
        converted.putalpha(alpha)
    return converted


@lru_cache(maxsize=16)
def _described(profile: bytes) -> tuple[str, str, bool]:
    """Colour space of a profile, its name in brackets, and whether it shows what sRGB shows.

    Raises:
        PyCMSError, OSError: it is damaged.
        KeyError: it is for another number of channels than pictures have here.
    """
    read = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    space = read.profile.xcolor_space
    words = " ".join(ImageCms.getProfileDescription(read).split())
    name = f" ({words[:40]})" if words.isprintable() and words else ""
    mode = _SPACES[space]
    if mode not in ("RGB", "L"):
        return space, name, False
    colours = _sample_colours().convert(mode)
    shown = np.asarray(_converted(colours, profile, space), int)
    return space, name, bool(np.abs(shown - np.asarray(colours.convert("RGB"))).max() <= _SAME)


@lru_cache
def _sample_colours() -> Image.Image:
    steps = range(0, 256, 51)
    return Image.fromarray(np.array(list(product(steps, repeat=3)), np.uint8)[None])


@lru_cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _of_lab(picture: Image.Image) -> Image.Image:
    """RGB form of a Lab picture, which Pillow's own conversion does not know."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    converted = ImageCms.profileToProfile(picture, lab, _srgb(), outputMode="RGB")
    assert converted is not None
    return converted


def flattened(
    picture: Image.Image, background: tuple[int, int, int], note: str
) -> tuple[Image.Image, tuple[str, ...]]:
    """RGB form of a picture on a background, and the note if any of it was transparent.

    It carries nothing of the file but its pixels: no profile, no EXIF data.
    """
    flat, notes = _flattened(picture, background, note)
    flat.info = {}
    return flat, notes


def _flattened(
    picture: Image.Image, background: tuple[int, int, int], note: str
) -> tuple[Image.Image, tuple[str, ...]]:
    if not picture.has_transparency_data:
        return picture.convert("RGB"), ()
    layer = picture.convert("RGBA")
    lowest = layer.getchannel("A").getextrema()[0]
    if lowest == 255:
        return layer.convert("RGB"), ()
    solid = Image.new("RGBA", layer.size, background)
    solid.alpha_composite(layer)
    return solid.convert("RGB"), (note,)
