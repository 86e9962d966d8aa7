"""Clips: frames of videos and animations at a constant rate, and writing videos.

Videos need PyAV (package ``av``); it is imported when one is read or written.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from PIL import Image, UnidentifiedImageError

from fiancee_hub.core.errors import InputError
from fiancee_hub.core.files import replacing
from fiancee_hub.core.pictures import MOST_PIXELS, decoding, flattened
from fiancee_hub.families.faces.photos import WHITE

if TYPE_CHECKING:
    from av.container import InputContainer

MOST_SECONDS = 30.0
MOST_FPS = 60.0
DEFAULT_SECONDS = 0.1
"""How long a frame is shown where the file does not say: what browsers do."""

LENGTH_TOLERANCE = 0.5
"""Seconds by which a header may overstate the length: sound often ends after the pictures."""

_FIX = "save it again as MP4, WebM or GIF"
_PICTURES = ("GIF", "WEBP", "PNG", "JPEG")
# Playlists could make the decoder open other files and addresses.
_SAFE = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi",
}
_DENOMINATOR = 1001
"""Allows the broadcast rates, such as 30000/1001."""

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames at a constant rate, read one by one."""

    frames: Iterator[Image.Image]
    """RGB, upright; to be gone through once. Raises InputError where the file is damaged."""

    fps: float
    count: int
    """Number of frames."""


@dataclass(frozen=True)
class _Timing:
    """When frames are shown, in seconds."""

    start: float
    seconds: float
    step: float
    """Median time for which a frame is shown: one that stands long does not count for more."""

    @property
    def fps(self) -> float:
        return min(1 / self.step, MOST_FPS)


def read_clip(
    path: str | Path, *, max_seconds: float = MOST_SECONDS, fps: float | None = None
) -> Clip:
    """Opens an MP4, MOV, WebM or AVI video, or an animation in GIF, WebP or PNG.

    Args:
        path: the file.
        max_seconds: longer clips are refused, before they are decoded.
        fps: frames a second that are wanted, up to 60; frames are left out or repeated. The
            clip's own usual rate if left out.

    Raises:
        InputError: it is no clip, too long, has no frames or cannot be decoded; or PyAV is
            missing. The message names the fix.
    """
    path = Path(path).resolve()
    if not path.is_file():
        raise InputError(f"There is no file {path}: check the path")
    if fps is not None and not 0 < fps <= MOST_FPS:
        raise InputError(f"{fps:g} frames a second are out of range: give up to {MOST_FPS:g}")
    if _is_picture(path):
        with decoding(path.name, _FIX):
            timing = _animation_timing(path, max_seconds)
        return _clip(_animation_frames(path), timing, fps)
    timing = _video_timing(path, max_seconds)
    return _clip(_video_frames(path, timing.start), timing, fps)


def write_clip(
    frames: Iterable[Image.Image], fps: float, path: str | Path, *, comment: str = ""
) -> None:
    """Writes RGB frames of one size as MP4 (H.264, yuv420p); an odd last row or column is cut.

    Args:
        frames: the pictures, in order.
        fps: frames a second.
        path: file to write.
        comment: what the file's metadata says of it.

    Raises:
        InputError: there are no frames, or PyAV is missing.
    """
    path = Path(path)
    with replacing(path) as partial:
        _encode(iter(frames), fps, partial, comment)


def at_rate(timed: Iterable[tuple[float, T]], fps: float, count: int) -> Iterator[T]:
    """Items at a constant rate: the k-th is the last one that has begun by k / fps.

    Args:
        timed: seconds at which each item begins, rising, and the item.
        fps: items a second.
        count: how many to give; the last item is repeated where time is left.
    """
    given, current = 0, None
    for seconds, item in timed:
        # Clocks jitter: what is due within a quarter of a frame has begun.
        while current and given < count and seconds > (given + 0.25) / fps:
            yield current[0]
            given += 1
        current = (item,)
    for _ in range(given, count if current else 0):
        assert current
        yield current[0]


def _clip(timed: Iterator[tuple[float, Image.Image]], timing: _Timing, fps: float | None) -> Clip:
    rate = fps or timing.fps
    count = max(1, round(timing.seconds * rate))
    frames = at_rate(timed, rate, count)
    # The first is decoded now, so that what cannot be decoded at all fails here.
    return Clip(chain([next(frames)], frames), rate, count)


def _is_picture(path: Path) -> bool:
    try:
        with Image.open(path, formats=_PICTURES):
            return True
    except UnidentifiedImageError:
        return False
    except Exception:
        return True  # one, but damaged


def _animation_timing(path: Path, max_seconds: float) -> _Timing:
    with Image.open(path, formats=_PICTURES) as picture:
        _check_size(path, picture.width, picture.height)
        count = getattr(picture, "n_frames", 1)
        if count == 1:
            raise InputError(f"{path.name} is a single picture: use a video or an animation")
        steps: list[float] = []
        for index in range(count):
            steps.append(_shown(picture, index))
            _check_length(path, sum(steps), max_seconds)
        return _Timing(0.0, sum(steps), median(steps))


def _animation_frames(path: Path) -> Iterator[tuple[float, Image.Image]]:
    with decoding(path.name, _FIX), Image.open(path, formats=_PICTURES) as picture:
        seconds = 0.0
        for index in range(getattr(picture, "n_frames", 1)):
            shown = _shown(picture, index)
            yield seconds, flattened(picture, WHITE, "")[0]
            seconds += shown


def _shown(picture: Image.Image, index: int) -> float:
    """Goes to a frame of an animation and returns how many seconds it is shown."""
    picture.seek(index)
    picture.load()
    return float(picture.info.get("duration", 0)) / 1000 or DEFAULT_SECONDS


def _video_timing(path: Path, max_seconds: float) -> _Timing:
    """Timing of a video by its packets: headers often lack it, and decoding would take long."""
    times: list[float] = []
    with _opened(path) as container:
        stream = container.streams.video[0]
        _check_size(path, stream.width, stream.height)
        if container.duration:
            _check_length(path, container.duration / 1e6 - LENGTH_TOLERANCE, max_seconds)
        for packet in container.demux(stream):
            if packet.size and packet.pts is not None and packet.time_base is not None:
                times.append(float(packet.pts * packet.time_base))
                _check_length(path, times[-1] - times[0], max_seconds)
    if not times:
        raise InputError(f"{path.name} has no frames: {_FIX}")
    times.sort()
    steps = [later - earlier for earlier, later in pairwise(times) if later > earlier]
    step = median(steps or [DEFAULT_SECONDS])
    return _Timing(times[0], times[-1] - times[0] + step, step)


def _video_frames(path: Path, start: float) -> Iterator[tuple[float, Image.Image]]:
    with _opened(path) as container:
        seconds = -1.0
        for frame in container.decode(video=0):
            seconds = frame.time - start if frame.time is not None else seconds
            image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
            yield seconds, image.rotate(frame.rotation, expand=True) if frame.rotation else image
        if seconds < 0:
            raise InputError(f"{path.name} has no frames: {_FIX}")


@contextmanager
def _opened(path: Path) -> "Iterator[InputContainer]":
    """A file with a video in it; whatever the decoder raises becomes an InputError."""
    av = _pyav()
    try:
        with av.open(str(path), options=_SAFE) as container:
            if not container.streams.video:
                raise InputError(f"{path.name} has no pictures: {_FIX}")
            yield container
    except av.FFmpegError as error:
        raise InputError(f"{path.name} is damaged or no video: {_FIX}") from error


def _encode(frames: Iterator[Image.Image], fps: float, path: Path, comment: str) -> None:
    av = _pyav()
    first = next(frames, None)
    if first is None:
        raise InputError("There are no frames to write: give at least one")
    size = (first.width // 2 * 2, first.height // 2 * 2)
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        if comment:
            container.metadata["comment"] = comment
        stream = container.add_stream("libx264", Fraction(fps).limit_denominator(_DENOMINATOR))
        stream.width, stream.height = size
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "18"}
        for image in chain([first], frames):
            frame = av.VideoFrame.from_image(image.convert("RGB").crop((0, 0, *size)))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _pyav() -> ModuleType:
    try:
        import av
    except ImportError as error:
        raise InputError("Videos need PyAV: install the package av") from error
    return av


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise InputError(
            f"{path.name} is {width}x{height} pixels: shrink it below "
            f"{MOST_PIXELS // 1_000_000} megapixels"
        )


def _check_length(path: Path, seconds: float, max_seconds: float) -> None:
    if seconds > max_seconds + 1e-6:  # sums of steps are inexact
        raise InputError(f"{path.name} is longer than {max_seconds:g} seconds: cut it to that")
