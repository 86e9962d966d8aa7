"""Opening the pictures that people have: one error for undecodable ones, upright, flattened."""

from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageOps

from fiancee_hub.core.errors import InputError

MOST_PIXELS = 50_000_000
"""Pictures larger than this are refused before they are decoded."""

_ORIENTATION = 0x0112


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


def upright(picture: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    """The picture turned as its EXIF data says, and a note if it was."""
    if picture.getexif().get(_ORIENTATION, 1) == 1:
        return picture, ()
    return ImageOps.exif_transpose(picture), ("Turned upright as its EXIF data says.",)


def flattened(
    picture: Image.Image, background: tuple[int, int, int], note: str
) -> tuple[Image.Image, tuple[str, ...]]:
    """RGB form of a picture on a background, and the note if any of it was transparent."""
    if not picture.has_transparency_data:
        return picture.convert("RGB"), ()
    layer = picture.convert("RGBA")
    lowest = layer.getchannel("A").getextrema()[0]
    if lowest == 255:
        return layer.convert("RGB"), ()
    solid = Image.new("RGBA", layer.size, background)
    solid.alpha_composite(layer)
    return solid.convert("RGB"), (note,)
