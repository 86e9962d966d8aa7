"""Label maps: class-id arrays, palette pictures and RGB pictures in the class colours."""

import io
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from fiancee_hub.core.arguments import check_file
from fiancee_hub.core.errors import InputError
from fiancee_hub.core.pictures import MOST_PIXELS, content_of, decoding, opened, upright
from fiancee_hub.families.label_maps.classes import ClassEntry
from fiancee_hub.families.label_maps.colours import Bytes
from fiancee_hub.families.label_maps.forms import (
    TRANSPARENT,
    Aliases,
    Legend,
    Reading,
    check_reading,
    checked_ids,
    ids_of_picture,
)
from fiancee_hub.families.label_maps.framing import framed, framing_notes

LEAST_SIDE = 8

NO_ALIASES: Aliases = MappingProxyType({})
_NPY = b"\x93NUMPY"
_FORMATS = ("PNG", "JPEG", "WEBP")
_ONE_BAND = ("1", "L", "I", "F")


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Class ids (height, width), uint8, and a sentence for each thing done to get them."""

    ids: Bytes
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Size and classes in one line."""
        height, width = self.ids.shape
        return f"<LabelMap {width}x{height}: {len(np.unique(self.ids))} classes>"


Source = ArrayLike | Image.Image | str | os.PathLike[str]


def read_label_map(
    source: Source,
    classes: Sequence[ClassEntry],
    size: tuple[int, int],
    *,
    aliases: Aliases = NO_ALIASES,
    unknown: int | None = None,
    as_: Reading | None = None,
) -> LabelMap:
    """Reads a label map in any of the forms people have it in, at the model's size.

    Args:
        source: class ids (height, width) or (1, height, width) as an array, tensor or nested
            list; or a PIL image; or the path or content of a PNG, JPEG, WebP or .npy file, or
            such a file opened for reading. Grey pictures hold class ids, in one channel or in
            three equal ones. Palette pictures hold them if the palette was made for other
            classes. All others hold the class colours, exact or nearly.
        classes: the model's classes, ids 0 to len(classes) - 1.
        size: height and width of the result. A map of another aspect is cut, see ``framing``.
        aliases: further colours, by the name of the class that they mean.
        unknown: id of the class of what is transparent; None: the one called "unknown".
        as_: "ids" or "colours" if you know what the pixels of a picture hold; None takes what
            fits.

    Raises:
        InputError: the source is no label map for these classes; the message names the fix.
    """
    check_reading(as_)
    legend = Legend.of(classes, aliases, unknown)
    if isinstance(source, str | os.PathLike):
        return _read_file(check_file(source), legend, size, as_)
    if (content := content_of(source)) is not None:
        return _read_content(content, legend, size, as_)
    if isinstance(source, Image.Image):
        with decoding("The PIL image"):
            return _read_picture(source, legend, size, as_)
    return _read_array(source, legend, size, as_)


def _read_file(path: Path, legend: Legend, size: tuple[int, int], as_: Reading | None) -> LabelMap:
    if path.suffix.lower() == ".npy":
        return _read_array(_load_npy(path), legend, size, as_)
    with opened(path, _FORMATS, path.name, "save it again as PNG") as picture:
        return _read_picture(picture, legend, size, as_)


def _read_content(
    content: bytes, legend: Legend, size: tuple[int, int], as_: Reading | None
) -> LabelMap:
    file = io.BytesIO(content)
    if not content.startswith(_NPY):
        with opened(file, _FORMATS, "The file", "save it again as PNG") as picture:
            return _read_picture(picture, legend, size, as_)
    try:
        array = np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:
        raise InputError(
            "The file is truncated or no plain array: save class ids with numpy.save"
        ) from error
    return _read_array(array, legend, size, as_)


def _load_npy(path: Path) -> NDArray[np.generic]:
    try:
        # Mapped, so that a header that promises too much is refused before memory is taken.
        return np.lib.format.open_memmap(path, mode="r")
    except Exception as error:
        raise InputError(
            f"{path.name} is truncated or no plain array: save class ids with numpy.save"
        ) from error


def _read_array(
    source: object, legend: Legend, size: tuple[int, int], as_: Reading | None
) -> LabelMap:
    try:
        array = np.asarray(source)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            "The label map is no plain array: pass class ids as integers, rows of equal length, "
            "in main memory"
        ) from error
    if as_ == "colours":
        raise InputError("An array holds class ids, not colours: pass colours as a PIL image")
    ids = _ids_of_array(array, len(legend.names))
    notes = framing_notes(ids.shape[0], ids.shape[1], size)
    return LabelMap(np.array(framed(Image.fromarray(ids), size)), notes)


def _ids_of_array(array: NDArray[np.generic], class_count: int) -> Bytes:
    """Class ids (height, width), checked, of an array of any type and shape."""
    if array.ndim == 0:
        raise InputError("The label map is missing: pass a path, bytes, a PIL image or class ids")
    if array.dtype.kind == "U":
        raise InputError("The label map is a list of names: pass one path after the other")
    if array.dtype.kind not in "biuf":
        raise InputError(f"The label map holds {array.dtype} values: pass class ids as integers")
    plane = array[0] if array.ndim == 3 and array.shape[0] == 1 else array
    if plane.ndim != 2:
        raise InputError(
            f"The label map has shape {array.shape}: pass class ids as (height, width), "
            "or colours as a PIL image"
        )
    _check_sides(*plane.shape)
    if plane.dtype.kind == "f" and not (np.isfinite(plane) & (np.floor(plane) == plane)).all():
        raise InputError("The label map holds fractions: pass class ids as integers")
    return checked_ids(plane, class_count)


def _check_sides(height: int, width: int) -> None:
    if min(height, width) < LEAST_SIDE:
        raise InputError(
            f"The label map is {width}x{height} pixels: draw it at least {LEAST_SIDE} pixels "
            "wide and high"
        )
    if height * width > MOST_PIXELS:
        raise InputError(
            f"The label map has {height * width / 1e6:.0f} megapixels: shrink it below "
            f"{MOST_PIXELS // 1_000_000}"
        )


def _read_picture(
    picture: Image.Image, legend: Legend, size: tuple[int, int], as_: Reading | None
) -> LabelMap:
    # Before anything is decoded: the header alone may promise gigabytes.
    _check_sides(picture.height, picture.width)
    lossy, deep = _is_lossy(picture), _has_deep_channels(picture)
    band = picture.mode.split(";")[0] in _ONE_BAND
    if picture.format == "JPEG" and band and as_ != "colours":
        raise InputError("JPEG changes class ids in a grey picture: save it as PNG")
    picture, turned = upright(picture)
    framing = framing_notes(picture.height, picture.width, size)
    if band and as_ != "colours":
        ids, notes = _ids_of_grey(picture, legend)
    else:
        # Shrunk first, so that a large photograph costs no more than a small one.
        larger = picture.height >= size[0] and picture.width >= size[1]
        small = framed(picture, size) if larger else picture
        if deep and not np.asarray(small.convert("RGB")).any():
            raise InputError(
                "The picture has 16 bits a channel, of which only the lower 8 are used: save class "
                "ids as a grey PNG"
            )
        ids, notes = ids_of_picture(small, legend, as_, lossy=lossy, whole=picture)
    whole = ids if ids.shape == size else np.array(framed(Image.fromarray(ids), size))
    return LabelMap(whole, turned + notes + framing)


def _ids_of_grey(picture: Image.Image, legend: Legend) -> tuple[Bytes, tuple[str, ...]]:
    """Class ids of a picture of one channel, of which a PNG may call one value transparent."""
    plane, hidden = np.asarray(picture), picture.info.get("transparency")
    if not isinstance(hidden, int):
        return _ids_of_array(plane, len(legend.names)), ()
    clear = plane == (bool(hidden) if picture.mode == "1" else hidden)
    ids = _ids_of_array(np.where(clear, plane.dtype.type(0), plane), len(legend.names))
    if not clear.any():
        return ids, ()
    return np.where(clear, np.uint8(legend.of_transparent()), ids), (TRANSPARENT,)


def _has_deep_channels(picture: Image.Image) -> bool:
    """Whether a file has channels of 16 bits, of which Pillow keeps the upper 8."""
    tiles = getattr(picture, "tile", None) or ()
    raw = [tile[3] for tile in tiles]
    modes = [mode if isinstance(mode, str) else str(mode[0]) for mode in raw if mode]
    return not picture.mode.startswith("I") and any(mode.endswith("16B") for mode in modes)


def _is_lossy(picture: Image.Image) -> bool:
    """Whether a file's format changes values: any JPEG, and WebP with a lossy frame."""
    if picture.format != "WEBP":
        return picture.format in ("JPEG", "MPO")
    file: Any = getattr(picture, "fp", None)
    # Pictures in memory have no file any more.
    with suppress(AttributeError, OSError, ValueError):
        place = file.tell()
        file.seek(0)
        start = file.read(64 * 1024)
        file.seek(place)
        return b"VP8 " in start and b"VP8L" not in start
    return False
