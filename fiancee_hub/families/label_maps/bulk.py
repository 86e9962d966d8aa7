"""Many label maps from a folder to pictures in another, interruptible at any moment."""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from fiancee_hub.core.errors import InputError
from fiancee_hub.core.files import replacing
from fiancee_hub.core.router import check_budget
from fiancee_hub.families.label_maps.pipeline import StreetsPipeline
from fiancee_hub.families.label_maps.reading import LabelMap
from fiancee_hub.pipeline import Result

logger = logging.getLogger(__name__)

MAP_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".npy")
ROUTES = "routes.jsonl"


@dataclass(frozen=True)
class Job:
    """One map to make a picture of, and the seed of its noise."""

    source: Path
    output: Path
    seed: int


@dataclass(frozen=True)
class BulkReport:
    """What became of the maps of a folder.

    Args:
        written: pictures made.
        skipped: pictures that were there already.
        failed: name and reason of every map that could not be read.
    """

    written: int
    skipped: int
    failed: tuple[tuple[str, str], ...]


def generate_folder(
    pipe: StreetsPipeline,
    source: Path,
    out: Path,
    *,
    budget: float = 0.1,
    seed: int = 0,
    exit: int | None = None,
    batch_size: int = 8,
    progress: bool = False,
) -> BulkReport:
    """Makes a PNG in ``out`` of every label map in ``source``.

    The maps of one exit go through the model together, over the whole folder, in memory that its
    size does not change. Pictures that exist are left alone, so an interrupted run goes on where
    it stopped; a map that cannot be read is logged and left out. ``out/routes.jsonl`` gets one
    line for each picture: file, output, exit, predicted LPIPS, MACs, saving, budget and seed.

    Args:
        pipe: the pipeline.
        source: folder of label maps (not searched deeper).
        out: folder to write, created if missing.
        budget: LPIPS to full depth, 0 to 1.
        seed: each map's own seed follows from this one and its file name.
        exit: render this exit whatever the budget.
        batch_size: maps that go through the model at once.
        progress: show a bar on standard error.

    Raises:
        InputError: a folder, the budget, the seed or the exit cannot be used.
    """
    check_budget(budget)
    if exit is not None:
        pipe.check_exit(exit)
    jobs = plan(source, out, seed)
    todo = [job for job in jobs if not job.output.exists()]
    out.mkdir(parents=True, exist_ok=True)
    bar = tqdm(total=len(jobs), initial=len(jobs) - len(todo), unit="map", disable=not progress)
    with bar, logging_redirect_tqdm():
        failed = generate_jobs(
            pipe, todo, out, budget=budget, exit=exit, batch_size=batch_size, done=bar.update
        )
    return BulkReport(len(todo) - len(failed), len(jobs) - len(todo), tuple(failed))


def generate_jobs(
    pipe: StreetsPipeline,
    jobs: Sequence[Job],
    out: Path,
    *,
    budget: float = 0.1,
    exit: int | None = None,
    batch_size: int = 8,
    done: Callable[[int], object] = lambda maps: None,
) -> list[tuple[str, str]]:
    """Makes the pictures of ``jobs`` and appends their lines to ``out/routes.jsonl``.

    Several processes may work on jobs of their own in one folder.

    Args:
        pipe: the pipeline.
        jobs: of ``plan``.
        out: folder that exists.
        budget: LPIPS to full depth, 0 to 1.
        exit: render this exit whatever the budget.
        batch_size: maps that go through the model at once.
        done: called with the number of maps just finished or left out.

    Returns:
        name and reason of every map that could not be read.
    """
    failed: list[tuple[str, str]] = []
    readable = _readable(pipe, jobs, failed, done)
    results = pipe.stream(readable, budget=budget, exit=exit, batch_size=batch_size)
    for job, result in results:
        # The line first: a picture without its line would never get one.
        with (out / ROUTES).open("a", encoding="utf-8") as file:
            file.write(json.dumps(_route(job, result, budget)) + "\n")
        write_picture(result.image, job.output)
        done(1)
    return failed


def plan(source: Path, out: Path, seed: int) -> list[Job]:
    """The maps of a folder by name, each with the picture to write and its seed.

    Raises:
        InputError: the folder is missing or holds no map, or ``out`` would mix with it.
    """
    if not source.is_dir():
        raise InputError(f"there is no folder {source}: check the path")
    if out.resolve() == source.resolve():
        raise InputError(f"{out} holds the label maps: choose another folder for the pictures")
    files = sorted(path for path in source.iterdir() if path.suffix.lower() in MAP_SUFFIXES)
    if not files:
        raise InputError(f"{source} holds no label map ({', '.join(MAP_SUFFIXES)})")
    stems = Counter(path.stem for path in files)
    return [
        Job(path, out / f"{_name(path, stems)}.png", seed_of(path.name, seed)) for path in files
    ]


def _name(path: Path, stems: Counter[str]) -> str:
    return path.stem if stems[path.stem] == 1 else path.name


def seed_of(name: str, seed: int) -> int:
    """A seed from 0 to 2**63 − 1 that depends on nothing but the file's name and ``seed``."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _readable(
    pipe: StreetsPipeline,
    jobs: Iterable[Job],
    failed: list[tuple[str, str]],
    done: Callable[[int], object],
) -> Iterator[tuple[Job, LabelMap, int]]:
    for job in jobs:
        try:
            label_map = pipe.read(job.source)
        except InputError as error:
            logger.warning("left out %s: %s", job.source.name, error)
            failed.append((job.source.name, str(error)))
            done(1)
            continue
        yield job, label_map, job.seed


def _route(job: Job, result: Result, budget: float) -> dict[str, object]:
    return {
        "file": job.source.name,
        "output": job.output.name,
        "exit": result.exit,
        "predicted_lpips": result.predicted_lpips,
        "macs": result.macs,
        "saving": result.saving,
        "budget": budget,
        "seed": result.seed,
        "notes": result.notes,
    }


def write_picture(picture: Image.Image, path: Path) -> None:
    """Writes a PNG at once or not at all: no interruption leaves half a picture."""
    with replacing(path) as partial:
        picture.save(partial, format="PNG")
