"""``generate`` and ``compare`` for the toy family: the source is a text of three numbers."""

from argparse import Namespace
from pathlib import Path

from PIL import Image

from fiancee_hub.results import Comparison
from toy.pipeline import ToyPipeline


def generate(pipe: ToyPipeline, arguments: Namespace) -> int:
    """Writes the disc."""
    result = pipe(_colour(arguments.source), budget=arguments.budget, exit=arguments.exit)
    result.image.save(arguments.out)
    return 0


def compare(pipe: ToyPipeline, arguments: Namespace) -> tuple[dict[str, Image.Image], Comparison]:
    """The colour, and the comparison."""
    colour = _colour(arguments.source)
    shown = Image.new("RGB", pipe.size[::-1], tuple(round(255 * part) for part in colour))
    return {"colour": shown}, pipe.compare(colour, budget=arguments.budget)


def _colour(path: Path) -> tuple[float, float, float]:
    red, green, blue = map(float, path.read_text().split())
    return red, green, blue
