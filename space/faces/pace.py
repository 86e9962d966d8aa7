"""How deep an exit may be for a camera's frames to keep their pace."""

FPS = 12.0
"""Frames a second that are to be kept, landmarks included."""

SHARE_OF_NEW = 0.2
"""What the newest frame counts for in a mean of times."""

FORGOTTEN = 36
"""Frames after which the time of an exit that none of them took says nothing any more."""


class Pace:
    """How deep an exit may be for the frames to keep their pace, by what each exit took: operations
    say little, as an exit's time has a part that is the same for all.

    Args:
        exits: how many there are, full depth included.
        fps: frames a second to keep.
    """

    def __init__(self, exits: int, fps: float = FPS) -> None:
        self._exits = exits
        self._milliseconds = 1000 / fps
        self._reading = 0.0
        self._making: dict[int, tuple[float, int]] = {}
        """Of each exit that was made: its time, and the number of its newest frame."""
        self._frames = 0

    def note(self, reading: float, exit_index: int, making: float) -> None:
        """How many milliseconds a frame's landmarks took, and its picture."""
        self._frames += 1
        self._reading = _mean(self._reading, reading)
        before = self._making[exit_index][0] if self._knows(exit_index) else 0.0
        # A new one, as a camera that goes on with another source shares the pace with the old one.
        self._making = self._making | {exit_index: (_mean(before, making), self._frames)}

    @property
    def deepest(self) -> int:
        """The deepest exit (1 … K) that a frame may take; the first while nothing is known, and
        where even that is too slow.

        It is the deepest in time, or the one behind it where nothing is known of that: one frame
        tries it. If it is in time, the next frame may try another; if not, it is left until its
        time is forgotten. So the pace suffers in one frame of ``FORGOTTEN`` at most.
        """
        making = self._making
        slow = (k for k in making if not self._in_time(k) and self._knows(k))
        end = min(slow, default=self._exits + 1)
        deepest = max((k for k in making if k < end and self._in_time(k)), default=0)
        return max(1, min(deepest + 1, end - 1))

    def _in_time(self, exit_index: int) -> bool:
        return self._reading + self._making[exit_index][0] <= self._milliseconds

    def _knows(self, exit_index: int) -> bool:
        """Whether an exit was made lately. What was slow once may have been in the way of others;
        what was in time is believed until a frame takes it again, whose time then counts alone."""
        frame = self._making.get(exit_index, (0.0, -FORGOTTEN))[1]
        return self._frames - frame < FORGOTTEN


def _mean(before: float, new: float) -> float:
    return before + SHARE_OF_NEW * (new - before) if before else new
