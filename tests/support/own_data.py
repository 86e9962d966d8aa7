"""A few drawn scenes laid out as people have their own data: photographs, label maps, a table."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Ids = NDArray[np.uint8]

NAMES = ("sky", "hill", "house", "lake", "unknown")
COLOURS = ((90, 160, 250), (40, 120, 30), (170, 60, 50), (20, 40, 140), (0, 0, 0))
SIZE = (64, 96)


def scene(seed: int, size: tuple[int, int] = (80, 120)) -> Ids:
    """Class ids (height, width): sky, a hill, a lake, a house, and an unlabelled corner."""
    random = np.random.default_rng(seed)
    height, width = size
    image = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(image)
    horizon, left = height * random.uniform(0.3, 0.6), width * random.uniform(0.1, 0.6)
    draw.polygon([(0, horizon), (left, horizon / 2), (width, height), (0, height)], fill=1)
    draw.rectangle((0, height * 0.8, width, height), fill=3)
    draw.rectangle((left, horizon, left + width / 5, horizon + height / 4), fill=2)
    draw.rectangle((0, 0, 6, 6), fill=4)
    return np.array(image, np.uint8)


def photo_of(ids: Ids, seed: int) -> Image.Image:
    """Class colours with a grain, as a photograph would have."""
    rgb = np.asarray(COLOURS, np.int16)[ids % len(COLOURS)]
    grain = np.random.default_rng(seed).integers(-20, 20, rgb.shape)
    return Image.fromarray((rgb + grain).clip(0, 255).astype(np.uint8))


def save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def table(**fields: Any) -> dict[str, Any]:
    """A class table for the scenes."""
    rows = [{"name": n, "colour": list(c)} for n, c in zip(NAMES, COLOURS, strict=True)]
    return {"classes": rows} | fields


def write_table(root: Path, content: Any) -> None:
    root.mkdir(parents=True, exist_ok=True)
    (root / "classes.json").write_text(json.dumps(content))


def write_scenes(root: Path, count: int, content: Any = None) -> Path:
    """A folder of ``count`` scenes, all in one folder, labels as class ids."""
    write_table(root, content or table(size=SIZE))
    for index in range(count):
        ids = scene(index)
        save(photo_of(ids, index), root / "images" / f"scene {index}.jpg")
        save(Image.fromarray(ids), root / "labels" / f"scene {index}.png")
    return root
