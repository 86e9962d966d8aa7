"""Label maps: class-id arrays, palette pictures and RGB pictures in the class colours."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from fiancee_hub.core.errors import InputError
from fiancee_hub.core.pictures import MOST_PIXELS, decoding, flattened, upright
from fiancee_hub.families.label_maps.classes import ClassEntry
from fiancee_hub.families.label_maps.colours import Bytes, Colour, Palette, Snapped, snap_colours

LEAST_SIDE = 8
LEAST_FITTING = 0.8
"""Share of a picture's pixels that must lie near a class colour."""

SAME_ASPECT = 0.02
"""Relative difference of aspects up to which a map is stretched instead of cut."""

Aliases = Mapping[str, Sequence[Colour]]
"""Further colours that stand for a class, by its name."""

NO_ALIASES: Aliases = MappingProxyType({})
_FORMATS = ("PNG", "JPEG", "WEBP")
_ONE_BAND = ("1", "L", "I", "F")


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Class ids (height, width), uint8, and a sentence for each thing done to get them."""

    ids: Bytes
    notes: tuple[str, ...] = ()


Source = ArrayLike | Image.Image | str | os.PathLike[str]


def read_label_map(
    source: Source,
    classes: Sequence[ClassEntry],
    size: tuple[int, int],
    *,
    aliases: Aliases = NO_ALIASES,
) -> LabelMap:
    """Reads a label map in any of the forms people have it in, at the model's size.

    Args:
        source: class ids (height, width) or (1, height, width) as an array, tensor or nested
            list; or a PIL image; or the path of a PNG, JPEG, WebP or .npy file. Grey pictures
            hold class ids, all others the class colours, exact or nearly.
        classes: the model's classes, ids 0 to len(classes) - 1.
        size: height and width of the result. A map of another aspect is cut to its middle.
        aliases: further colours, by the name of the class that they mean.

    Raises:
        InputError: the source is no label map for these classes; the message names the fix.
    """
    if isinstance(source, str | os.PathLike):
        return _read_file(Path(source), classes, size, aliases)
    if isinstance(source, Image.Image):
        with decoding("The PIL image"):
            return _read_picture(source, classes, size, aliases)
    return _read_array(source, len(classes), size)


def _palette(classes: Sequence[ClassEntry], aliases: Aliases) -> Palette:
    ids = {entry.name: entry.id for entry in classes}
    own = [(entry.colour, entry.id) for entry in classes]
    more = [(colour, ids[name]) for name, colours in aliases.items() for colour in colours]
    return Palette.of(own + more)


def _read_file(
    path: Path, classes: Sequence[ClassEntry], size: tuple[int, int], aliases: Aliases
) -> LabelMap:
    if not path.is_file():
        raise InputError(f"There is no file {path}: check the path")
    if path.suffix.lower() == ".npy":
        return _read_array(_load_npy(path), len(classes), size)
    with decoding(path.name), Image.open(path, formats=_FORMATS) as picture:
        return _read_picture(picture, classes, size, aliases)


def _load_npy(path: Path) -> NDArray[np.generic]:
    try:
        # Mapped, so that a header that promises too much is refused before memory is taken.
        return np.lib.format.open_memmap(path, mode="r")
    except Exception as error:
        raise InputError(
            f"{path.name} is truncated or no plain array: save class ids with numpy.save"
        ) from error


def _read_array(source: object, class_count: int, size: tuple[int, int]) -> LabelMap:
    try:
        array = np.asarray(source)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            "The label map is no plain array: pass class ids as integers, rows of equal length, "
            "in main memory"
        ) from error
    ids = _ids_of_array(array, class_count)
    framed = np.array(_framed(Image.fromarray(ids), size))
    return LabelMap(framed, _framing_notes(ids.shape[0], ids.shape[1], size))


def _ids_of_array(array: NDArray[np.generic], class_count: int) -> Bytes:
    """Class ids (height, width), checked, of an array of any type and shape."""
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
    lowest, highest = plane.min(), plane.max()
    if lowest < 0:
        raise InputError(f"The label map holds {lowest}: class ids start at 0")
    if highest >= class_count:
        raise InputError(
            f"The label map holds {highest}, but class ids end at {class_count - 1}: pass ids "
            "listed by `pipe.config.classes`, or colours as an RGB picture"
        )
    return plane.astype(np.uint8)


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
    picture: Image.Image,
    classes: Sequence[ClassEntry],
    size: tuple[int, int],
    aliases: Aliases,
) -> LabelMap:
    # Before anything is decoded: the header alone may promise gigabytes.
    _check_sides(picture.height, picture.width)
    if picture.format == "JPEG" and picture.mode == "L":
        raise InputError("JPEG changes class ids in a grey picture: save it as PNG")
    picture, turned = upright(picture)
    notes: tuple[str, ...] = ()
    if picture.mode.split(";")[0] in _ONE_BAND:
        ids = _ids_of_array(np.asarray(picture), len(classes))
    else:
        ids, notes = _ids_of_colours(picture, classes, size, aliases)
    framing = _framing_notes(picture.height, picture.width, size)
    framed = ids if ids.shape == size else np.array(_framed(Image.fromarray(ids), size))
    return LabelMap(framed, turned + notes + framing)


def _ids_of_colours(
    picture: Image.Image,
    classes: Sequence[ClassEntry],
    size: tuple[int, int],
    aliases: Aliases,
) -> tuple[Bytes, tuple[str, ...]]:
    """Class ids of a coloured picture: at ``size`` if the picture is larger, else at its own."""
    # Shrunk first, so that a large photograph costs no more than a small one.
    larger = picture.height >= size[0] and picture.width >= size[1]
    small = _framed(picture, size) if larger else picture
    rgb, notes = flattened(small, _background(classes), "Transparent parts count as unknown.")
    snapped = snap_colours(np.asarray(rgb), _palette(classes, aliases))
    if picture.mode == "P" and _holds_ids(picture, snapped, len(classes)):
        notes = ("Took palette indices as class ids: its colours are not the class colours.",)
        return np.array(small), notes
    if snapped.fitting < LEAST_FITTING:
        raise InputError(
            f"{100 * (1 - snapped.fitting):.0f} % of the picture's pixels are in no class colour: "
            "use the class colours listed by `pipe.config.classes`, or class ids in a grey PNG"
        )
    return snapped.ids, notes + _snapping_notes(snapped)


def _snapping_notes(snapped: Snapped) -> tuple[str, ...]:
    if snapped.exact == 1:
        return ()
    share = 100 * (1 - snapped.exact)
    return (f"Moved {share:.1f} % of the pixels to the nearest class colour.",)


def _background(classes: Sequence[ClassEntry]) -> Colour:
    return next((entry.colour for entry in classes if entry.name == "unknown"), (0, 0, 0))


def _holds_ids(picture: Image.Image, snapped: Snapped, class_count: int) -> bool:
    """Whether a palette picture's indices are class ids and its colours mere decoration."""
    used = [index for index, count in enumerate(picture.histogram()) if count]
    palette = picture.getpalette() or []
    grey_ramp = all(palette[3 * index : 3 * index + 3] == [index] * 3 for index in used)
    return used[-1] < class_count and (grey_ramp or snapped.exact < LEAST_FITTING)


def _window(height: int, width: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the part of a picture that is shown at ``size``."""
    aspect = size[1] / size[0]
    if abs(width / height / aspect - 1) <= SAME_ASPECT:
        return 0, 0, width, height
    kept_width = min(width, max(1, round(height * aspect)))
    kept_height = min(height, max(1, round(width / aspect)))
    left, top = (width - kept_width) // 2, (height - kept_height) // 2
    return left, top, left + kept_width, top + kept_height


def _framed(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The middle of a picture at ``size`` (height, width), each pixel copied from the nearest."""
    window = _window(picture.height, picture.width, size)
    return picture.crop(window).resize(size[::-1], Image.Resampling.NEAREST)


def _framing_notes(height: int, width: int, size: tuple[int, int]) -> tuple[str, ...]:
    left, top, right, bottom = _window(height, width, size)
    notes = []
    if (right - left, bottom - top) != (width, height):
        sides = {"left": left, "right": width - right, "top": top, "bottom": height - bottom}
        cut = " and ".join(
            f"{count} pixels at the {side}" for side, count in sides.items() if count
        )
        notes.append(f"Cut to the model's aspect: {cut} left out.")
    if (bottom - top, right - left) != size:
        was, now = f"{right - left}x{bottom - top}", f"{size[1]}x{size[0]}"
        notes.append(f"Resized from {was} to {now} by nearest class.")
    return tuple(notes)
