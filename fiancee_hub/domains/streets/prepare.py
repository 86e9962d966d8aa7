"""Brings source data sets into the one layout that training reads.

    FOLDER/classes.json        the class table, see ``class_table``
    FOLDER/images/NAME.jpg     photographs, any size
    FOLDER/labels/NAME.png     8-bit class ids, the size of the photograph
    FOLDER/splits/SPLIT.txt    one NAME a line

Splits: ``photos`` (backbone), ``photos-towns`` (further photographs for it, read on request),
``maps`` (label maps for branches and predictor; includes both), ``calibration-KIND`` for each kind
of input, and ``test`` and ``towns`` (an unseen drive, and other towns), none of which any training
phase reads. ``own_data`` writes the same from one's own data.
"""

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from fiancee_hub.core.errors import DataError
from fiancee_hub.core.files import write_picture, write_text
from fiancee_hub.domains.streets.classes import (
    CAMVID11_IDS,
    CAMVID32_IDS,
    DOMAIN,
    LABELMEFACADE_IDS,
)
from fiancee_hub.domains.streets.data import STREETS_TABLE
from fiancee_hub.families.label_maps.training.class_table import TABLE

logger = logging.getLogger(__name__)

DUSK_DRIVE = "0001TP"
TEST_DRIVE = "Seq05VD"
TOWNS_FOR_TRAINING = 444
"""LabelMeFacade maps given to training; the rest of its train list calibrates."""


def prepare_streets(source: Path, target: Path) -> dict[str, int]:
    """Writes the streets data from CamVid and LabelMeFacade folders.

    Args:
        source: folder that holds ``camvid11``, ``camvid32`` and ``labelmefacade``.
        target: folder to write.

    Returns:
        Number of names in each split.

    Raises:
        DataError: a source folder is missing.
    """
    for name in ("camvid11", "camvid32", "labelmefacade"):
        if not (source / name / "train.txt").is_file():
            raise DataError(f"{source / name} is missing or has no train.txt")
    for folder in ("images", "labels", "splits"):
        (target / folder).mkdir(parents=True, exist_ok=True)
    write_text(target / TABLE, replace(STREETS_TABLE, about=DOMAIN).to_json())
    splits = _street_splits(source)
    for name in sorted({name for names in splits.values() for name in names}):
        _write_pair(source, target, name)
    for split, names in splits.items():
        write_text(target / "splits" / f"{split}.txt", "\n".join(names) + "\n")
        logger.info("%s: %d", split, len(names))
    return {split: len(names) for split, names in splits.items()}


def _street_splits(source: Path) -> dict[str, list[str]]:
    drives = {split: _names(source / "camvid11", split) for split in ("train", "val", "test")}
    photos = [name for name in drives["train"] if not name.startswith(DUSK_DRIVE)]
    towns = sorted(_names(source / "labelmefacade", "train"))
    # A fixed shuffle, so that no town's pictures all fall on one side.
    towns = [towns[index] for index in np.random.default_rng(0).permutation(len(towns))]
    return {
        "photos": photos,
        "photos-towns": towns[:TOWNS_FOR_TRAINING],
        "maps": photos + towns[:TOWNS_FOR_TRAINING],
        "calibration-drive": drives["val"],
        "calibration-towns": towns[TOWNS_FOR_TRAINING:],
        "test": [name for name in drives["test"] if name.startswith(TEST_DRIVE)],
        "towns": _names(source / "labelmefacade", "val"),
    }


def _names(folder: Path, split: str) -> list[str]:
    return (folder / f"{split}.txt").read_text(encoding="utf-8").split()


def _write_pair(source: Path, target: Path, name: str) -> None:
    sets = (
        ("camvid32", CAMVID32_IDS),
        ("camvid11", CAMVID11_IDS),
        ("labelmefacade", LABELMEFACADE_IDS),
    )
    for folder, ids in sets:
        path = source / folder / "labels" / f"{name}.png"
        if path.is_file():
            labels = np.asarray(ids, np.uint8)[np.asarray(Image.open(path))]
            write_picture(Image.fromarray(labels), target / "labels" / f"{name}.png", "PNG")
            image = source / folder / "images" / f"{name}.jpg"
            shutil.copyfile(image, target / "images" / f"{name}.jpg")
            return
    raise DataError(f"no label map for {name} under {source}")
