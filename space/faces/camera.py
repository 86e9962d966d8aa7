"""A camera drives a face: its newest picture, by the cheapest exit that keeps the budget, or a
cheaper one still where that is too slow for the pace."""

import asyncio
import io
import json
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock, Timer
from typing import Any

import gradio as gr
from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fiancee_hub.core.errors import InputError
from fiancee_hub.core.router import Forecast, check_budget
from fiancee_hub.families.faces.landmarks.motion import Motion
from fiancee_hub.families.faces.photos import read_photo
from fiancee_hub.families.faces.pipeline import FacesPipeline, Source
from fiancee_hub.families.faces.steadying import ExitHold, steadied
from fiancee_hub.results import Result
from space.page.errors import plain_errors
from space.page.files import encoded
from space.page.model_threads import aside, there
from space.result.facts import exit_name, saved

FPS = 12.0
"""Frames a second that are to be kept, landmarks included."""

SHARE_OF_NEW = 0.2
"""What the newest frame counts for in a mean of times."""

FORGOTTEN = 36
"""Frames after which the time of an exit that none of them took says nothing any more."""

MOST_SECONDS = 120.0
"""How long one camera drives; then it is somebody else's turn."""

IDLE_SECONDS = 15.0
"""Without a frame for so long, a camera has gone."""

MOST_CAMERAS = 2
"""At once: they share the processors with all other visitors."""

MOST_BYTES, MOST_PIXELS = 400_000, 1_000_000
"""Of a frame. The browser sends 320x320 pixels, about 20 kB as JPEG."""

ADDRESS = "/camera"
FRAME = "X-Frame"
"""Header of an answer: what is to be said of the picture, as JSON."""

OVER = "The camera has stopped: after two minutes, or without pictures for a while. Start it again."
BROKEN = "The camera's pictures could not be read any further. Start it again."
CROWDED = "Others are using the camera just now: two can at once. Try again in a minute."
TOO_LARGE = "The picture is too large: send at most 400 kB and a million pixels."

Clock = Callable[[], float]


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
        self._pace = Pace(self.macs)
        self._pipe, self._source, self._budget = pipe, source, check_budget(budget)
        self._relative, self._clock = relative, clock
        self._begun = self._seen = clock()
        self._picture: Image.Image | None = None
        self._motions: Iterator[tuple[Motion | None, str]]
        self._motions = steadied(pipe.motions(self._pictures()), FPS)
        self._neutral: Motion | None = None
        self._hold, self._wanted = ExitHold(), 0
        self._turn = asyncio.Lock()
        self._newest = 0

    @property
    def over(self) -> bool:
        """Whether its time is up, or nobody has sent a picture for a while."""
        now = self._clock()
        return now - self._begun > MOST_SECONDS or now - self._seen > IDLE_SECONDS

    def go_on_from(self, other: "Camera") -> None:
        """Takes over what another has learnt, and the time that it has used."""
        self._begun, self._pace, self._neutral = other._begun, other._pace, other._neutral

    def end(self) -> None:
        """Forgets what it has seen."""
        self._picture, self._motions = None, iter(())

    async def frame(self, content: bytes) -> Frame | None:
        """What a picture of the camera gives; None if a newer one came before its turn.

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

    def _made(self, content: bytes) -> Frame:
        started = time.perf_counter()
        if _pixels(content) > MOST_PIXELS:
            raise InputError(TOO_LARGE)
        self._picture = read_photo(content).image
        motion, problem = next(self._motions, (None, BROKEN))
        reading = 1000 * (time.perf_counter() - started)
        if motion is None:
            return Frame(None, problem, reading)
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
        """The key of a new one, which goes on from the one of the key ``before``, if there is one.

        Raises:
            InputError: too many drive already.
        """
        key = secrets.token_urlsafe(16)
        with self._lock:
            if other := self._running.pop(before, None):
                camera.go_on_from(other)
                other.end()
            self._end_those_over()
            if len(self._running) >= MOST_CAMERAS:
                raise InputError(CROWDED)
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


def routes() -> tuple[Route, ...]:
    """Where a browser sends its camera's pictures, which stay in memory: a session of Gradio for
    each would take longer than the picture."""
    return (
        Route(ADDRESS + "/{key}", _take, methods=["POST"]),
        Route(ADDRESS + "/{key}", _close, methods=["DELETE"]),
    )


async def _take(request: Request) -> Response:
    camera = CAMERAS.find(request.path_params["key"])
    if camera is None:
        return _refused(OVER, 410)
    content = await _body(request)
    if content is None:
        return _refused(TOO_LARGE, 413)
    try:
        with plain_errors(escaped=False):
            frame = await camera.frame(content)
    except gr.Error as error:
        return _refused(error.message, 422 if isinstance(error.__cause__, InputError) else 500)
    if frame is None:
        return Response(status_code=204)
    if frame.result is None:
        return _refused(frame.problem, 422)
    picture = await aside(encoded, frame.result.image, "jpeg", marked=True)
    # The demo's element in another page reads it as well.
    said = {FRAME: json.dumps(told(frame, camera)), "Access-Control-Expose-Headers": FRAME}
    return Response(picture, headers=said, media_type="image/jpeg")


async def _close(request: Request) -> Response:
    CAMERAS.close(request.path_params["key"])
    return Response(status_code=204)


async def _body(request: Request) -> bytes | None:
    """What is sent, whatever length was announced; None if it is too long."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MOST_BYTES:
            return None
    return bytes(content)


def _refused(why: str, status: int) -> Response:
    return JSONResponse({"error": why}, status)


def told(frame: Frame, camera: Camera) -> dict[str, Any]:
    """What the page says of a driven picture."""
    result, exits = frame.result, len(camera.macs)
    assert result is not None
    slower = frame.wanted > result.exit
    return {
        "exit": result.exit,
        "name": exit_name(result.exit, exits),
        "saving": saved(result.macs, camera.macs[-1]),
        "lpips": result.predicted_lpips,
        "reading": frame.reading,
        "making": result.milliseconds,
        "wanted": exit_name(frame.wanted, exits) if slower else "",
    }
