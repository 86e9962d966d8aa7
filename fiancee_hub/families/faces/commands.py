"""``generate`` and ``compare`` for faces: a driver picture or clip moves a source."""

import argparse
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from fiancee_hub.core.errors import InputError
from fiancee_hub.core.files import check_output, longest_name, shortened
from fiancee_hub.core.marking import picture_format
from fiancee_hub.families.faces.clips import MOST_FPS, Sound, moves, read_clip, read_sound
from fiancee_hub.families.faces.films import check_clip_name, holds_sound, write_clip
from fiancee_hub.families.faces.pipeline import ClipFrame, FacesPipeline, filled

if TYPE_CHECKING:
    from fiancee_hub.results import Comparison


def _check_inputs(arguments: argparse.Namespace) -> None:
    if arguments.driver is None:
        raise InputError("this checkpoint drives faces: add --driver PICTURE or --driver CLIP")
    for path in (arguments.source, arguments.driver, arguments.reference):
        if path is not None and not path.is_file():
            raise InputError(f"there is no file {path}: check the path")


def generate(pipe: FacesPipeline, arguments: argparse.Namespace) -> int:
    """Writes one picture, or for a clip a clip; says which exits were taken.

    Raises:
        InputError: an input cannot be used; the message says what to do.
    """
    _check_inputs(arguments)
    if arguments.absolute and arguments.reference:
        raise InputError("--absolute takes no --reference: leave one of them out")
    out = _output(arguments)
    if moves(arguments.driver):
        return _generate_clip(pipe, arguments, out)
    picture_format(out)
    source = pipe.encode(arguments.source, face=arguments.face)
    result = pipe(
        source=source,
        driver=pipe.motion(arguments.driver, face=arguments.driver_face),
        reference=arguments.reference,
        budget=arguments.budget,
        exit=arguments.exit,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    result.save(out)
    for note in result.notes:
        print(note)
    print(
        f"{out}: exit {result.exit}, predicted LPIPS {result.predicted_lpips:.4f}, "
        f"{result.macs} MACs (and {result.source_macs} to read the source), "
        f"saving {result.saving:.1%}"
    )
    return 0


def _generate_clip(pipe: FacesPipeline, arguments: argparse.Namespace, out: Path) -> int:
    check_clip_name(out)
    clip = read_clip(arguments.driver)
    source = pipe.encode(arguments.source, face=arguments.face)
    sound = read_sound(arguments.driver, clip) if arguments.audio == "keep" else None
    shares: Counter[int] = Counter()
    frames = pipe.animate(
        source=source,
        frames=clip.frames,
        budget=arguments.budget,
        exit=arguments.exit,
        relative=not arguments.absolute,
        reference=arguments.reference,
        face=arguments.driver_face,
        fps=min(clip.fps, MOST_FPS),
        progress=True,
    )
    started = time.perf_counter()
    images = list(filled(_counted(frames, shares)))
    rate = len(images) / (time.perf_counter() - started)
    if not images:
        raise InputError(f"no frame of {arguments.driver} shows a usable face: choose another clip")
    out.parent.mkdir(parents=True, exist_ok=True)
    write_clip(images, clip.fps, out, sound=sound)
    for note in source.notes:
        print(note)
    print(f"{out}: {len(images)} frames ({_told(shares)}){_heard(sound, out)}")
    print(f"{rate:.1f} frames a second, from the driver's to the picture")
    if shares[0]:
        print(f"{shares[0]} frames show no usable face: there the last picture stands")
    return 0


def _counted(frames: Iterable[ClipFrame], shares: Counter[int]) -> Iterator[ClipFrame]:
    for frame in frames:
        shares[frame.result.exit if frame.result else 0] += 1
        yield frame


def _told(shares: Counter[int]) -> str:
    return ", ".join(f"exit {index}: {count}" for index, count in sorted(shares.items()) if index)


def _heard(sound: Sound | None, out: Path) -> str:
    if sound is None:
        return ""
    return ", with the driver's sound" if holds_sound(out) else f"; {out.suffix} holds no sound"


def _output(arguments: argparse.Namespace) -> Path:
    out: Path = arguments.out
    if out.is_dir() or not out.suffix:
        ending = f"-driven{'.mp4' if moves(arguments.driver) else '.png'}"
        out = out / shortened(arguments.source.stem, ending, longest_name(out))
    check_output(out, arguments.source, arguments.driver, arguments.reference)
    return out


def compare(
    pipe: FacesPipeline, arguments: argparse.Namespace
) -> tuple[dict[str, Image.Image], "Comparison"]:
    """Source and driver as shown to the model, and the comparison."""
    _check_inputs(arguments)
    source = pipe.encode(arguments.source, face=arguments.face)
    _, driver = pipe.read(arguments.driver, face=arguments.driver_face)
    comparison = pipe.compare(
        source=source,
        driver=pipe.motion(driver),
        reference=arguments.reference,
        budget=arguments.budget,
    )
    return {"source": source.crop.picture, "driver": driver.picture}, comparison
