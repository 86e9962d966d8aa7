"""What was read a moment ago."""

import time
from collections import OrderedDict
from pathlib import Path
from threading import Lock, Timer

SECONDS = 60.0
MOST_BYTES = 64_000_000


class Recent:
    """Contents of files by their paths: a minute or two after the last use, and 64 MB at most."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._entries: OrderedDict[Path, tuple[float, bytes]] = OrderedDict()
        self._lock = Lock()
        self._timer: Timer | None = None

    def get(self, path: Path) -> bytes | None:
        """What was put there, unless it is too long ago."""
        with self._lock:
            self._shed()
            entry = self._entries.get(path)
            return entry[1] if entry else None

    def put(self, path: Path, content: bytes) -> None:
        with self._lock:
            self._entries[path] = (time.monotonic(), content)
            self._entries.move_to_end(path)
            self._shed()
            self._watch()

    def _shed(self) -> None:
        """Drops what is too old, then the oldest of what is too much."""
        while self._entries:
            used = next(iter(self._entries.values()))[0]
            held = sum(len(content) for _, content in self._entries.values())
            if time.monotonic() - used <= self.seconds and held <= MOST_BYTES:
                return
            self._entries.popitem(last=False)

    def _watch(self) -> None:
        """Lets things go even if nobody asks for any again."""
        if self._entries and self._timer is None:
            self._timer = Timer(self.seconds, self._look)
            self._timer.daemon = True
            self._timer.start()

    def _look(self) -> None:
        with self._lock:
            self._timer = None
            self._shed()
            self._watch()
