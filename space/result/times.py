"""How long each exit takes here: one shot is noise on a shared machine, a running median is not."""

from collections import deque
from statistics import median
from threading import Lock
from weakref import WeakKeyDictionary

from fiancee_hub.rendering import Painter

KEPT = 15
"""Measurements of an exit that count."""


class Times:
    """Of one pipeline."""

    def __init__(self) -> None:
        self._recent: dict[int, deque[float]] = {}

    def note(self, exit_index: int, milliseconds: float) -> None:
        self._recent.setdefault(exit_index, deque(maxlen=KEPT)).append(milliseconds)

    def of(self, exit_index: int) -> float | None:
        """The median; None where nothing was measured yet."""
        recent = self._recent.get(exit_index)
        return median(tuple(recent)) if recent else None


_known: WeakKeyDictionary[Painter, Times] = WeakKeyDictionary()
_lock = Lock()


def times_of(pipeline: Painter) -> Times:
    """What was measured with a pipeline so far, for whomever."""
    with _lock:
        return _known.setdefault(pipeline, Times())
