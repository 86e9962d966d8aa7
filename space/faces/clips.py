"""Clips: a driver's motions, the driven clip, and which exit made each frame."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import mean
from typing import Any

from PIL import Image

from fiancee_hub.core.errors import InputError
from fiancee_hub.families.faces.clips import MOST_SECONDS, Clip, Sound, read_clip, read_sound
from fiancee_hub.families.faces.films import write_clip
from fiancee_hub.families.faces.landmarks.motion import Motion
from fiancee_hub.families.faces.pipeline import ClipFrame, FacesPipeline, filled
from fiancee_hub.results import Result
from space.faces.persons import Person
from space.page.files import address
from space.page.markup import render
from space.page.model_threads import each
from space.result.facts import exit_name, saved, time

KINDS = [".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".gif", ".webp", ".png", ".apng", ".avif"]
"""Endings that the browser offers; what a file is is told by what it holds."""

MOST_FPS = 12.0
"""Frames a second that are driven: reading a face takes longer than a video's frame stands."""

WIDTH, HEIGHT = 400, 110
LEFT, RIGHT, TOP, BOTTOM = 30, 8, 8, 22

Tell = Callable[[int, int], None]
"""Is told how many frames are done, and of how many."""


@dataclass(frozen=True, eq=False)
class Motions:
    """What is kept of a driver's clip; None where a frame shows no usable face."""

    frames: tuple[Motion | None, ...]
    fps: float
    sound: Sound | None = None

    @property
    def usable(self) -> int:
        return sum(frame is not None for frame in self.frames)

    def summary(self) -> tuple[str, ...]:
        """What was found, one sentence each."""
        frames, missing = len(self.frames), len(self.frames) - self.usable
        seconds = f"{frames} frames, {frames / self.fps:.1f} seconds."
        standing = f"Without a usable face: {missing}; there the last picture stands."
        return (seconds, standing) if missing else (seconds,)


def read(pipe: FacesPipeline, path: Path, tell: Tell) -> Motions:
    """The motion in every frame of a clip.

    Raises:
        InputError: it is no clip, longer than 30 seconds, or no frame shows a usable face.
    """
    clip = _opened(path)
    frames = []
    for index, (motion, _) in enumerate(each(pipe.motions(clip.frames))):
        tell(index, clip.count)
        frames.append(motion)
    motions = Motions(tuple(frames), clip.fps, _sound(path, clip))
    if not motions.usable:
        raise InputError("No frame of the clip shows a usable face: choose another clip")
    return motions


def _opened(path: Path) -> Clip:
    clip = read_clip(path, max_seconds=MOST_SECONDS)
    return read_clip(path, fps=MOST_FPS) if clip.fps > MOST_FPS else clip


def _sound(path: Path, clip: Clip) -> Sound | None:
    try:
        return read_sound(path, clip)
    except InputError:
        return None  # The pictures are good: better a silent clip than none.


@dataclass(frozen=True)
class Driven:
    """A driven clip.

    Args:
        video: the MP4.
        results: one for each frame; None where the last picture stands.
        fps: frames a second.
        full_macs: MACs of a frame at full depth.
        exits: number of exits.
    """

    video: bytes
    results: tuple[Result | None, ...]
    fps: float
    full_macs: int
    exits: int

    @property
    def made(self) -> list[Result]:
        return [result for result in self.results if result]


def drive(
    pipe: FacesPipeline,
    person: Person,
    motions: Motions,
    tell: Tell,
    *,
    budget: float,
    relative: bool,
) -> Driven:
    """The person with every motion, each frame by the cheapest exit that keeps the budget."""
    known: list[Any] = [motion for motion in motions.frames if motion]
    made = pipe.animate(
        source=person.source, frames=known, budget=budget, relative=relative, fps=motions.fps
    )
    results = iter(_told(each(made), tell, len(known)))
    placed = tuple(next(results).result if motion else None for motion in motions.frames)
    images = filled(ClipFrame(index, result) for index, result in enumerate(placed))
    video = _video(images, motions)
    full = pipe.config.costs.full_depth
    return Driven(video, placed, motions.fps, full, pipe.model.exits)


def _told(frames: Iterator[ClipFrame], tell: Tell, count: int) -> Iterator[ClipFrame]:
    for frame in frames:
        tell(frame.index, count)
        yield frame


def _video(images: Iterable[Image.Image], motions: Motions) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "driven.mp4"
        write_clip(images, motions.fps, path, sound=motions.sound)
        return path.read_bytes()


def shown(driven: Driven, notes: Sequence[str]) -> str:
    """The clip, the exit of every frame below it, and figures, as HTML."""
    taken = Counter(result.exit for result in driven.made)
    shares = ", ".join(
        f"{exit_name(index, driven.exits)}: {count}" for index, count in sorted(taken.items())
    )
    macs = mean(result.macs for result in driven.made)
    milliseconds = mean(result.milliseconds for result in driven.made)
    return render(
        "clip.html",
        video=address(driven.video, "video/mp4"),
        timeline=timeline(
            [r.exit if r else None for r in driven.results], driven.fps, driven.exits
        ),
        shares=shares,
        saved=saved(macs, driven.full_macs),
        predicted=f"{mean(result.predicted_lpips for result in driven.made):.3f}",
        time=time(milliseconds),
        rate=f"{1000 / max(milliseconds, 1e-6):.1f}",
        notes=" ".join(notes),
    )


@dataclass(frozen=True)
class Block:
    """Neighbouring frames of one exit, in pixels of the timeline."""

    kind: str
    x: float
    y: float
    width: float
    height: float


def timeline(exits_taken: Sequence[int | None], fps: float, exits: int) -> str:
    """The exit of every frame over time as an SVG: the deeper, the taller."""
    blocks, start = [], 0
    for taken, group in groupby(exits_taken):
        count = len(list(group))
        blocks.append(_block(start, count, len(exits_taken), taken, exits))
        start += count
    floor = HEIGHT - BOTTOM
    return render(
        "timeline.html",
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        top=TOP,
        floor=floor,
        blocks=blocks,
        frames=sum(taken is not None for taken in exits_taken),
        seconds=f"{len(exits_taken) / fps:.1f}",
        exits=exits,
        numbers=[
            (index, f"{floor - (floor - TOP) * index / exits + 8:.1f}")
            for index in range(1, exits + 1)
        ],
    )


def _block(start: int, count: int, frames: int, taken: int | None, exits: int) -> Block:
    """Neighbouring frames of one exit; a thin mark where frames show no face."""
    width, floor = (WIDTH - LEFT - RIGHT) / frames, HEIGHT - BOTTOM
    height = 4 if taken is None else (floor - TOP) * taken / exits
    kind = "missing" if taken is None else "full" if taken == exits else "early"
    return Block(kind, LEFT + start * width, floor - height, count * width, height)
