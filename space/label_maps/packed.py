"""A drawing in a link: the place of every pixel's class in the table, packed."""

import base64
import binascii
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fiancee_hub.core.errors import InputError
from space.page.links import Field

BROKEN = "The link's drawing is damaged: copy the whole link, or draw it again."


@dataclass(frozen=True)
class Drawing(Field):
    """A label map.

    Args:
        size: height and width.
        ids: of the classes, in the order of the checkpoint's table.
    """

    size: tuple[int, int]
    ids: tuple[int, ...]

    def read(self, name: str, text: str) -> NDArray[np.uint8]:
        """Class ids (height, width)."""
        places = _unpacked(text, self.size[0] * self.size[1])
        if places is None or places.max(initial=0) >= len(self.ids):
            raise InputError(BROKEN)
        return np.asarray(self.ids, np.uint8)[places].reshape(self.size)

    def write(self, ids: NDArray[np.integer]) -> str:
        """What a link holds of class ids (height, width)."""
        squeezed = zlib.compress(self._places(ids), 9, wbits=-15)
        return base64.urlsafe_b64encode(squeezed).decode().rstrip("=")

    def mark(self, ids: NDArray[np.integer]) -> int:
        """By which the page's script knows a map again."""
        return zlib.adler32(self._places(ids))

    def _places(self, ids: NDArray[np.integer]) -> bytes:
        place = np.zeros(256, np.uint8)
        place[list(self.ids)] = range(len(self.ids))
        return place[ids].tobytes()


def drawing_of(pipe: Any) -> Drawing:
    """The drawings of a pipeline's maps; needs its config only."""
    return Drawing(pipe.size, tuple(entry.id for entry in pipe.config.classes))


def _unpacked(text: str, length: int) -> NDArray[np.uint8] | None:
    """Places of classes; None if they are not so many. Never unpacks more than that."""
    try:
        squeezed = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
        unpacker = zlib.decompressobj(-15)
        places = unpacker.decompress(squeezed, length + 1)
    except (ValueError, binascii.Error, zlib.error):
        return None
    return np.frombuffer(places, np.uint8) if len(places) == length and unpacker.eof else None
