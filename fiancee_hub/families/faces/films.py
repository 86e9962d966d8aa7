"""Writing clips: in the format that the name says, marked as generated, with sound or without.

Videos need PyAV (package ``av``); it is imported when one is written.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from PIL import Image

from fiancee_hub.core.arguments import check_path
from fiancee_hub.core.errors import InputError, OutputError
from fiancee_hub.core.files import replacing, write_bytes
from fiancee_hub.core.marking import MARK, marked, saving
from fiancee_hub.families.faces.clips import RATE, Sound, checked_fps, pyav
from fiancee_hub.families.faces.formats import ANIMATIONS, VIDEOS

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import OutputContainer

_OPTIONS = {
    "libx264": {"crf": "18"},
    "libvpx-vp9": {"crf": "24", "b:v": "0", "deadline": "good", "cpu-used": "4"},
}
_ANIMATION_OPTIONS: Mapping[str, dict[str, Any]] = MappingProxyType(
    {
        "GIF": {"comment": MARK.encode(), "disposal": 1},
        "WEBP": {"quality": 90, **marked("webp")},
        "PNG": marked("png"),
    }
)
_DENOMINATOR = 1001
"""Allows the broadcast rates, such as 30000/1001."""

_GIF_FPS = 50.0
"""Faster ones are shown slowly: below 2 hundredths of a second browsers take 10."""


def check_clip_name(path: str | Path) -> None:
    """Raises InputError if a name's ending says no format in which clips are written."""
    if Path(path).suffix.lower() not in (*VIDEOS, *ANIMATIONS):
        raise InputError(
            f"{Path(path).name} names no format that clips are written in: end its name in .mp4, "
            ".webm, .mov, .mkv, .gif or .webp"
        )


def holds_sound(path: str | Path) -> bool:
    """Whether the format that a name's ending says has sound."""
    return Path(path).suffix.lower() in VIDEOS


def write_clip(
    frames: Iterable[Image.Image],
    fps: float,
    path: str | Path,
    *,
    sound: Sound | None = None,
    comment: str = MARK,
) -> None:
    """Writes RGB frames of one size, whole or not at all; in videos an odd last row is cut.

    Args:
        frames: the pictures, in order.
        fps: frames a second, up to 60.
        path: file to write; its ending says the format: MP4, M4V, MOV and MKV (H.264), WebM
            (VP9), or an animation as GIF, WebP or PNG.
        sound: what is heard; formats without sound leave it out.
        comment: what a video's metadata says of it; animations carry the mark.

    Raises:
        InputError: there are no frames, too small ones or some of another size, fps is out of
            range, the ending says no such format, or PyAV is missing.
        OutputError: it could not be written; an older file is still there.
    """
    path, fps = check_path(path, "path"), checked_fps(fps)
    check_clip_name(path)
    ending = path.suffix.lower()
    with saving(path):
        if ending in ANIMATIONS:
            write_bytes(path, _animation(_some(frames), fps, ANIMATIONS[ending]))
            return
        count = _Counted(_some(frames))
        with replacing(path) as partial:
            _encode(count, fps, partial, VIDEOS[ending], sound, comment)
            _check(partial, count.seen, path)


class _Counted:
    """Frames on their way, and how many there have been."""

    def __init__(self, frames: Iterator[Image.Image]) -> None:
        self.frames, self.seen = frames, 0

    def __iter__(self) -> Iterator[Image.Image]:
        for frame in self.frames:
            self.seen += 1
            yield frame


def _some(frames: Iterable[Image.Image]) -> Iterator[Image.Image]:
    rest = iter(frames)
    first = next(rest, None)
    if first is None:
        raise InputError("There are no frames to write: give at least one")
    return _of_one_size(first, rest)


def _of_one_size(first: Image.Image, rest: Iterator[Image.Image]) -> Iterator[Image.Image]:
    yield first
    for number, frame in enumerate(rest, 2):
        if frame.size != first.size:
            raise InputError(
                f"Frame {number} has {frame.width}x{frame.height} pixels, the first "
                f"{first.width}x{first.height}: give frames of one size"
            )
        yield frame


def _animation(frames: Iterator[Image.Image], fps: float, kind: str) -> bytes:
    pictures = [frame.convert("RGB") for frame in frames]
    unit = 10 if kind == "GIF" else 1
    if kind == "GIF" and fps > _GIF_FPS:
        kept = round(len(pictures) * _GIF_FPS / fps)
        pictures = [pictures[int(index * fps / _GIF_FPS)] for index in range(max(kept, 1))]
        fps = _GIF_FPS
    # Each ends when it is due by the clock, so that rounding does not add up.
    ends = [round(1000 * index / fps / unit) * unit for index in range(len(pictures) + 1)]
    shown = [end - start for start, end in pairwise(ends)]
    file = io.BytesIO()
    options = {"save_all": True, "append_images": pictures[1:], "duration": shown, "loop": 0}
    pictures[0].save(file, kind, **options, **_ANIMATION_OPTIONS[kind])
    return file.getvalue()


def _encode(
    frames: Iterable[Image.Image],
    fps: float,
    path: Path,
    codecs: tuple[str, str, str],
    sound: Sound | None,
    comment: str,
) -> None:
    av = pyav()
    rate = Fraction(fps).limit_denominator(_DENOMINATOR)
    images = iter(frames)
    first = next(images)
    size = (first.width // 2 * 2, first.height // 2 * 2)
    if 0 in size:
        raise InputError("Frames of a video must be 2x2 pixels or larger")
    faststart = {"movflags": "faststart"} if codecs[0] in ("mp4", "mov") else {}
    with av.open(str(path), "w", format=codecs[0], options=faststart) as container:
        container.metadata["comment"] = comment
        stream = container.add_stream(codecs[1], rate)
        stream.width, stream.height = size
        stream.pix_fmt, stream.options = "yuv420p", dict(_OPTIONS[codecs[1]])
        hear = _hearing(container, sound, codecs[2])
        for index, image in enumerate(chain([first], images)):
            frame = av.VideoFrame.from_image(image.convert("RGB").crop((0, 0, *size)))
            container.mux(stream.encode(frame))
            hear(float((index + 1) / rate))
        container.mux(stream.encode())
        hear(None)


def _hearing(
    container: "OutputContainer", sound: Sound | None, codec: str
) -> Callable[[float | None], None]:
    """Writes the sound up to a second, or with None what the encoder still holds."""
    if sound is None:
        return lambda until: None
    stream = cast("AudioStream", container.add_stream(codec, RATE))
    stream.layout = "stereo"
    done = 0

    def hear(until: float | None) -> None:
        nonlocal done
        if until is None:
            container.mux(stream.encode())
            return
        end = min(round(until * RATE), len(sound.samples))
        if end > done:
            container.mux(stream.encode(sound.frame(done, end)))
            done = end

    return hear


def _check(partial: Path, count: int, path: Path) -> None:
    """Raises OutputError if the file holds fewer pictures than were written."""
    with pyav().open(str(partial)) as container:
        found = sum(1 for packet in container.demux(video=0) if packet.size)
    if found != count:
        raise OutputError(
            f"{path}: {found} of {count} frames were written; check the free space of its disk"
        )
