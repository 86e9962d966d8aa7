"""What visitors bring: good pictures in unusual forms, and what is sent by mistake or in malice."""

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image

from fiancee_hub.families.faces.clips import MOST_SECONDS
from space.faces.examples import examples as face_examples
from space.label_maps import maps

PORTRAIT = face_examples()[0].path
STREET = maps.examples()[3].path


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def portrait() -> Image.Image:
    with Image.open(PORTRAIT) as picture:
        return picture.convert("RGB")


def street() -> Image.Image:
    with Image.open(STREET) as picture:
        return picture.convert("RGB")


def street_ids() -> Image.Image:
    """Class ids in grey."""
    with Image.open(STREET) as picture:
        return Image.fromarray(np.asarray(picture))


def noise() -> Image.Image:
    """No face, and no class colours."""
    random = np.random.default_rng(0)
    return Image.fromarray(random.integers(0, 256, (120, 160, 3), dtype=np.uint8))


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def bomb() -> bytes:
    """A hundred bytes that promise a picture of 900 megapixels."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", bytes(40))


def _chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    checksum = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + checksum


def group_photo() -> bytes:
    """Two persons, the larger one at the left."""
    canvas, examples = Image.new("RGB", (620, 340), (170, 175, 180)), face_examples()
    for number, side, corner in ((0, 300, (10, 20)), (2, 230, (360, 60))):
        with Image.open(examples[number].path) as picture:
            canvas.paste(picture.resize((side, side)), corner)
    return encoded(canvas)


def far_away() -> bytes:
    """A person whose face is a few pixels high."""
    canvas = Image.new("RGB", (640, 480), (170, 175, 180))
    canvas.paste(portrait().resize((70, 70)), (270, 200))
    return encoded(canvas)


def turned(picture: Image.Image) -> bytes:
    """A picture on its side, with the EXIF note that says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(picture.transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif)


def sixteen_bits(picture: Image.Image, scale: int = 257) -> bytes:
    grey = np.asarray(picture.convert("L"), np.uint16) * np.uint16(scale)
    return encoded(Image.fromarray(grey))


def long_clip() -> bytes:
    """An animation of a second more than a driver may take."""
    frames = [Image.new("L", (16, 16), shade) for shade in range(round(MOST_SECONDS) + 1)]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=1000)
