"""One's own photographs and label maps, brought into the layout that training reads.

They are cut and shrunk to the size that training loads them at, so a large data set is decoded
once and what is left fits on a fast disk.
"""

import dataclasses
import hashlib
import json
import logging
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from accelerate import Accelerator
from PIL import Image
from tqdm import tqdm

from fiancee_hub.core.domain import Domain
from fiancee_hub.core.errors import DataError, InputError
from fiancee_hub.core.files import write_picture, write_text
from fiancee_hub.core.pictures import decoding, rgb_of, upright
from fiancee_hub.families.label_maps.classes import to_rgb
from fiancee_hub.families.label_maps.framing import cut, framed
from fiancee_hub.families.label_maps.own_data.labels import Ids, LabelReader
from fiancee_hub.families.label_maps.own_data.layout import (
    IMAGES,
    LABELS,
    SPLITS,
    TEST,
    OwnLayout,
    Pair,
    drawn_examples,
    read_layout,
)
from fiancee_hub.families.label_maps.training.class_table import (
    EXAMPLES,
    TABLE,
    MapDomain,
    read_json,
)
from fiancee_hub.families.label_maps.training.photographs import enlarged

logger = logging.getLogger(__name__)

SOURCE = "source.json"
"""What a prepared folder was made from."""

MOST_EXAMPLES = 12
MOST_CALIBRATING = 2000
FEWEST_CALIBRATING = 22
"""With fewer, not even a router that never misses passes the test (0.9 ** 22 < 0.1)."""

SHRINK = 32
"""Sides of the pictures are multiples of this."""

EXAMPLE_MAPS = 6
"""Maps of the test split that a checkpoint brings along where nobody has drawn any."""

LONGEST_NAME = 40
"""Characters of a domain's name, and of an example's."""

SMALLEST, LARGEST = 64, 2048
QUALITY = 95


def prepare_own(
    root: Path,
    target: Path,
    accelerator: Accelerator,
    size: tuple[int, int],
    domains: Sequence[MapDomain] = (),
) -> dict[str, int]:
    """Writes the prepared form of a folder that ``own_layout`` describes; goes on where it stopped.

    Every process of a distributed run takes its share of the pictures.

    Args:
        root: the folder.
        target: folder to write.
        accelerator: of the run.
        size: height and width of the pictures to make.
        domains: what is known of the classes, where the folder leaves it out.

    Returns:
        Number of names in each split.

    Raises:
        DataError, InputError: naming the file that is wrong, or ``target`` holds other data.
    """
    check_size(size)
    layout = read_layout(root, domains)
    found = layout.splits()
    splits = {"photos": found["train"], "maps": found["train"], "calibration-val": _some(found)}
    splits |= {TEST: found[TEST]} if TEST in found else {}
    digest = _digest(layout, splits, size)
    if accelerator.is_main_process:
        _begin(target, digest)
    accelerator.wait_for_everyone()
    _check_source(target, digest)
    if not (target / SPLITS / "photos.txt").is_file():
        pairs = [pair for split in splits if split != "maps" for pair in splits[split]]
        _write_share(pairs, layout, target, size, accelerator)
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            _finish(target, layout, splits, size)
        accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        _write_examples(layout, splits.get(TEST, []), target, size)
    accelerator.wait_for_everyone()
    return {split: len(pairs) for split, pairs in splits.items()}


def check_size(size: tuple[int, int]) -> None:
    """Raises an InputError if pictures of that height and width cannot be made."""
    if any(side % SHRINK or not SMALLEST <= side <= LARGEST for side in size):
        raise InputError(
            f"size {size[0]}x{size[1]} does not fit: give multiples of {SHRINK} from {SMALLEST} "
            f"to {LARGEST}"
        )


def _some(found: dict[str, list[Pair]]) -> list[Pair]:
    """Evenly spread over the pairs that calibrate; more than enough would only take time."""
    val = found["val"]
    picks = np.linspace(0, len(val) - 1, min(len(val), MOST_CALIBRATING)).round().astype(int)
    return [val[pick] for pick in picks]


def _digest(layout: OwnLayout, splits: dict[str, list[Pair]], size: tuple[int, int]) -> str:
    names = {split: [pair.name for pair in pairs] for split, pairs in splits.items()}
    ids = sorted((layout.label_ids or {}).items())
    content = json.dumps([layout.table.to_json(), ids, names, size])
    return hashlib.sha256(content.encode()).hexdigest()


def _begin(target: Path, digest: str) -> None:
    for folder in (IMAGES, LABELS, SPLITS):
        (target / folder).mkdir(parents=True, exist_ok=True)
    if not (target / SOURCE).is_file():
        write_text(target / SOURCE, json.dumps({"sha256": digest}) + "\n")


def _check_source(target: Path, digest: str) -> None:
    if read_json(target / SOURCE) != {"sha256": digest}:
        raise DataError(
            f"{target} was prepared from other pictures, classes or another size: choose another "
            "run folder, or remove this one"
        )


def _write_share(
    pairs: list[Pair],
    layout: OwnLayout,
    target: Path,
    size: tuple[int, int],
    accelerator: Accelerator,
) -> None:
    read = LabelReader(layout.table, layout.label_ids)
    share = pairs[accelerator.process_index :: accelerator.num_processes]
    for pair in tqdm(share, desc="pictures", disable=not accelerator.is_main_process):
        label = target / LABELS / f"{pair.name}.png"
        if label.is_file():
            continue
        image, ids = _read(pair, read)
        _save(image, size, target / IMAGES / f"{pair.name}.jpg")
        _save(Image.fromarray(ids), size, label)


def _read(pair: Pair, read: LabelReader) -> tuple[Image.Image, Ids]:
    ids = read(pair.label)
    with (
        decoding(str(pair.image), "replace the file or take it out"),
        Image.open(pair.image) as picture,
    ):
        picture.load()
        turned, _ = upright(picture)
    # Some data sets label the picture as it is stored, others as its EXIF data turns it.
    for candidate in (turned, picture):
        if candidate.size == ids.shape[::-1]:
            return rgb_of(candidate), ids
    raise DataError(
        f"{pair.image} is {turned.width}x{turned.height}, its label map {pair.label} "
        f"{ids.shape[1]}x{ids.shape[0]}: give both one size"
    )


def _save(picture: Image.Image, size: tuple[int, int], path: Path) -> None:
    """Writes a picture at the size that crops of ``size`` are drawn from, at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part, larger = cut(picture, size), enlarged(size)[::-1]
    if path.suffix == ".jpg":
        photo = part.resize(larger, Image.Resampling.LANCZOS)
        write_picture(photo, path, "JPEG", quality=QUALITY)
    else:
        write_picture(part.resize(larger, Image.Resampling.NEAREST), path, "PNG")


def _write_examples(
    layout: OwnLayout, test: list[Pair], target: Path, size: tuple[int, int]
) -> None:
    """Example inputs in class colours, at the pictures' size, with numbers before their names.

    Written anew each time: they are no part of what is trained on.
    """
    folder = target / EXAMPLES
    shutil.rmtree(folder, ignore_errors=True)
    files = drawn_examples(layout.root)
    if not files and not layout.table.private:
        picks = np.linspace(0, len(test) - 1, min(len(test), EXAMPLE_MAPS)).round().astype(int)
        files = [test[pick].label for pick in picks]
    read = LabelReader(layout.table, layout.label_ids)
    for number, path in enumerate(files[:MOST_EXAMPLES], 1):
        ids = np.asarray(framed(Image.fromarray(read(path)), size))
        folder.mkdir(exist_ok=True)
        stem = re.sub(r"^\d+-", "", path.stem.removesuffix(layout.label_suffix))
        name = f"{number}-{_slug(stem)}.png"
        write_picture(to_rgb(ids, layout.table.entries), folder / name, "PNG")


def _named_after(root: Path) -> Domain:
    """What a checkpoint says of data that says nothing of itself: the folder's name."""
    name = root.resolve().name
    title = re.sub(r"[\W_]+", " ", name).strip()[:LONGEST_NAME]
    return Domain(name=_slug(name), title=title[:1].upper() + title[1:])


def _slug(text: str) -> str:
    """A name of a to z, 0 to 9 and - that is close to ``text``."""
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")[:LONGEST_NAME].strip("-") or "map"


def _finish(
    target: Path, layout: OwnLayout, splits: dict[str, list[Pair]], size: tuple[int, int]
) -> None:
    about = layout.table.about or _named_after(layout.root)
    table = dataclasses.replace(layout.table, size=size, about=about)
    write_text(target / TABLE, table.to_json())
    # The list of photographs comes last: it marks the folder as complete.
    for split, pairs in reversed(splits.items()):
        path = target / SPLITS / f"{split}.txt"
        write_text(path, "".join(f"{pair.name}\n" for pair in pairs))
        logger.info("%s: %d", split, len(pairs))
    if TEST not in splits:
        logger.warning(
            "too few pictures to set some aside to judge on: nothing will be measured, unless "
            "splits/test.txt names some"
        )
    few = len(splits["calibration-val"])
    if few < FEWEST_CALIBRATING:
        logger.warning(
            "too few maps to calibrate on (%d) for any promise: below %d the router always takes "
            "full depth",
            few,
            FEWEST_CALIBRATING,
        )
