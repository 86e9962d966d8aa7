"""Many label maps from a folder to pictures in another, interruptible at any moment."""

import errno
import hashlib
import logging
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from fiancee_hub.core.arguments import check_path
from fiancee_hub.core.errors import InputError
from fiancee_hub.core.files import longest_name, shortened
from fiancee_hub.core.marking import encoded
from fiancee_hub.core.router import check_budget
from fiancee_hub.core.seeds import check_seed
from fiancee_hub.families.label_maps.forms import Reading
from fiancee_hub.families.label_maps.pipeline import LabelMapPipeline
from fiancee_hub.families.label_maps.reading import LabelMap
from fiancee_hub.families.label_maps.routes import ROUTES, place, settle
from fiancee_hub.results import Result

logger = logging.getLogger(__name__)

MAP_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".npy")

_OF_ITS_NAME = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EISDIR)
"""Errors of a picture that the folder takes under no such name, while it takes others."""

__all__ = [
    "MAP_SUFFIXES",
    "ROUTES",
    "BulkReport",
    "Job",
    "generate_folder",
    "generate_jobs",
    "plan",
    "seed_of",
]


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
    pipe: LabelMapPipeline,
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    budget: float = 0.1,
    seed: int = 0,
    exit: int | None = None,
    batch_size: int = 8,
    as_: Reading | None = None,
    progress: bool = False,
) -> BulkReport:
    """Makes a PNG in ``out`` of every label map in ``source``.

    The maps of one exit go through the model together, over the whole folder, in memory that its
    size does not change. Pictures that exist are left alone, so an interrupted run goes on where
    it stopped, and several may work side by side; a map that cannot be read is logged and left
    out. ``out/routes.jsonl`` gets one line for each picture: file, output, exit, predicted LPIPS,
    MACs, saving, budget and seed.

    Args:
        pipe: the pipeline.
        source: folder of label maps (not searched deeper; hidden files are no maps).
        out: folder to write, created if missing.
        budget: LPIPS to full depth, 0 to 1.
        seed: each map's own seed follows from this one and its file name.
        exit: render this exit whatever the budget.
        batch_size: maps that go through the model at once.
        as_: "ids" or "colours" if you know what the pixels of the pictures hold.
        progress: show a bar on standard error.

    Raises:
        InputError: a folder, the budget, the seed or the exit cannot be used.
        OSError: nothing can be written, such as on a full disk.
    """
    source, out = check_path(source, "source"), check_path(out, "out")
    jobs = plan(source, out, seed)
    todo = [job for job in jobs if not job.output.exists()]
    there = len(jobs) - len(todo)
    # Checks the arguments before anything is made.
    run = partial(generate_jobs, pipe, budget=budget, exit=exit, batch_size=batch_size, as_=as_)
    run([], out)
    out.mkdir(parents=True, exist_ok=True)
    bar = tqdm(total=len(jobs), initial=there, unit="map", disable=not progress)
    with bar, logging_redirect_tqdm():
        settle(out, {job.output.name for job in jobs})
        try:
            report = run(todo, out, done=bar.update)
        except KeyboardInterrupt:
            made = sum(job.output.exists() for job in jobs)
            logger.warning(
                "stopped: %d of %d maps have their picture; the same command goes on from there",
                made,
                len(jobs),
            )
            raise
    return replace(report, skipped=report.skipped + there)


def generate_jobs(
    pipe: LabelMapPipeline,
    jobs: Sequence[Job],
    out: Path,
    *,
    budget: float = 0.1,
    exit: int | None = None,
    batch_size: int = 8,
    as_: Reading | None = None,
    done: Callable[[int], object] = lambda maps: None,
) -> BulkReport:
    """Makes the pictures of ``jobs`` and writes their lines into ``out/routes.jsonl``.

    Several processes may work in one folder; what another one has made meanwhile is left alone.

    Args:
        pipe: the pipeline.
        jobs: of ``plan``.
        out: folder that exists.
        budget: LPIPS to full depth, 0 to 1.
        exit: render this exit whatever the budget.
        batch_size: maps that go through the model at once.
        as_: "ids" or "colours" if you know what the pixels of the pictures hold.
        done: called with the number of maps just finished or left out.

    Raises:
        InputError: an argument cannot be used.
        OSError: nothing can be written, such as on a full disk; what was written stays.
    """
    budget = check_budget(budget)
    failed: list[tuple[str, str]] = []
    written = 0
    readable = _readable(pipe, jobs, failed, as_, done)
    results = pipe.stream(readable, budget=budget, exit=exit, batch_size=batch_size, as_=as_)
    for job, result in results:
        try:
            written += place(encoded(result.image, "PNG"), job.output, _route(job, result, budget))
        except OSError as error:
            if error.errno not in _OF_ITS_NAME:
                raise
            _leave_out(job, f"{job.output.name[:60]}: {error.strerror}", failed)
        done(1)
    return BulkReport(written, len(jobs) - written - len(failed), tuple(failed))


def plan(source: Path, out: Path, seed: int) -> list[Job]:
    """The maps of a folder by name, each with the picture to write and its seed.

    Raises:
        InputError: the folder is missing or holds no map, or ``out`` would mix with it.
    """
    seed = check_seed(seed)
    if not source.is_dir():
        raise InputError(f"there is no folder {source}: check the path")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: choose a folder for the pictures")
    if out.resolve() == source.resolve():
        raise InputError(f"{out} holds the label maps: choose another folder for the pictures")
    files = sorted(path for path in source.iterdir() if is_map(path))
    if not files:
        raise InputError(f"{source} holds no label map ({', '.join(MAP_SUFFIXES)})")
    names = _outputs(files, longest_name(out))
    return [
        Job(path, out / name, seed_of(path.name, seed))
        for path, name in zip(files, names, strict=True)
    ]


def is_map(path: Path) -> bool:
    """Whether a file's name is a label map's: hidden ones, such as macOS's ``._*``, are none."""
    return path.suffix.lower() in MAP_SUFFIXES and not path.name.startswith(".")


def _outputs(files: Sequence[Path], longest: int) -> list[str]:
    """File names of the maps' pictures, all different, also where case makes no difference.

    A map that shares its stem with another, or whose stem is another's output, keeps its ending.
    """
    names = [path.stem for path in files]
    while True:
        counts = Counter(_folded(name) for name in names)
        longer = [
            path.name if counts[_folded(name)] > 1 else name
            for path, name in zip(files, names, strict=True)
        ]
        if longer == names:
            return [shortened(name, ".png", longest) for name in names]
        names = longer


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def seed_of(name: str, seed: int) -> int:
    """A seed from 0 to 2**63 − 1 that depends on nothing but the file's name and ``seed``."""
    # Names that are not UTF-8 hold surrogates.
    digest = hashlib.sha256(f"{seed}/{name}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _readable(
    pipe: LabelMapPipeline,
    jobs: Iterable[Job],
    failed: list[tuple[str, str]],
    as_: Reading | None,
    done: Callable[[int], object],
) -> Iterator[tuple[Job, LabelMap, int]]:
    for job in jobs:
        if job.output.exists():  # made by another process since
            done(1)
            continue
        try:
            label_map = pipe.read(job.source, as_=as_)
        except (InputError, OSError) as error:
            _leave_out(job, str(error), failed)
            done(1)
            continue
        yield job, label_map, job.seed


def _leave_out(job: Job, reason: str, failed: list[tuple[str, str]]) -> None:
    logger.warning("left out %s: %s", job.source.name, reason)
    failed.append((job.source.name, reason))


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
