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
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

import torch
from PIL import Image

from fiancee_hub.core.perceptual import perceptual_distance
from fiancee_hub.core.pixels import from_picture
from fiancee_hub.pipeline import AutoPipeline
from space.page.files import encoded
from space.page.tabs import Sample
from space.result.budget import FOLDER, PAIRS, RealPair
from space.result.facts import exit_name
from space.screens import screen_of
from space.settings import Settings
from space.tools import made

logger = logging.getLogger(__name__)

LEVELS = (0.02, 0.05, 0.1, 0.2)
NEAR = 1.25
"""A pair stands for a level if its LPIPS is at most so many times larger or smaller."""


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


def early_pairs(samples: Iterable[Sample]) -> Iterator[Candidate]:
    """Full depth against every branch of every input."""
    for one in samples:
        exits = one.rendering.pipeline.model.exits
        for index in range(1, exits):
            early = one.rendering.result(index).image
            captions = f"{one.name}: full depth", exit_name(index, exits)
            yield candidate(full(one), early, captions)


def full(sample: Sample) -> Image.Image:
    """Its picture of full depth."""
    return sample.rendering.result(sample.rendering.pipeline.model.exits).image


def neighbours(samples: Iterable[Sample]) -> Iterator[Candidate]:
    """Full depth of two inputs each, which the captions name."""
    for first, second in combinations(samples, 2):
        captions = f"{first.name}: full depth", f"{second.name}: full depth"
        yield candidate(full(first), full(second), captions)


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


def write(groups: list[list[Sample]], folder: Path) -> list[RealPair]:
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


def _written(level: float, chosen: Candidate, folder: Path) -> RealPair:
    files = f"{level:g}-a.png", f"{level:g}-b.png"
    for file, picture in zip(files, chosen.pictures, strict=True):
        (folder / file).write_bytes(encoded(picture, marked=True))
    return RealPair(level, chosen.lpips, files, chosen.captions)


def main() -> None:
    """The command."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(prog="python -m space.tools.pairs", description=__doc__)
    checkpoints = {one.name: one.address for one in Settings.from_environment().checkpoints}
    parser.add_argument("tab", choices=checkpoints)
    parser.add_argument("--checkpoint", help="folder or Hub id; that of the demo's settings")
    parser.add_argument("--out", type=Path, help="folder to write to; the one that the page shows")
    arguments = parser.parse_args()
    address = arguments.checkpoint or checkpoints[arguments.tab]
    pipe = AutoPipeline.from_pretrained(address)
    folder = arguments.out or FOLDER / arguments.tab
    for pair in write(screen_of(pipe).samples(pipe), folder):
        logger.info("%g: LPIPS %.4f, %s | %s", pair.level, pair.lpips, *pair.captions)
    if arguments.out is None and made.is_shipped(arguments.tab, address):
        made.note(f"pairs/{arguments.tab}", [arguments.tab])


if __name__ == "__main__":
    main()
