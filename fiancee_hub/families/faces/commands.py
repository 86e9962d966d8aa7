"""``generate`` and ``compare`` for faces: a driver picture or clip moves a source."""

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from fiancee_hub.core.errors import InputError
from fiancee_hub.core.files import check_output, write_picture
from fiancee_hub.core.marking import marked
from fiancee_hub.families.faces.pipeline import FacesPipeline

if TYPE_CHECKING:
    from fiancee_hub.pipeline import Comparison

CLIPS = (".mp4", ".mov", ".webm", ".avi", ".gif")
"""File names that are taken for clips; anything else is a picture."""


def generate(pipe: FacesPipeline, arguments: argparse.Namespace) -> int:
    """Writes one picture, or for a clip an MP4; says which exits were taken.

    Raises:
        InputError: an input cannot be used; the message says what to do.
    """
    _check_inputs(arguments)
    if arguments.driver.suffix.lower() in CLIPS:
        return _generate_clip(pipe, arguments)
    out = _output(arguments, ".png")
    result = pipe(
        source=arguments.source,
        driver=arguments.driver,
        reference=arguments.reference,
        budget=arguments.budget,
        exit=arguments.exit,
    )
    write_marked(result.image, out)
    for note in result.notes:
        print(note)
    print(
        f"{out}: exit {result.exit}, predicted LPIPS {result.predicted_lpips:.4f}, "
        f"{result.macs} MACs (and {result.source_macs} to read the source), "
        f"saving {result.saving:.1%}"
    )
    return 0


def _check_inputs(arguments: argparse.Namespace) -> None:
    if arguments.driver is None:
        raise InputError("this checkpoint drives faces: add --driver PICTURE or --driver CLIP")
    for path in (arguments.source, arguments.driver, arguments.reference):
        if path is not None and not path.is_file():
            raise InputError(f"there is no file {path}: check the path")


def _generate_clip(pipe: FacesPipeline, arguments: argparse.Namespace) -> int:
    from fiancee_hub.families.faces.clips import read_clip
    from fiancee_hub.families.faces.films import write_clip

    if arguments.reference is not None:
        raise InputError("a clip is driven against its own first face: leave --reference out")
    out = _output(arguments, ".mp4")
    clip = read_clip(arguments.driver)
    source = pipe.encode(arguments.source)
    shares: Counter[int] = Counter()
    skipped: list[int] = []

    def pictures() -> "list[Image.Image]":
        made = []
        for frame in pipe.animate(
            source=source, frames=clip.frames, budget=arguments.budget, exit=arguments.exit
        ):
            if frame.result is None:
                skipped.append(frame.index)
                continue
            shares[frame.result.exit] += 1
            made.append(frame.result.image)
        return made

    images = pictures()
    if not images:
        raise InputError(f"no frame of {arguments.driver} shows a usable face: choose another clip")
    write_clip(images, clip.fps, out)
    exits = ", ".join(f"exit {index}: {count}" for index, count in sorted(shares.items()))
    print(f"{out}: {len(images)} frames ({exits}); {len(skipped)} without a usable face left out")
    return 1 if skipped else 0


def _output(arguments: argparse.Namespace, suffix: str) -> Path:
    out: Path = arguments.out
    if out.is_dir() or not out.suffix:
        out = out / f"{arguments.source.stem}-driven{suffix}"
    check_output(out, arguments.source, arguments.driver, arguments.reference)
    out.parent.mkdir(parents=True, exist_ok=True)
    return out


def write_marked(image: Image.Image, path: Path) -> None:
    """Saves a picture with a note in its metadata that it is synthetic."""
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind is None:
        raise InputError(f"{path.name} is no picture format: use .png or .jpg")
    write_picture(image, path, kind, **marked(kind))


def compare(
    pipe: FacesPipeline, arguments: argparse.Namespace
) -> tuple[dict[str, list[Image.Image]], "Comparison"]:
    """Source and driver as shown to the model, and the comparison."""
    _check_inputs(arguments)
    source = pipe.encode(arguments.source)
    _, driver = pipe.read(arguments.driver)
    comparison = pipe.compare(
        source=source,
        driver=driver.picture,
        reference=arguments.reference,
        budget=arguments.budget,
    )
    return {"source": [source.crop.picture], "driver": [driver.picture]}, comparison
