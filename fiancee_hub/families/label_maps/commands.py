"""``generate`` and ``compare`` for label maps: one of them, or a folder."""

import argparse
from typing import TYPE_CHECKING

from fiancee_hub.core.files import check_output
from fiancee_hub.core.marking import picture_format
from fiancee_hub.families.label_maps.bulk import ROUTES, generate_folder
from fiancee_hub.families.label_maps.classes import to_rgb
from fiancee_hub.families.label_maps.pipeline import LabelMapPipeline

if TYPE_CHECKING:
    from PIL import Image

    from fiancee_hub.results import Comparison


def generate(pipe: LabelMapPipeline, arguments: argparse.Namespace) -> int:
    """Writes a picture, or one for each map of a folder; says which exits were taken.

    Returns:
        1 if maps of a folder were left out.

    Raises:
        InputError: an input cannot be used; the message says what to do.
    """
    folder = arguments.source.is_dir()
    return (_generate_folder if folder else _generate_one)(pipe, arguments)


def _generate_folder(pipe: LabelMapPipeline, arguments: argparse.Namespace) -> int:
    report = generate_folder(
        pipe,
        arguments.source,
        arguments.out,
        budget=arguments.budget,
        seed=arguments.seed,
        exit=arguments.exit,
        batch_size=arguments.batch_size,
        as_=arguments.read,
        progress=True,
    )
    print(
        f"{report.written} written, {report.skipped} there already, {len(report.failed)} left out; "
        f"routes in {arguments.out / ROUTES}"
    )
    return 1 if report.failed else 0


def _generate_one(pipe: LabelMapPipeline, arguments: argparse.Namespace) -> int:
    out = arguments.out
    if out.is_dir() or not out.suffix:
        out = out / f"{arguments.source.stem}.png"
    check_output(out, arguments.source)
    picture_format(out)
    result = pipe(
        arguments.source,
        budget=arguments.budget,
        seed=arguments.seed,
        exit=arguments.exit,
        as_=arguments.read,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    result.save(out)
    for note in result.notes:
        print(note)
    print(
        f"{out}: exit {result.exit}, predicted LPIPS {result.predicted_lpips:.4f}, "
        f"{result.macs} MACs, saving {result.saving:.1%}"
    )
    return 0


def compare(
    pipe: LabelMapPipeline, arguments: argparse.Namespace
) -> "tuple[dict[str, Image.Image], Comparison]":
    """The label map as the model sees it, and the comparison."""
    label_map = pipe.read(arguments.source, as_=arguments.read)
    comparison = pipe.compare(label_map, budget=arguments.budget, seed=arguments.seed)
    return {"label map": to_rgb(label_map.ids, pipe.config.classes)}, comparison
