"""What a file is by how it begins, in the words of people: names may say anything."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

ENOUGH = 512
"""Bytes of a file's beginning that tell its kind."""

Sort = Literal["picture", "video", "other"]


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Args:
        name: with its article, such as "a PDF document".
        sort: what it shows.
        format: Pillow's name of it; empty if there is none.
    """

    name: str
    sort: Sort
    format: str = ""


_HEIC = Kind("a HEIC picture", "picture", "HEIF")
_AVIF = Kind("an AVIF picture", "picture", "AVIF")
_TIFF = Kind("a TIFF picture or a camera's raw file", "picture", "TIFF")
_MP4 = Kind("an MP4 or QuickTime video", "video")
_SOUND = Kind("a sound file", "other")
_XML = Kind("a web page or XML, such as SVG", "other")

_BRANDS = (
    ((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), _HEIC),
    ((b"avif", b"avis"), _AVIF),
    ((b"M4A ", b"M4B "), _SOUND),
)
_BEGINNINGS = (
    (b"\xff\xd8\xff", Kind("a JPEG picture", "picture", "JPEG")),
    (b"\x89PNG\r\n\x1a\n", Kind("a PNG picture", "picture", "PNG")),
    (b"GIF8", Kind("a GIF picture", "picture", "GIF")),
    (b"BM", Kind("a BMP picture", "picture", "BMP")),
    (b"II*\0", _TIFF),
    (b"MM\0*", _TIFF),
    (b"\0\0\0\x0cJXL ", Kind("a JPEG XL picture", "picture")),
    (b"\xff\x0a", Kind("a JPEG XL picture", "picture")),
    (b"\0\0\0\x0cjP  ", Kind("a JPEG 2000 picture", "picture", "JPEG2000")),
    (b"8BPS", Kind("a Photoshop picture", "picture", "PSD")),
    (b"\x1aE\xdf\xa3", Kind("a WebM or Matroska video", "video")),
    (b"FLV\x01", Kind("a Flash video", "video")),
    (b"\0\0\x01\xba", Kind("an MPEG video", "video")),
    (b"\0\0\x01\xb3", Kind("an MPEG video", "video")),
    (b"0&\xb2u\x8ef\xcf\x11", Kind("a Windows Media file", "video")),
    (b"%PDF", Kind("a PDF document", "other")),
    (b"version https://git-lfs", Kind("a Git LFS pointer, not the file itself", "other")),
    (b"PK\x03\x04", Kind("a ZIP archive or an office document", "other")),
    (b"\x93NUMPY", Kind("a NumPy array", "other")),
    (b"\x1f\x8b", Kind("a compressed file", "other")),
    (b"#EXTM3U", Kind("a playlist", "other")),
    (b"ID3", _SOUND),
    (b"fLaC", _SOUND),
    (b"OggS", Kind("an Ogg file", "video")),
    (b"<", _XML),
    (b"\xef\xbb\xbf<", _XML),
)
_RIFF = {
    b"WEBP": Kind("a WebP picture", "picture", "WEBP"),
    b"AVI ": Kind("an AVI video", "video"),
    b"WAVE": _SOUND,
}
_QUICKTIME = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")


def kind_of(start: bytes) -> Kind | None:
    """The kind of a file that begins so; None if it is none of the known ones."""
    if not start:
        return Kind("an empty file", "other")
    looks: tuple[Callable[[bytes], Kind | None], ...] = (
        _of_boxes,
        _of_riff,
        _of_beginning,
        _of_packets,
    )
    return next((kind for look in looks if (kind := look(start))), None)


def kind_of_file(file: Path | BinaryIO) -> Kind | None:
    """``kind_of`` for a file; one that is open stays where it was."""
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return kind_of(opened.read(ENOUGH))
    place = file.tell()
    start = file.read(ENOUGH)
    file.seek(place)
    return kind_of(start)


def _of_boxes(start: bytes) -> Kind | None:
    """Files of boxes (ISO/IEC 14496-12), which HEIC, AVIF and MP4 are."""
    if start[4:8] in _QUICKTIME:
        return _MP4
    if start[4:8] != b"ftyp":
        return None
    # The main brand first; "mif1" stands for both kinds of picture, so the others tell.
    end = min(int.from_bytes(start[:4], "big"), len(start))
    brands = [start[8:12], *(start[place : place + 4] for place in range(16, end, 4))]
    if brands[0] in (b"mif1", b"msf1") and any(brand in _BRANDS[1][0] for brand in brands):
        return _AVIF
    return next((kind for known, kind in _BRANDS if brands[0] in known), _MP4)


def _of_riff(start: bytes) -> Kind | None:
    return _RIFF.get(start[8:12]) if start[:4] == b"RIFF" else None


def _of_beginning(start: bytes) -> Kind | None:
    return next((kind for known, kind in _BEGINNINGS if start.startswith(known)), None)


def _of_packets(start: bytes) -> Kind | None:
    """MPEG transport streams: packets of 188 bytes, those of cameras with 4 bytes before each."""
    for place, length in ((0, 188), (4, 192)):
        if start[place::length][:2] == b"GG":
            return Kind("an MPEG video", "video")
    return None
