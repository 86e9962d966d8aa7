"""What the palette of a palette picture says about its pixels: class colours, or decoration."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from fiancee_hub.families.label_maps.colours import Bytes, Colour

_FILLERS = ((0, 0, 0), (255, 255, 255))
"""Colours that programs fill unused entries with."""

_STRANGE = 3
"""So many unused entries that are no class colours make a palette foreign."""


@dataclass(frozen=True, eq=False)
class PaletteUse:
    """The pixels and the palette of a picture (mode "P" or "PA").

    Args:
        indices: palette index of each pixel, (height, width).
        colours: the whole palette.
        used: indices that occur, ascending.
        needed: indices that occur in the picture that this one was cut from.
    """

    indices: Bytes
    colours: tuple[Colour, ...]
    used: tuple[int, ...]
    needed: tuple[int, ...]

    @classmethod
    def of(cls, picture: Image.Image, whole: Image.Image) -> "PaletteUse":
        """Of a picture that is ``whole`` or a part of it."""
        pixels = np.asarray(picture)
        indices = pixels[..., 0] if pixels.ndim == 3 else pixels
        flat = picture.getpalette() or []
        colours = tuple(zip(flat[::3], flat[1::3], flat[2::3], strict=True))
        used = tuple(int(index) for index in np.unique(indices))
        needed = tuple(i for i, count in enumerate(whole.histogram()[:256]) if count)
        return cls(indices, colours, used, needed)

    def colour(self, index: int) -> Colour:
        """Of an index; black where the palette ends before it."""
        return self.colours[index] if index < len(self.colours) else (0, 0, 0)

    def foreign(self, known: set[Colour]) -> bool:
        """Whether the palette was made for other classes than those in the ``known`` colours.

        A program that saves a drawing writes the colours in use and perhaps a blend of two. A data
        set writes its whole table, and most of what the picture does not use are no class colours.
        """
        strange = len(self._strange(known))
        return strange >= _STRANGE or (self.is_voc and strange > 0)

    def _strange(self, known: set[Colour]) -> list[Colour]:
        """Entries that are not needed, no filling, and in no ``known`` colour."""
        entries = list(enumerate(self.colours))
        while len(entries) > 1 and entries[-1][1] == entries[-2][1]:
            entries.pop()
        return [
            colour
            for index, colour in entries
            if index not in self.needed
            and colour not in known
            and colour not in _FILLERS
            and colour != (index,) * 3
        ]

    @property
    def is_voc(self) -> bool:
        """Whether the colours in use are those of PASCAL VOC, which most labelling tools write."""
        return len(self.used) > 2 and all(self.colour(i) == voc_colour(i) for i in self.used)


def voc_colour(index: int) -> Colour:
    """The colour of a class id (0 to 255) in the palette of PASCAL VOC and labelme.

    The id's bits, lowest first, go to red, green and blue in turn, highest first.
    """
    channels = [0, 0, 0]
    for bit in range(8):
        channels[bit % 3] |= (index >> bit & 1) << (7 - bit // 3)
    return channels[0], channels[1], channels[2]
