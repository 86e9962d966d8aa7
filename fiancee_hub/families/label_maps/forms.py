"""Whether a picture's pixels are class ids or class colours, and the ids that follow.

Both look alike: the ids of few classes are nearly black, and the colours of a palette picture may
be decoration. So the reading that fits is taken, the note says which if the other one fits as well,
and the caller can choose.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fiancee_hub.core.errors import InputError
from fiancee_hub.core.pictures import flattened, in_srgb
from fiancee_hub.families.label_maps.classes import ClassEntry
from fiancee_hub.families.label_maps.colours import (
    FITTING,
    Bytes,
    Colour,
    Mask,
    Palette,
    Snapped,
    snap_colours,
)
from fiancee_hub.families.label_maps.palettes import PaletteUse

Aliases = Mapping[str, Sequence[Colour]]
"""Further colours that stand for a class, by its name."""

Reading = Literal["ids", "colours"]
"""What pixels hold, where the caller knows."""

LEAST_FITTING = 0.8
"""Share of a picture's pixels that must lie near a class colour."""

_DARK = int(FITTING / 3**0.5)
"""Greys up to this one lie so near black that they are taken for it."""

TRANSPARENT = "Transparent parts count as unknown."
_Result = tuple[Bytes, tuple[str, ...]]


@dataclass(frozen=True, eq=False)
class Legend:
    """What the pixels of a map of some classes may be.

    Args:
        names: of the classes, by id.
        palette: colours and the classes that they mean.
        unknown: id of the class of what nobody labelled; None if there is none.
        background: colour of what is transparent.
    """

    names: tuple[str, ...]
    palette: Palette
    unknown: int | None
    background: Colour

    @classmethod
    def of(
        cls, classes: Sequence[ClassEntry], aliases: Aliases, unknown: int | None = None
    ) -> "Legend":
        """Of classes with ids from 0 on.

        Args:
            classes: in the order of their ids.
            aliases: further colours of classes, by name.
            unknown: id of the class of what nobody labelled; None: the one called "unknown".
        """
        ids = {entry.name: entry.id for entry in classes}
        own = [(entry.colour, entry.id) for entry in classes]
        more = [(colour, ids[name]) for name, colours in aliases.items() for colour in colours]
        unknown = ids.get("unknown") if unknown is None else unknown
        background = (0, 0, 0) if unknown is None else classes[unknown].colour
        # Not the names' table: several classes may have one name.
        names = tuple(entry.name for entry in classes)
        return cls(names, Palette.of(own + more), unknown, background)

    @property
    def colours(self) -> set[Colour]:
        return {(int(r), int(g), int(b)) for r, g, b in self.palette.colours}

    def of_transparent(self) -> int:
        """Id of the class that transparent parts count as.

        Raises:
            InputError: there is none.
        """
        if self.unknown is None:
            raise InputError(
                "Parts of the label map are transparent, and no class stands for them: give every "
                "pixel a class id or a class colour"
            )
        return self.unknown


def check_reading(as_: Any) -> None:
    """Raises an InputError if ``as_`` is no reading and not None."""
    if as_ is not None and as_ not in get_args(Reading):
        raise InputError(f"as_ is {as_!r}: give 'ids', 'colours', or leave it out")


def checked_ids(plane: NDArray[np.generic], class_count: int) -> Bytes:
    """Class ids of whole numbers of any type.

    Raises:
        InputError: some are no ids.
    """
    lowest, highest = plane.min(), plane.max()
    if lowest < 0:
        raise InputError(f"The label map holds {lowest}: class ids start at 0")
    if highest >= class_count:
        raise InputError(
            f"The label map holds {highest}, but class ids end at {class_count - 1}: pass ids "
            "listed by `pipe.config.classes`, or colours as an RGB picture"
        )
    return plane.astype(np.uint8)


def ids_of_picture(
    picture: Image.Image,
    legend: Legend,
    as_: Reading | None = None,
    *,
    lossy: bool = False,
    whole: Image.Image | None = None,
) -> _Result:
    """Class ids (height, width) of a picture of any mode, and what was done to get them.

    Args:
        picture: any that converts to RGB.
        legend: of the classes.
        as_: what its pixels hold; None takes what fits.
        lossy: whether its file's format changes values.
        whole: what the picture was cut from.

    Raises:
        InputError: it is no map of these classes; the message names the fix.
    """
    found = _Pixels.of(picture, legend)
    if as_ == "colours":
        return _of_colours(found, legend, notes=found.notes)
    palette = PaletteUse.of(picture, whole or picture) if picture.mode in ("P", "PA") else None
    if as_ == "ids":
        return _of_ids(found, legend, palette, lossy)
    values = found.values
    if (
        values is not None
        and not found.has_only(legend.colours)
        and values.max() < len(legend.names)
    ):
        note = "Took grey values as class ids: the picture's channels are equal."
        return _with_unknown(_kept(values, lossy), found, legend, note)
    if palette is not None:
        return _of_palette(found, legend, palette)
    found = _in_srgb_if_better(found, picture, legend)
    return _of_colours(found, legend, notes=found.notes, careful=True)


@dataclass(frozen=True, eq=False)
class _Pixels:
    """A picture's colours without its transparency.

    Args:
        rgb: on the background, (height, width, 3).
        clear: where it is transparent; None if nowhere.
        values: (height, width), if all channels are equal wherever it is opaque; 0 elsewhere.
    """

    rgb: Bytes
    clear: Mask | None
    values: Bytes | None
    notes: tuple[str, ...]

    @classmethod
    def of(cls, picture: Image.Image, legend: Legend) -> "_Pixels":
        flat, notes = flattened(picture, legend.background, TRANSPARENT)
        rgb, clear, own = np.asarray(flat), None, np.asarray(flat)
        if notes:
            layers = np.asarray(picture.convert("RGBA"))
            clear = layers[..., 3] < 128
            own = np.where(clear[..., None], 0, layers[..., :3]).astype(np.uint8)
        grey = bool((own == own[..., :1]).all()) and not (clear is not None and clear.all())
        return cls(rgb, clear, own[..., 0] if grey else None, notes)

    def has_only(self, colours: set[Colour]) -> bool:
        """Whether every grey is one of the colours."""
        assert self.values is not None
        return all((int(value),) * 3 in colours for value in np.unique(self.values))


def _in_srgb_if_better(found: "_Pixels", picture: Image.Image, legend: Legend) -> "_Pixels":
    """The colours that a viewer shows, if more of them are class colours than without a profile.

    A drawing in another colour space may have been converted into it, or made there by numbers.
    """
    converted, notes = in_srgb(picture)
    if converted is picture:
        return found
    shown = _Pixels.of(converted, legend)
    fits = [snap_colours(pixels.rgb, legend.palette) for pixels in (found, shown)]
    raw, better = ((snapped.fitting, snapped.exact) for snapped in fits)
    return replace(shown, notes=(*notes, *shown.notes)) if better > raw else found


def _with_unknown(ids: Bytes, found: _Pixels, legend: Legend, *notes: str) -> _Result:
    """The ids, and the class of what nobody labelled where the picture is transparent."""
    if found.clear is None:
        return ids, notes
    unknown = np.uint8(legend.of_transparent())
    return np.where(found.clear, unknown, ids), (*notes, *found.notes)


def _kept(values: Bytes, lossy: bool) -> Bytes:
    """The values, unless their file's format has changed them."""
    if lossy:
        raise InputError("Lossy formats such as JPEG change class ids: save them as a grey PNG")
    return values


def _of_ids(found: _Pixels, legend: Legend, palette: PaletteUse | None, lossy: bool) -> _Result:
    plane = found.values
    if palette is not None and (plane is None or plane.max() >= len(legend.names)):
        plane = palette.indices
    if plane is None:
        raise InputError(
            "The picture's channels differ, so they hold no class ids: save ids as a grey PNG, or "
            "have it read by its colours"
        )
    return _with_unknown(checked_ids(_kept(plane, lossy), len(legend.names)), found, legend)


def _of_palette(found: _Pixels, legend: Legend, palette: PaletteUse) -> _Result:
    snapped = snap_colours(found.rgb, legend.palette)
    if palette.used[-1] < len(legend.names):
        foreign = palette.foreign(legend.colours) or (palette.is_voc and snapped.exact < 1)
        if foreign or snapped.fitting < LEAST_FITTING:
            note = "Took palette indices as class ids: the palette is not the class colours'."
            return _with_unknown(palette.indices, found, legend, note)
        ids, notes = _of_colours(found, legend, snapped, notes=found.notes, careful=True)
        if not np.array_equal(ids, palette.indices):
            notes = (*notes, "Took palette colours as classes, though its indices are ids as well.")
        return ids, notes
    if palette.is_voc and snapped.exact < 1:
        raise InputError(
            f"The picture has PASCAL VOC's palette and holds the index {palette.used[-1]}, but "
            f"class ids end at {len(legend.names) - 1}: map its indices to ids listed by "
            "`pipe.config.classes`, or have it read by its colours"
        )
    return _of_colours(found, legend, snapped, notes=found.notes, careful=True)


def _of_colours(
    found: _Pixels,
    legend: Legend,
    snapped: Snapped | None = None,
    *,
    notes: tuple[str, ...],
    careful: bool = False,
) -> _Result:
    """Classes by colour.

    Args:
        careful: refuse a picture that is one class only because its colours are nearly black.
    """
    if found.clear is not None:
        legend.of_transparent()
    snapped = snapped or snap_colours(found.rgb, legend.palette)
    ends = f"class ids end at {len(legend.names) - 1}"
    holds = "" if found.values is None else f" (its greys go to {found.values.max()}, {ends})"
    if snapped.fitting < LEAST_FITTING:
        raise InputError(
            f"{100 * (1 - snapped.fitting):.0f} % of the picture's pixels are in no class colour"
            f"{holds}: use the class colours listed by `pipe.config.classes`, or class ids in a "
            "grey PNG"
        )
    if careful and _only_darkened(found, snapped):
        name = legend.names[snapped.ids.flat[0]]
        raise InputError(
            f"The picture is so dark that all of it would be {name!r}{holds}: save class ids as a "
            "grey PNG, or use the class colours listed by `pipe.config.classes`"
        )
    if snapped.exact < 1:
        share = 100 * (1 - snapped.exact)
        notes = (*notes, f"Moved {share:.1f} % of the pixels to the nearest class colour.")
    return snapped.ids, notes


def _only_darkened(found: _Pixels, snapped: Snapped) -> bool:
    """Whether a picture has one class because other values than black were taken for black.

    Most likely they were ids. Grey ones are not forgiven a single pixel off.
    """
    if snapped.exact == 1 or (snapped.ids != snapped.ids.flat[0]).any():
        return False
    brightest = found.rgb.max(-1)
    if (brightest <= _DARK).mean() <= 0.5:
        return False
    off = brightest[brightest > 0]
    return bool(found.values is not None or (off <= _DARK).mean() > 0.5)
