"""A camera drives a face: its newest picture, by the cheapest exit that keeps the budget, or a
cheaper one still where that is too slow for the pace."""

import asyncio
import io
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock, Timer

from PIL import Image

from fiancee_hub.core.errors import InputError
from fiancee_hub.core.router import Forecast, check_budget
from fiancee_hub.families.faces.landmarks.motion import Motion
from fiancee_hub.families.faces.photos import read_photo
from fiancee_hub.families.faces.pipeline import FacesPipeline, Source
from fiancee_hub.families.faces.steadying import ExitHold, steadied
from fiancee_hub.results import Result
from space.faces.pace import FPS, Pace
from space.page.model_threads import there

MOST_SECONDS = 120.0
"""How long one camera drives; then it is somebody else's turn."""

IDLE_SECONDS = 15.0
"""Without a frame for so long, a camera has gone."""

MOST_CAMERAS = 2
"""At once: they share the processors with all other visitors."""

MOST_BYTES, MOST_PIXELS = 400_000, 1_000_000
"""Of a frame. The browser sends 320x320 pixels, about 20 kB as JPEG."""

BROKEN = "The camera's pictures could not be read any further. Start it again."
CROWDED = "Others are using the camera just now: two can at once. Try again in a minute."
TOO_LARGE = "The picture is too large: send at most 400 kB and a million pixels."

Clock = Callable[[], float]


@dataclass(frozen=True)
class Frame:
    """What became of a camera's picture.

    Args:
        result: the driven picture; None where the camera's shows no usable face.
        problem: why there is none.
        reading: milliseconds that its landmarks took.
        wanted: the exit that the budget alone would take.
    """

    result: Result | None
    problem: str
    reading: float
    wanted: int = 0


class Camera:
    """Drives one source for one visitor. The first face it sees is the neutral one, against which
    relative driving takes the others. It keeps the source, and of the film the newest picture.

    Args:
        pipe: makes the pictures.
        source: who moves.
        budget: LPIPS to full depth, 0 to 1.
        relative: add the changes to the source's own pose.
        clock: seconds.
    """

    def __init__(
        self,
        pipe: FacesPipeline,
        source: Source,
        budget: float,
        relative: bool,
        clock: Clock = time.monotonic,
    ) -> None:
        self.macs = pipe.config.costs.exits
        self._pace = Pace(len(self.macs))
        self._pipe, self._source, self._budget = pipe, source, check_budget(budget)
        self._relative, self._clock = relative, clock
        self._begun = self._seen = clock()
        self._picture: Image.Image | None = None
        self._motions: Iterator[tuple[Motion | None, str]]
        self._motions = steadied(pipe.motions(self._pictures()), FPS)
        self._neutral: Motion | None = None
        self._hold, self._wanted = ExitHold(), 0
        self._turn = asyncio.Lock()
        self._newest, self._ended = 0, False

    @property
    def over(self) -> bool:
        """Whether its time is up, or nobody has sent a picture for a while."""
        now = self._clock()
        return now - self._begun > MOST_SECONDS or now - self._seen > IDLE_SECONDS

    def go_on_from(self, other: "Camera") -> None:
        """Takes over what another has learnt, and the time that it has used."""
        self._begun, self._pace, self._neutral = other._begun, other._pace, other._neutral

    def end(self) -> None:
        """Forgets what it has seen; pictures that still wait for it are none of the newest."""
        self._ended = True
        self._picture, self._motions = None, iter(())

    async def frame(self, content: bytes) -> Frame | None:
        """What a picture of the camera gives; None if a newer one, or the camera's end, came before
        its turn.

        Raises:
            InputError: it is no picture, or too large.
        """
        self._seen = self._clock()
        self._newest = mine = self._newest + 1
        async with self._turn:
            made = await there(self._made, content) if mine == self._newest else None
        self._seen = self._clock()
        return made

    def _pictures(self) -> Iterator[Image.Image]:
        while self._picture is not None:
            yield self._picture

    def _made(self, content: bytes) -> Frame | None:
        started = time.perf_counter()
        if _pixels(content) > MOST_PIXELS:
            raise InputError(TOO_LARGE)
        picture = read_photo(content).image
        if self._ended:
            return None
        self._picture = picture
        motion, problem = next(self._motions, (None, BROKEN))
        reading = 1000 * (time.perf_counter() - started)
        if motion is None:
            # Another thread may have ended it while this one looked for the face.
            return None if self._ended else Frame(None, problem, reading)
        if self._relative and self._neutral is None:
            self._neutral = motion
        started = time.perf_counter()
        neutral = self._neutral if self._relative else None
        rendering = self._pipe.prepare(source=self._source, driver=motion, reference=neutral)
        result = rendering.deliver(self._budget, self._choose)
        self._pace.note(reading, result.exit, 1000 * (time.perf_counter() - started))
        return Frame(result, "", reading, self._wanted)

    def _choose(self, forecast: Forecast, budget: float) -> int:
        self._wanted = self._hold.choose(forecast, budget)
        return min(self._wanted, self._pace.deepest)


def _pixels(content: bytes) -> int:
    """Of a picture, before it is decoded; 0 where reading it will say what is wrong."""
    try:
        with Image.open(io.BytesIO(content)) as picture:
            return picture.width * picture.height
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return 0


class Cameras:
    """Those that drive just now, by their keys, which nobody can guess."""

    def __init__(self) -> None:
        self._running: dict[str, Camera] = {}
        self._lock = Lock()
        self._sweeping = False

    def open(self, camera: Camera, before: str = "") -> str:
        """The key of a new one. It takes the place of the one of the key ``before`` if there is
        one, and its key: pictures that are on their way to the old one find it.

        Raises:
            InputError: too many drive already.
        """
        with self._lock:
            if other := self._running.get(before):
                camera.go_on_from(other)
                self._running[before] = camera
                other.end()
                return before
            self._end_those_over()
            if len(self._running) >= MOST_CAMERAS:
                raise InputError(CROWDED)
            key = secrets.token_urlsafe(16)
            self._running[key] = camera
            self._sweep_later()
        return key

    def close(self, key: str) -> None:
        with self._lock:
            if camera := self._running.pop(key, None):
                camera.end()

    def find(self, key: str) -> Camera | None:
        """The camera of a key; None where it is over."""
        with self._lock:
            self._end_those_over()
            return self._running.get(key)

    def _end_those_over(self) -> None:
        for key in [key for key, camera in self._running.items() if camera.over]:
            self._running.pop(key).end()

    def _sweep_later(self) -> None:
        """A browser that vanishes says nothing, and what it has sent is to go all the same."""
        if self._running and not self._sweeping:
            self._sweeping = True
            timer = Timer(IDLE_SECONDS, self._sweep)
            timer.daemon = True
            timer.start()

    def _sweep(self) -> None:
        with self._lock:
            self._sweeping = False
            self._end_those_over()
            self._sweep_later()


CAMERAS = Cameras()
