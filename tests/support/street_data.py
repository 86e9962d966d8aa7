"""Prepared data as ``train prepare`` leaves it, but drawn: a few tiny streets."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from fiancee_hub.domains.streets.classes import STREETS
from fiancee_hub.domains.streets.data import DOMAIN
from fiancee_hub.domains.streets.drawings import draw_label_map
from fiancee_hub.families.label_maps.training.photographs import DataFolder


def write_streets(root: Path, splits: dict[str, int]) -> DataFolder:
    """Writes as many streets of 80x120 pixels as the largest split has; all begin with the first.

    Args:
        root: folder to write.
        splits: number of streets in each split.
    """
    for folder in ("images", "labels", "splits"):
        (root / folder).mkdir(parents=True)
    palette = np.asarray([entry.colour for entry in STREETS], np.uint8)
    random = np.random.default_rng(0)
    names = [f"street_{index}" for index in range(max(splits.values()))]
    for name in names:
        labels = draw_label_map((80, 120), random)
        Image.fromarray(labels).save(root / "labels" / f"{name}.png")
        Image.fromarray(palette[labels]).save(root / "images" / f"{name}.jpg")
    for split, count in splits.items():
        (root / "splits" / f"{split}.txt").write_text("\n".join(names[:count]))
    (root / "classes.json").write_text(json.dumps([asdict(entry) for entry in STREETS]))
    return DataFolder(root, (DOMAIN,))
