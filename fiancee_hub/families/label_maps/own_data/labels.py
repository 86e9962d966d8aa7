"""Label maps as data sets store them: ids, palette pictures and class colours, to class ids."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fiancee_hub.core.errors import DataError
from fiancee_hub.core.pictures import decoding
from fiancee_hub.families.label_maps.own_data.layout import IDS
from fiancee_hub.families.label_maps.palettes import PaletteUse
from fiancee_hub.families.label_maps.training.class_table import TABLE, ClassTable

VOID = 255
"""What most data sets write where nobody labelled anything."""

Ids = NDArray[np.uint8]


class LabelReader:
    """Reads label maps exactly: a pixel of no class is an error, not the nearest class.

    Args:
        table: the classes.
        label_ids: class of each id in the files; None if they are class ids themselves. Ids that
            it does not list, and 255 without it, are unknown if the table has such a class.
    """

    def __init__(self, table: ClassTable, label_ids: Mapping[int, int] | None = None) -> None:
        self.by_colour = {entry.colour: entry.id for entry in reversed(table.entries)}
        self.classes = len(table.entries)
        self.raw_ids = label_ids is not None
        nothing = -1 if table.unknown is None else table.unknown
        self.by_id = np.full(IDS, nothing if self.raw_ids else -1, np.int32)
        if label_ids is None:
            self.by_id[VOID] = nothing
            self.by_id[: len(table.entries)] = np.arange(len(table.entries))
        for raw, class_id in (label_ids or {}).items():
            self.by_id[raw] = class_id

    def __call__(self, path: Path) -> Ids:
        """Class ids, uint8 (height, width).

        Raises:
            DataError, InputError: the file is damaged or has pixels of no class.
        """
        with decoding(str(path)), Image.open(path, formats=("PNG",)) as file:
            picture: Image.Image = file.copy()
        if picture.mode in ("RGB", "RGBA"):
            return self._of_channels(np.asarray(picture.convert("RGB")), path)
        if picture.mode == "P" and self._coloured(picture):
            return self._of_colours(np.asarray(picture.convert("RGB")), path)
        if picture.mode == "LA":
            picture = picture.getchannel("L")
        return self._of_ids(np.asarray(picture).astype(np.int64), path)

    def _coloured(self, picture: Image.Image) -> bool:
        """Whether a palette picture's colours are the classes', and its indices mean nothing."""
        palette, known = PaletteUse.of(picture, picture), set(self.by_colour)
        colours = {index: palette.colour(index) for index in palette.used}
        grey = all(colour == (index,) * 3 for index, colour in colours.items())
        if self.raw_ids or grey or not known.issuperset(colours.values()):
            return False
        return not (palette.used[-1] < self.classes and palette.foreign(known))

    def _of_channels(self, rgb: NDArray[np.uint8], path: Path) -> Ids:
        """Of a picture in class colours, or in three equal channels of ids."""
        if (rgb == rgb[..., :1]).all():
            values = {(int(value),) * 3 for value in np.unique(rgb)}
            if self.raw_ids or not values.issubset(self.by_colour):
                return self._of_ids(rgb[..., 0].astype(np.int64), path)
        return self._of_colours(rgb, path)

    def _of_ids(self, ids: NDArray[np.int64], path: Path) -> Ids:
        classes = np.where((ids >= 0) & (ids < IDS), self.by_id[ids.clip(0, IDS - 1)], -1)
        if (classes < 0).any():
            worst, share = _most_common(ids[classes < 0], ids.size)
            raise DataError(
                f"{path}: {share:.1%} of its pixels have the id {worst}, which is no class: map it "
                f'in "label_ids" of {TABLE}, or name a class for it in "unknown"'
            )
        return classes.astype(np.uint8)

    def _of_colours(self, rgb: NDArray[np.uint8], path: Path) -> Ids:
        packed = rgb.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
        known = sorted((r << 16 | g << 8 | b, i) for (r, g, b), i in self.by_colour.items())
        codes, ids = (np.array(column) for column in zip(*known, strict=True))
        position = np.searchsorted(codes, packed).clip(max=len(codes) - 1)
        strange = codes[position] != packed
        if strange.any():
            worst, share = _most_common(packed[strange], packed.size)
            colour = worst >> 16, worst >> 8 & 255, worst & 255
            raise DataError(
                f"{path}: {share:.1%} of its pixels have the colour {colour}, which no class has: "
                f"add it to {TABLE}, or save class ids as a grey PNG"
            )
        return ids[position].astype(np.uint8)


def _most_common(values: NDArray[np.int64], pixels: int) -> tuple[int, float]:
    """The most frequent of the wrong values, and the share of all pixels that has it."""
    value, count = Counter(values.tolist()).most_common(1)[0]
    return value, count / pixels
