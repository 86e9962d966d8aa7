"""Real pairs at the distances that the budget speaks of, for the page.

    python -m space.tools.pairs streets
    python -m space.tools.pairs faces --checkpoint weights_card/faces

Looks through the example inputs for pairs of full depth and an early exit near LPIPS 0.02, 0.05,
0.1 and 0.2. Where no exit differs by that much, two pictures of full depth stand in that do: two
seeds of a map, two maps, or two poses of a person; the caption says so. Distances are measured on
the files as written.
"""

import argparse
import json
import logging
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import TypeVar

import torch
from PIL import Image

from fiancee_hub.core.perceptual import perceptual_distance
from fiancee_hub.core.pixels import from_picture
from fiancee_hub.families.faces.pipeline import Controls, FacesPipeline
from fiancee_hub.families.label_maps.pipeline import StreetsPipeline
from fiancee_hub.pipeline import Rendering
from space.faces import people
from space.label_maps import maps
from space.page.files import encoded
from space.result.budget import FOLDER, PAIRS, Pair
from space.result.facts import exit_name
from space.settings import Settings

logger = logging.getLogger(__name__)

LEVELS = (0.02, 0.05, 0.1, 0.2)
NEAR = 1.25
"""A pair stands for a level if its LPIPS is at most so many times larger or smaller."""

Pipe = TypeVar("Pipe", StreetsPipeline, FacesPipeline)

SEEDS = 4
"""Of each example map."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """Two pictures that could be shown.

    Args:
        lpips: between them.
        pictures: full depth first.
        captions: what each of them is.
    """

    lpips: float
    pictures: tuple[Image.Image, Image.Image]
    captions: tuple[str, str]

    def distance_to(self, level: float) -> float:
        """By which factor it misses a level, as a logarithm; 0 is a perfect match."""
        return abs(math.log(self.lpips / level)) if self.lpips else math.inf


@dataclass(frozen=True, eq=False)
class Shown:
    """A rendering and what its input is called, such as "Terrace, seed 0"."""

    rendering: Rendering
    name: str

    @property
    def full(self) -> Image.Image:
        return self.rendering.result(self.rendering.pipeline.model.exits).image


def early_pairs(shown: Iterable[Shown]) -> Iterator[Candidate]:
    """Full depth against every branch of every input."""
    for one in shown:
        exits = one.rendering.pipeline.model.exits
        for index in range(1, exits):
            early = one.rendering.result(index).image
            captions = f"{one.name}: full depth", exit_name(index, exits)
            yield candidate(one.full, early, captions)


def neighbours(shown: Iterable[Shown]) -> Iterator[Candidate]:
    """Full depth of two inputs each, which the captions name."""
    for first, second in combinations(shown, 2):
        captions = f"{first.name}: full depth", f"{second.name}: full depth"
        yield candidate(first.full, second.full, captions)


def candidate(first: Image.Image, second: Image.Image, captions: tuple[str, str]) -> Candidate:
    """Two pictures with their distance."""
    return Candidate(distance(first, second), (first, second), captions)


@torch.inference_mode()
def distance(first: Image.Image, second: Image.Image) -> float:
    """LPIPS between two pictures as they are written."""
    a, b = (from_picture(picture)[None] for picture in (first, second))
    return float(perceptual_distance()(a, b))


def choose(level: float, *groups: Iterable[Candidate]) -> Candidate | None:
    """The pair nearest to a level, of the first group that has a near one."""
    for group in groups:
        best = min(group, key=lambda one: one.distance_to(level), default=None)
        if best and best.distance_to(level) <= math.log(NEAR):
            return best
    return None


def street_inputs(pipe: StreetsPipeline, seeds: int = SEEDS) -> list[list[Shown]]:
    """The example maps; each list holds one map with several seeds."""
    return [
        [
            Shown(pipe.prepare(example.path, seed=seed), _seeded(example.name, seed))
            for seed in range(seeds)
        ]
        for example in maps.examples()
    ]


def _seeded(name: str, seed: int) -> str:
    return f"{name}, seed {seed}" if seed else name


POSES = {
    "at rest": Controls(relative=True),
    **{f"turned {yaw}°": Controls(yaw=yaw, relative=True) for yaw in (-25, -15, -8, 8, 15, 25)},
    "looking down": Controls(pitch=12, relative=True),
    "smiling": Controls(smile=1, relative=True),
    "mouth open": Controls(mouth=1, relative=True),
    "eyes closed": Controls(blink=1, relative=True),
}


def face_inputs(pipe: FacesPipeline) -> list[list[Shown]]:
    """The example faces; each list holds one photograph in several poses."""
    found = []
    for example in people.examples():
        source = pipe.encode(example.path)
        poses = POSES.items()
        found.append(
            [
                Shown(pipe.prepare(source=source, driver=controls), f"{example.name}, {pose}")
                for pose, controls in poses
            ]
        )
    return found


def write(groups: list[list[Shown]], folder: Path) -> list[Pair]:
    """Chooses the pairs and writes pictures and figures to a folder."""
    flat = [one for group in groups for one in group]
    early = list(early_pairs(flat))
    same = [pair for group in groups for pair in neighbours(group)]
    other = list(neighbours([group[0] for group in groups]))
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    chosen = {level: choose(level, early, same, other) for level in LEVELS}
    pairs = [_written(level, one, folder) for level, one in chosen.items() if one]
    content = {"format": 1, "pairs": [asdict(pair) for pair in pairs]}
    (folder / PAIRS).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    for level in (level for level, one in chosen.items() if one is None):
        logger.warning("No pair near LPIPS %g was found: that level is left out", level)
    return pairs


def _written(level: float, chosen: Candidate, folder: Path) -> Pair:
    files = f"{level:g}-a.png", f"{level:g}-b.png"
    for file, picture in zip(files, chosen.pictures, strict=True):
        (folder / file).write_bytes(encoded(picture, marked=True))
    return Pair(level, chosen.lpips, files, chosen.captions)


FAMILIES: dict[str, Callable[[str], list[list[Shown]]]] = {
    "streets": lambda checkpoint: street_inputs(_loaded(StreetsPipeline, checkpoint)),
    "faces": lambda checkpoint: face_inputs(_loaded(FacesPipeline, checkpoint)),
}


def _loaded(kind: type[Pipe], checkpoint: str) -> Pipe:
    pipe = kind.from_pretrained(checkpoint)
    assert isinstance(pipe, kind)
    return pipe


def main() -> None:
    """The command."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(prog="python -m space.tools.pairs", description=__doc__)
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("--checkpoint", help="folder or Hub id; that of the demo's settings")
    parser.add_argument("--out", type=Path, help="folder to write to; the one that the page shows")
    arguments = parser.parse_args()
    checkpoint = arguments.checkpoint or getattr(Settings.from_environment(), arguments.family)
    folder = arguments.out or FOLDER / arguments.family
    for pair in write(FAMILIES[arguments.family](checkpoint), folder):
        logger.info("%g: LPIPS %.4f, %s | %s", pair.level, pair.lpips, *pair.captions)


if __name__ == "__main__":
    main()
