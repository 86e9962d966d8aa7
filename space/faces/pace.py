"""How deep an exit may be for a camera's frames to keep their pace."""

from collections.abc import Sequence

FPS = 12.0
"""Frames a second that are to be kept, landmarks included."""

SHARE_OF_NEW = 0.2
"""What the newest frame counts for in a mean of times."""

FORGOTTEN = 36
"""Frames after which the time of an exit that none of them took says nothing any more."""


class Pace:
    """How deep an exit may be for the frames to keep their pace.

    Args:
        macs: of each exit, from the first to full depth.
        fps: frames a second to keep.
    """

    def __init__(self, macs: Sequence[int], fps: float = FPS) -> None:
        self._macs = macs
        self._milliseconds = 1000 / fps
        self._reading = 0.0
        self._making: dict[int, float] = {}
        self._frames, self._made = 0, dict[int, int]()

    def note(self, reading: float, exit_index: int, making: float) -> None:
        """How many milliseconds a frame's landmarks took, and its picture."""
        self._frames += 1
        self._reading = _mean(self._reading, reading)
        # What was slow once may have been in the way of others.
        known = {k: t for k, t in self._making.items() if self._frames - self._made[k] < FORGOTTEN}
        self._making = known | {exit_index: _mean(known.get(exit_index, 0.0), making)}
        self._made[exit_index] = self._frames

    @property
    def deepest(self) -> int:
        """The deepest exit (1 … K) in time; the first while nothing is known, and where even that
        is too slow."""
        making = self._making
        exits = range(len(self._macs), 1, -1)
        return next((k for k in exits if self._in_time(k, making)), 1)

    def _in_time(self, exit_index: int, making: dict[int, float]) -> bool:
        """A deeper exit than those that were made is expected to take as much longer as it has more
        operations, which is never too little."""
        known = [k for k in making if k <= exit_index]
        if not known:
            return False
        nearest = max(known)
        longer = self._macs[exit_index - 1] / self._macs[nearest - 1]
        return self._reading + longer * making[nearest] <= self._milliseconds


def _mean(before: float, new: float) -> float:
    return before + SHARE_OF_NEW * (new - before) if before else new
