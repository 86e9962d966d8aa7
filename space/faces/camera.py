"""A camera drives a face: its newest picture, by the deepest exit that keeps budget and pace."""

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fiancee_hub.core.errors import FianceeError, InputError
from fiancee_hub.core.router import Forecast, check_budget
from fiancee_hub.families.faces.landmarks.motion import Motion
from fiancee_hub.families.faces.photos import read_photo
from fiancee_hub.families.faces.pipeline import FacesPipeline, Source
from fiancee_hub.families.faces.steadying import ExitHold, steadied
from fiancee_hub.results import Result
from space.page.files import encoded
from space.page.model_threads import aside, there
from space.result.facts import exit_name, saved

FPS = 12.0
"""Frames a second that are to be kept, landmarks included."""

SHARE_OF_NEW = 0.2
"""What the newest frame counts for in a mean of times."""

MOST_SECONDS = 120.0
"""How long one camera drives; then it is somebody else's turn."""

IDLE_SECONDS = 15.0
"""Without a frame for so long, a camera has gone."""

MOST_CAMERAS = 2
"""At once: they share the processors with all other visitors."""

MOST_BYTES = 400_000
"""Of a frame as the browser sends it: 480 pixels as JPEG have a tenth of that."""

ADDRESS = "/camera"
FRAME = "X-Frame"
"""Header of an answer: what is to be said of the picture, as JSON."""

OVER = "The camera was stopped after two minutes. Start it again to go on."
BROKEN = "The camera's pictures could not be read any further. Start it again."
CROWDED = "Others are using the camera just now: two can at once. Try again in a minute."
TOO_LARGE = "The picture is too large: send at most 400 kB."

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

    def note(self, reading: float, exit_index: int, making: float) -> None:
        """How many milliseconds a frame's landmarks took, and its picture."""
        self._reading = _mean(self._reading, reading)
        self._making[exit_index] = _mean(self._making.get(exit_index, 0.0), making)

    @property
    def deepest(self) -> int:
        """The deepest exit (1 … K) in time; the first while nothing is known, and where even that
        is too slow."""
        exits = range(len(self._macs), 1, -1)
        return next((k for k in exits if self._in_time(k)), 1)

    def _in_time(self, exit_index: int) -> bool:
        """A deeper exit than those that were made is expected to take as much longer as it has more
        operations, which is never too little."""
        known = [k for k in self._making if k <= exit_index]
        if not known:
            return False
        nearest = max(known)
        longer = self._macs[exit_index - 1] / self._macs[nearest - 1]
        return self._reading + longer * self._making[nearest] <= self._milliseconds


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
    """Drives one source for one visitor. The first face it sees is the neutral one, against whose
    pose and expression relative driving takes the others.

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

    async def frame(self, content: bytes) -> Frame | None:
        """What a picture of the camera gives; None if a newer one came before its turn."""
        self._seen = self._clock()
        self._newest = mine = self._newest + 1
        async with self._turn:
            return await there(self._made, content) if mine == self._newest else None

    def _pictures(self) -> Iterator[Image.Image]:
        while self._picture is not None:
            yield self._picture

    def _made(self, content: bytes) -> Frame:
        started = time.perf_counter()
        self._picture = read_photo(content).image
        motion, problem = next(self._motions, (None, BROKEN))
        reading = 1000 * (time.perf_counter() - started)
        if motion is None:
            return Frame(None, problem, reading)
        if self._relative and self._neutral is None:
            self._neutral = motion
        started = time.perf_counter()
        rendering = self._pipe.prepare(source=self._source, driver=motion, reference=self._neutral)
        result = rendering.deliver(self._budget, self._choose)
        self._pace.note(reading, result.exit, 1000 * (time.perf_counter() - started))
        return Frame(result, "", reading, self._wanted)

    def _choose(self, forecast: Forecast, budget: float) -> int:
        self._wanted = self._hold.choose(forecast, budget)
        return min(self._wanted, self._pace.deepest)


class Cameras:
    """Those that drive just now, by their keys, which nobody can guess."""

    def __init__(self) -> None:
        self._running: dict[str, Camera] = {}

    def open(self, camera: Camera, before: str = "") -> str:
        """The key of a new one, which goes on from the one of the key ``before``, if there is one.

        Raises:
            InputError: too many drive already.
        """
        if other := self._running.pop(before, None):
            camera.go_on_from(other)
        self._running = {key: one for key, one in self._running.items() if not one.over}
        if len(self._running) >= MOST_CAMERAS:
            raise InputError(CROWDED)
        key = secrets.token_urlsafe(16)
        self._running[key] = camera
        return key

    def close(self, key: str) -> None:
        self._running.pop(key, None)

    def find(self, key: str) -> Camera | None:
        """The camera of a key; None where it is over."""
        camera = self._running.get(key)
        if camera and camera.over:
            self.close(key)
            return None
        return camera


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
        frame = await camera.frame(content)
    except FianceeError as error:
        return _refused(str(error), 422)
    if frame is None:
        return Response(status_code=204)
    if frame.result is None:
        return _refused(frame.problem, 422)
    picture = await aside(encoded, frame.result.image, "jpeg", marked=True)
    said = {FRAME: json.dumps(told(frame, camera))}
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
