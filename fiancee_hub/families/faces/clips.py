"""Clips: frames of videos and animations at a constant rate, and their sound.

Videos need PyAV (package ``av``); it is imported when one is read.
"""

import os
import struct
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fiancee_hub.core.arguments import check_file, check_path, decimal, several
from fiancee_hub.core.errors import InputError, missing_package
from fiancee_hub.core.kinds import kind_of_file
from fiancee_hub.core.pictures import (
    MOST_PIXELS,
    content_of,
    decoding,
    eight_bits,
    flattened,
    in_srgb,
    upright,
)
from fiancee_hub.families.faces.photos import WHITE

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.container import InputContainer
    from av.video.frame import VideoFrame

MOST_SECONDS = 30.0
MOST_FPS = 60.0
DEFAULT_SECONDS = 0.1
"""How long a frame is shown where the file does not say: what browsers do."""

MOST_STRETCHED = 4
"""Ratio of a pixel's sides up to which a video's word is taken for it."""

MOST_MOVING = 2_000_000_000
"""Pixels of all frames of an animation together: half a minute of 1920 by 1080. Unlike a video's
they take hardly any room in a file, and must be decoded to know how long each is shown."""

LENGTH_TOLERANCE = 0.5
"""Seconds by which a header may overstate the length: sound often ends after the pictures."""

RATE = 48_000
"""Samples of sound a second."""

_FIX = "save it again as MP4, WebM or GIF"
_ANIMATIONS = ("GIF", "WEBP", "PNG", "AVIF")
# Playlists could make the decoder open other files and addresses.
_SAFE = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,ogg,asf,flv",
}
_TURNS = {
    (1, 0, 0, 1): None,
    (-1, 0, 0, 1): Image.Transpose.FLIP_LEFT_RIGHT,
    (1, 0, 0, -1): Image.Transpose.FLIP_TOP_BOTTOM,
    (-1, 0, 0, -1): Image.Transpose.ROTATE_180,
    (0, 1, -1, 0): Image.Transpose.ROTATE_270,
    (0, -1, 1, 0): Image.Transpose.ROTATE_90,
    (0, 1, 1, 0): Image.Transpose.TRANSPOSE,
    (0, -1, -1, 0): Image.Transpose.TRANSVERSE,
}
"""What a display matrix does to a picture, by a, b, c, d: (x, y) goes to (ax + cy, bx + dy)."""

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Sound:
    """What is heard with a clip, from its first frame on."""

    samples: NDArray[np.int16]
    """(n, 2), left and right, 48,000 a second."""

    def frame(self, start: int, end: int) -> "AudioFrame":
        """The samples from ``start`` to ``end`` as encoders take them."""
        packed = np.ascontiguousarray(self.samples[start:end]).reshape(1, -1)
        frame = pyav().AudioFrame.from_ndarray(packed, "s16", "stereo")
        frame.sample_rate, frame.pts = RATE, start
        return frame


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames at a constant rate, read one by one."""

    frames: Iterator[Image.Image]
    """RGB, upright; to be gone through once. Raises InputError where the file is damaged."""

    fps: float
    count: int
    """Number of frames."""

    start: float = 0.0
    """Seconds in the file at which the first frame is shown."""


@dataclass(frozen=True)
class _Timing:
    """When frames are shown, in seconds."""

    start: float
    seconds: float
    step: float
    """Median time for which a frame is shown: one that stands long does not count for more."""

    moments: tuple[float, ...] = ()
    """When the frames are shown one after the other, where what each says cannot be right."""

    @property
    def fps(self) -> float:
        return min(1 / self.step, MOST_FPS)


def moves(path: str | Path) -> bool:
    """Whether a file is a video or an animation, by what it holds, not by its name.

    What cannot be read counts as no clip: reading it as a photograph says what is wrong with it.
    """
    path = check_path(path, "path")
    try:
        kind = kind_of_file(path) if path.is_file() else None
    except OSError:
        return False
    if kind is None or kind.sort == "video":
        return kind is not None
    if kind.format not in _ANIMATIONS:
        return False
    try:
        with Image.open(path, formats=(kind.format,)) as picture:
            return getattr(picture, "n_frames", 1) > 1
    # A damaged one may raise anything.
    except Exception:
        return False


def read_clip(
    path: str | os.PathLike[str], *, max_seconds: float = MOST_SECONDS, fps: float | None = None
) -> Clip:
    """Opens a video (MP4, MOV, WebM, MKV, AVI …) or an animation in GIF, WebP, PNG or AVIF.

    Args:
        path: the file; what it is is told by what it holds.
        max_seconds: longer clips are refused, before they are decoded. So are animations of more
            than 2,000 megapixels in all.
        fps: frames a second that are wanted, up to 60; frames are left out or repeated. The
            clip's own usual rate if left out.

    Raises:
        InputError: it is no clip, too long, has no frames or cannot be decoded; or PyAV is
            missing. The message names the fix.
    """
    check_path(path, "path")
    path = check_file(path).resolve()
    fps = None if fps is None else checked_fps(fps)
    max_seconds = _checked_seconds(max_seconds)
    if _is_picture(path):
        with decoding(path.name, _FIX):
            timing = _animation_timing(path, max_seconds)
        return _clip(_animation_frames(path), timing, fps)
    timing = _video_timing(path, max_seconds)
    return _clip(_video_frames(path, timing), timing, fps)


@dataclass(frozen=True, eq=False)
class Frames:
    """Pictures one after the other; rate and number as far as they are known."""

    frames: Iterable[Any]
    fps: float | None = None
    count: int | None = None


@contextmanager
def opened_frames(given: Any) -> "Iterator[Clip | Frames]":
    """Frames in whichever form they come.

    Args:
        given: the path or the bytes of a clip, a file opened for reading, or what holds one
            picture after the other.

    Raises:
        InputError: it is none of these, or no clip; see ``read_clip``.
    """
    if isinstance(given, str | os.PathLike):
        yield read_clip(given)
    elif (content := content_of(given)) is not None:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "The file"  # as errors are to call it
            path.write_bytes(content)
            yield read_clip(path)
    else:
        frames = several(given, "frames", "pictures or a clip")
        yield Frames(frames, count=len(frames) if isinstance(frames, Sized) else None)


def checked_fps(fps: Any) -> float:
    """Frames a second.

    Raises:
        InputError: it is no number, or out of range.
    """
    number = decimal(fps, "fps", "25")
    if not 0 < number <= MOST_FPS:
        raise InputError(f"fps {number:g} is out of range: give frames a second up to {MOST_FPS:g}")
    return number


def _checked_seconds(max_seconds: Any) -> float:
    number = decimal(max_seconds, "max_seconds", f"{MOST_SECONDS:g}")
    if not number > 0:
        raise InputError(f"max_seconds {number:g} is out of range: give more than 0")
    return number


def read_sound(path: str | Path, clip: Clip) -> Sound | None:
    """What is heard with a clip, as long as the clip; None if it is silent or an animation.

    Raises:
        InputError: there is no such file, or its sound cannot be decoded.
    """
    check_path(path, "path")
    path = check_file(path).resolve()
    if _is_picture(path):
        return None
    samples = np.zeros((round(clip.count / clip.fps * RATE), 2), np.int16)
    with _opened(path) as container:
        if not container.streams.audio:
            return None
        try:
            for seconds, heard in _heard(container):
                _place(samples, heard, round((seconds - clip.start) * RATE))
        except pyav().FFmpegError as error:
            raise InputError(
                f"The sound of {path.name} cannot be decoded: {_FIX}, or drop its sound"
            ) from error
    return Sound(samples)


def _heard(container: "InputContainer") -> Iterator[tuple[float, NDArray[np.int16]]]:
    """Samples (n, 2) and when they begin, in seconds of the file."""
    resampler = pyav().AudioResampler("s16", "stereo", RATE)
    seconds = 0.0
    for frame in container.decode(audio=0):
        seconds = frame.time if frame.time is not None else seconds
        frame.pts = None
        for part in resampler.resample(frame):
            samples = part.to_ndarray().reshape(-1, 2)
            yield seconds, samples
            seconds += len(samples) / RATE


def _place(samples: NDArray[np.int16], heard: NDArray[np.int16], start: int) -> None:
    """Writes what is heard from sample ``start`` on, as far as it lies within ``samples``."""
    first, last = max(start, 0), min(start + len(heard), len(samples))
    if last > first:
        samples[first:last] = heard[first - start : last - start]


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
    return Clip(chain([next(frames)], frames), rate, count, timing.start)


def _is_picture(path: Path) -> bool:
    """Whether a file is a picture, moving or not.

    Raises:
        InputError: it is neither a picture nor a video.
    """
    kind = kind_of_file(path)
    if kind is not None and kind.sort == "other":
        raise InputError(
            f"{path.name} is {kind.name} where a clip is needed: use a video or an animation"
        )
    return kind is not None and kind.sort == "picture"


def _animation_timing(path: Path, max_seconds: float) -> _Timing:
    kind = kind_of_file(path)
    if kind is None or kind.format not in _ANIMATIONS:
        raise InputError(f"{path.name} is a single picture: use a video or an animation")
    with Image.open(path, formats=(kind.format,)) as picture:
        _check_size(path, picture.width, picture.height)
        count = getattr(picture, "n_frames", 1)
        if count == 1:
            raise InputError(f"{path.name} is a single picture: use a video or an animation")
        _check_pixels(path, count, picture.width, picture.height)
        steps: list[float] = []
        for index in range(count):
            steps.append(_shown(picture, index))
            _check_length(path, sum(steps), max_seconds)
        return _Timing(0.0, sum(steps), median(steps))


def _animation_frames(path: Path) -> Iterator[tuple[float, Image.Image]]:
    with decoding(path.name, _FIX), Image.open(path, formats=_ANIMATIONS) as picture:
        seconds = 0.0
        for index in range(getattr(picture, "n_frames", 1)):
            shown = _shown(picture, index)
            coloured, _ = in_srgb(eight_bits(upright(picture)[0]))
            yield seconds, flattened(coloured, WHITE, "")[0]
            seconds += shown


def _shown(picture: Image.Image, index: int) -> float:
    """Goes to a frame of an animation and returns how many seconds it is shown."""
    picture.seek(index)
    picture.load()
    return float(picture.info.get("duration", 0)) / 1000 or DEFAULT_SECONDS


def _video_timing(path: Path, max_seconds: float) -> _Timing:
    """Timing of a video by its packets: headers often lack it, and decoding would take long."""
    times: list[float] = []
    last: float | None = None
    with _opened(path) as container:
        stream = container.streams.video[0]
        _check_size(path, stream.width, stream.height)
        if container.duration:
            _check_length(path, container.duration / 1e6 - LENGTH_TOLERANCE, max_seconds)
        for packet in container.demux(stream):
            if not packet.size or packet.is_discard or packet.pts is None:
                continue
            unit = packet.time_base or stream.time_base
            assert unit is not None
            times.append(float(packet.pts * unit))
            if times[-1] == max(times) and packet.duration:
                last = float(packet.duration * unit)
            _check_length(path, times[-1] - times[0], max_seconds)
        delayed = stream.codec_context.has_b_frames
    if not times:
        raise InputError(f"{path.name} has no frames: {_FIX}")
    # AVI has no place for the moments of frames that are stored in another order than shown.
    moments = tuple(times) if delayed and times == sorted(times) else ()
    times.sort()
    steps = [later - earlier for earlier, later in pairwise(times) if later > earlier]
    step = median(steps or [DEFAULT_SECONDS])
    seconds = times[-1] - times[0] + (last or step)
    _check_length(path, seconds - step, max_seconds)
    return _Timing(times[0], seconds, step, moments)


def _video_frames(path: Path, timing: _Timing) -> Iterator[tuple[float, Image.Image]]:
    with _opened(path) as container:
        moments, seconds = iter(timing.moments), -1.0
        for frame in container.decode(video=0):
            moment = next(moments, frame.time)
            seconds = moment - timing.start if moment is not None else seconds
            yield seconds, _as_displayed(frame, container)
        if seconds < 0:
            raise InputError(f"{path.name} has no frames: {_FIX}")


def _as_displayed(frame: "VideoFrame", container: "InputContainer") -> Image.Image:
    """A frame with square pixels, turned and mirrored as its display matrix says."""
    image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
    aspect = container.streams.video[0].sample_aspect_ratio
    if aspect and aspect != 1 and 1 / MOST_STRETCHED <= aspect <= MOST_STRETCHED:
        image = image.resize((max(1, round(image.width * aspect)), image.height))
    turn = _turn_of(frame)
    return image if turn is None else image.transpose(turn)


def _turn_of(frame: "VideoFrame") -> Image.Transpose | None:
    """The one of the eight orientations that a frame's display matrix comes nearest to."""
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return None
    a, b, _, c, d = struct.unpack("=5i", bytes(data)[:20])
    length = max(abs(value) for value in (a, b, c, d)) or 1
    wanted = np.array([a, b, c, d]) / length
    return _TURNS[max(_TURNS, key=lambda matrix: float(wanted @ matrix))]


@contextmanager
def _opened(path: Path) -> "Iterator[InputContainer]":
    """A file with a video in it; whatever the decoder raises becomes an InputError."""
    av = pyav()
    try:
        # Titles of old files are in any encoding.
        with av.open(str(path), options=_SAFE, metadata_errors="replace") as container:
            if not container.streams.video:
                raise InputError(f"{path.name} has no pictures: {_FIX}")
            if container.streams.video[0].codec_context is None:
                raise InputError(f"{path.name} is truncated, or of an unknown codec: {_FIX}")
            yield container
    except av.FFmpegError as error:
        raise InputError(f"{path.name} is damaged or no video: {_FIX}") from error


def pyav() -> ModuleType:
    """The package that decodes and encodes videos.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        import av
    except ModuleNotFoundError as error:
        raise missing_package("av, which reads videos,", "faces") from error
    return av


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise InputError(
            f"{path.name} is {width}x{height} pixels: shrink it below "
            f"{MOST_PIXELS // 1_000_000} megapixels"
        )


def _check_pixels(path: Path, count: int, width: int, height: int) -> None:
    if count * width * height > MOST_MOVING:
        raise InputError(
            f"{path.name} has {count} frames of {width}x{height} pixels, more than "
            f"{MOST_MOVING // 1_000_000:,} megapixels in all: shrink or cut it, or save it as MP4 "
            "or WebM"
        )


def _check_length(path: Path, seconds: float, max_seconds: float) -> None:
    if seconds > max_seconds + 1e-6:  # sums of steps are inexact
        raise InputError(f"{path.name} is longer than {max_seconds:g} seconds: cut it to that")
