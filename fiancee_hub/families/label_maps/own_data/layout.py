"""Where the pictures and label maps of one's own data lie, and which belong together.

FOLDER/classes.json      a class table (see ``class_table``), and optionally
                         "layout": "cityscapes", "ade20k" or "coco" for what follows,
                         "image_suffix", "label_suffix": ends of file names that differ,
                         "label_ids": {id in the files: class}; what is not listed is unknown
FOLDER/images/…          photographs
FOLDER/labels/…          PNGs of class ids or in the class colours, same folders, same names
FOLDER/splits/train.txt  and val.txt: one name a line; without them the folders train and val
                         decide, and without those a tenth of the pictures is set aside
FOLDER/splits/test.txt   names of pictures to evaluate on; without it some are set aside as well
FOLDER/examples/…        optional: PNGs like those of labels/, drawn by somebody, that the
                         checkpoint brings along as examples; else some maps of the test split
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fiancee_hub.core.errors import DataError
from fiancee_hub.families.label_maps.training.class_table import (
    EXAMPLES,
    TABLE,
    ClassTable,
    MapDomain,
    class_id,
    parse_table,
    read_json,
)

IMAGES, LABELS, SPLITS = "images", "labels", "splits"
TEST = "test"
"""The split that evaluation reads."""

IMAGE_TYPES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
TRAIN_FOLDERS = ("train", "training", "train2017", "train2014")
VAL_FOLDERS = ("val", "validation", "valid", "val2017", "val2014")
IDS = 2**16
"""A PNG holds no larger ids."""

SET_ASIDE = 10
"""One picture in so many calibrates if no split says which, and one is judged on."""

MANY = 200
"""Pictures to calibrate on from which half are judged on, where no split says which."""

FEWEST_JUDGED = 2
"""A distance between sets of pictures needs so many."""

MOST_JUDGED = 500
"""Pictures that are set aside to be judged on."""

LAYOUTS: dict[str, dict[str, Any]] = {
    "cityscapes": {
        "classes": "cityscapes",
        "unknown": 0,
        "size": [256, 512],
        "image_suffix": "_leftImg8bit",
        "label_suffix": "_gtFine_labelIds",
    },
    "ade20k": {"classes": "ade20k", "unknown": 0, "size": [256, 256]},
    "coco": {
        "classes": "coco",
        "unknown": 0,
        "size": [256, 256],
        "label_ids": {index: index + 1 for index in range(182)},
    },
}
"""How known data sets are laid out, their class ids those of the official OASIS checkpoints."""

FIELDS = {
    *("layout", "classes", "unknown", "part_of", "instead", "people", "domain", "size"),
    *("image_suffix", "label_suffix", "label_ids", "private", "films"),
}


@dataclass(frozen=True)
class Pair:
    """A photograph and its label map; ``name`` is their common path below images and labels."""

    name: str
    image: Path
    label: Path


@dataclass(frozen=True)
class OwnLayout:
    """What classes.json says about a folder of one's own."""

    root: Path
    table: ClassTable
    label_ids: Mapping[int, int] | None = None
    image_suffix: str = ""
    label_suffix: str = ""

    def splits(self) -> dict[str, list[Pair]]:
        """Pictures to train on (``train``) and to calibrate on (``val``), each with its map.

        Those to evaluate on (``test``) are listed or set aside; there are none where that would
        leave too few.

        Raises:
            DataError: a folder, file or label map is missing, or a split is too small.
        """
        images = _files(self.root / IMAGES, self.image_suffix, IMAGE_TYPES)
        test = self._held_out(images)
        train, val = self._named({n: p for n, p in images.items() if n not in set(test)})
        both = next((name for name in train if name in set(val)), None)
        if both is not None:
            raise DataError(
                f"{self.root / SPLITS}: train.txt and val.txt both name {both!r}: leave it in one, "
                "since the router cannot be calibrated on what was trained on"
            )
        named = bool(val)
        if not named:
            train, val = _set_aside(train)
        if not test:
            train, val, test = _to_judge(train, val, named=named)
        if len(train) < 2 or not val:
            raise DataError(
                f"{self.root / IMAGES} has too few pictures, {len(train)} to train on and "
                f"{len(val)} to calibrate on: give at least 2 and 1"
            )
        labels = _files(self.root / LABELS, self.label_suffix, (".png",))
        self._check(train + val + test, images, labels)
        splits = {"train": train, "val": val} | ({TEST: test} if test else {})
        return {
            split: [Pair(name, images[name], labels[name]) for name in names]
            for split, names in splits.items()
        }

    def _held_out(self, images: dict[str, Path]) -> list[str]:
        """Names of the split ``test``, which no other list may have; none without such a list."""
        lists = [self.root / SPLITS / f"{split}.txt" for split in (TEST, "train", "val")]
        if not lists[0].is_file():
            return []
        test = self._listed(lists[0], images)
        if len(test) < FEWEST_JUDGED:
            raise DataError(
                f"{lists[0]} names {len(test)} picture: list at least {FEWEST_JUDGED} to judge on, "
                "or remove the file"
            )
        for path in lists[1:]:
            names = self._listed(path, images) if path.is_file() else []
            both = next((name for name in names if name in set(test)), None)
            if both is not None:
                raise DataError(
                    f"{self.root / SPLITS}: {path.name} and {TEST}.txt both name {both!r}: leave "
                    "it in one, since nothing is judged on what was trained on"
                )
        return test

    def _named(self, images: dict[str, Path]) -> tuple[list[str], list[str]]:
        """Names of both splits as files or folders give them; the second may be empty."""
        lists = [self.root / SPLITS / f"{split}.txt" for split in ("train", "val")]
        if lists[0].is_file():
            train, val = (self._listed(path, images) if path.is_file() else [] for path in lists)
            return train, val
        if lists[1].is_file():
            raise DataError(f"{lists[0]} is missing: list the pictures to train on there")
        by_folder = [
            [name for name in images if name.partition("/")[0] in folders]
            for folders in (TRAIN_FOLDERS, VAL_FOLDERS)
        ]
        if not by_folder[0]:
            return list(images), []
        self._check_folders(by_folder[1])
        return by_folder[0], by_folder[1]

    def _check_folders(self, val: list[str]) -> None:
        for folder in VAL_FOLDERS:
            if (self.root / IMAGES / folder).is_dir() and not val:
                raise DataError(
                    f"{self.root / IMAGES / folder} has no pictures named "
                    f"*{self.image_suffix}.jpg or alike: fill it, or remove it to calibrate on a "
                    "tenth of the others"
                )

    def _listed(self, path: Path, images: dict[str, Path]) -> list[str]:
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read: {error}") from error
        names = []
        for line in lines:
            if not line.strip():
                continue
            name = line.strip()
            if Path(name).suffix.lower() in IMAGE_TYPES:
                name = str(Path(name).with_suffix("").as_posix())
            name = name.removesuffix(self.image_suffix)
            if name not in images:
                raise DataError(f"{path} names {line.strip()!r}, which {IMAGES}/ does not have")
            names.append(name)
        if not names:
            raise DataError(f"{path} is empty: list one picture a line, or remove the file")
        return list(dict.fromkeys(names))

    def _check(self, names: list[str], images: dict[str, Path], labels: dict[str, Path]) -> None:
        missing = [name for name in names if name not in labels]
        if not missing:
            return
        wanted = f"{LABELS}/{missing[0]}{self.label_suffix}.png"
        alike = (name for name in labels if name.startswith(missing[0]))
        found = next((f": there is {labels[name].name}, so set label_suffix" for name in alike), "")
        raise DataError(
            f"{images[missing[0]]} has no label map {wanted}{found} ({len(missing)} of "
            f"{len(names)} pictures have none): add it or take the picture out"
        )


def drawn_examples(root: Path) -> list[Path]:
    """Label maps that somebody has drawn as examples for a folder's checkpoints, in order."""
    return [path for path in sorted((root / EXAMPLES).glob("*.png")) if path.name[0] != "."]


def is_own(folder: Path) -> bool:
    """Whether a folder holds a class table and is not what ``train prepare`` has written."""
    return (folder / TABLE).is_file() and not (folder / SPLITS / "photos.txt").is_file()


def read_layout(root: Path, domains: Sequence[MapDomain] = ()) -> OwnLayout:
    """Reads classes.json of a folder of one's own.

    Args:
        root: the folder.
        domains: what is known of the classes, where the file leaves it out.

    Raises:
        DataError, InputError: naming the file and the field that is wrong.
    """
    path = root / TABLE
    raw = read_json(path)
    raw = dict(raw) if isinstance(raw, dict) else {"classes": raw}
    for name in raw.keys() - FIELDS:
        raise DataError(f'{path}: field "{name}" is unknown: use {", ".join(sorted(FIELDS))}')
    if "layout" in raw:
        if not isinstance(raw["layout"], str) or raw["layout"] not in LAYOUTS:
            names = ", ".join(LAYOUTS)
            raise DataError(f'{path}: "layout" is {raw["layout"]!r}: use one of {names}')
        raw = LAYOUTS[raw["layout"]] | raw
    table = parse_table(raw, path, domains)
    for name in ("image_suffix", "label_suffix"):
        if not isinstance(raw.get(name, ""), str):
            raise DataError(f'{path}: "{name}" is no text')
    return OwnLayout(
        root,
        table,
        _label_ids(raw.get("label_ids"), table, path),
        raw.get("image_suffix", ""),
        raw.get("label_suffix", ""),
    )


def _label_ids(raw: Any, table: ClassTable, path: Path) -> dict[int, int] | None:
    if raw is None:
        return None
    if not isinstance(raw, dict) or not all(_is_id(str(key)) for key in raw):
        raise DataError(
            f'{path}: "label_ids" is no object such as {{"7": 0, "8": "pavement"}}, ids below {IDS}'
        )
    return {int(k): class_id(v, table.entries, path, "label_ids") for k, v in raw.items()}


def _is_id(text: str) -> bool:
    return text.isdecimal() and len(text) <= len(str(IDS)) and int(text) < IDS


def _files(root: Path, suffix: str, types: tuple[str, ...]) -> dict[str, Path]:
    """Files below ``root`` by name: their path there without suffix and type, sorted."""
    found: dict[str, Path] = {}
    for path in _walk(root):
        stem = path.relative_to(root).with_suffix("").as_posix()
        if path.suffix.lower() not in types or not stem.endswith(suffix):
            continue
        name = stem.removesuffix(suffix)
        if name in found:
            raise DataError(f"{found[name]} and {path.name} have one name: remove one of them")
        found[name] = path
    if not found:
        raise DataError(f"{root} has no files named *{suffix}{types[0]}: see docs/training.md")
    return dict(sorted(found.items()))


def _walk(root: Path) -> Iterable[Path]:
    # Large data sets are linked into place, not copied.
    for folder, folders, names in os.walk(root, followlinks=True):
        # Hidden ones are of programs, such as .ipynb_checkpoints and macOS's ._ files.
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(folder, name) for name in names if not name.startswith("."))


def _set_aside(names: list[str]) -> tuple[list[str], list[str]]:
    """Most names, and a tenth of them that a fixed shuffle picks."""
    order = np.random.default_rng(0).permutation(len(names))
    held = max(1, len(names) // SET_ASIDE)
    return ([names[i] for i in sorted(order[held:])], [names[i] for i in sorted(order[:held])])


def _to_judge(
    train: list[str], val: list[str], *, named: bool
) -> tuple[list[str], list[str], list[str]]:
    """``train``, ``val`` and pictures to judge on: the second half of a large ``val`` that
    somebody has named, or else a tenth of ``train`` that a fixed shuffle picks; none of a few."""
    if named and len(val) >= MANY:
        half = len(val) // 2
        picks = np.linspace(half, len(val) - 1, min(len(val) - half, MOST_JUDGED))
        return train, val[:half], [val[pick] for pick in picks.round().astype(int)]
    held = min(len(train) // SET_ASIDE, MOST_JUDGED)
    if held < FEWEST_JUDGED:
        return train, val, []
    order = np.random.default_rng(1).permutation(len(train))
    return [train[i] for i in sorted(order[held:])], val, [train[i] for i in sorted(order[:held])]
