"""Files that are written whole or not at all."""

import errno
import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from PIL import Image

from fiancee_hub.core.errors import InputError, OutputError

_NAME_BYTES = 255
"""Of a file name, where the system does not say."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def told(path: Path, fact: str = "") -> Iterator[None]:
    """Turns what the system says of a path that cannot be written into one sentence about it.

    Args:
        path: what is written to.
        fact: a clause for the end of the sentence.

    Raises:
        OutputError: with what helps.
    """
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        fix = "make room, or choose" if error.errno in _FULL else "choose"
        reason = error.strerror or error
        raise OutputError(
            f"{path} could not be written ({reason}): {fix} another place{fact}"
        ) from error


@contextmanager
def aside(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path``, gone at the end unless it was moved.

    Its own name is short, since ``path`` may have the longest name that its folder takes.

    Args:
        path: of a file in the same folder, which exists.

    Yields:
        path of an empty file to write to; its name ends in ``.part``, so say the format.

    Raises:
        OutputError: the disk is full.
        OSError: what the writing raised.
    """
    partial = path.with_name(f".{uuid4().hex[:12]}.part")
    try:
        partial.touch(exist_ok=False)
        yield partial
    except OSError as error:
        if error.errno in _FULL:
            raise OutputError(
                f"there is no room left for {path}: make some, then try again"
            ) from error
        raise
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path`` that takes its place once it is complete.

    Whoever has the old file open keeps it. After an exception the old file is still there and the
    temporary one is gone; two writers of one path do not disturb each other.

    Args:
        path: the file to write; its folder exists.

    Yields:
        path of an empty file to write to; its name ends in ``.part``, so say the format.

    Raises:
        OutputError: nothing was written.
        OSError: what the writing raised.
    """
    with aside(path) as partial:
        mode = partial.stat().st_mode
        yield partial
        if not partial.stat().st_size:
            raise OutputError(f"{path}: nothing was written; check the free space of its disk")
        partial.chmod(mode)  # Some writers make files that only their owner may read.
        os.replace(partial, path)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_picture(picture: Image.Image, path: Path, kind: str, **options: Any) -> None:
    """Writes a picture whole or not at all.

    Args:
        picture: any that ``kind`` takes.
        path: the file; its folder exists.
        kind: Pillow's name of the format.
        options: of ``Image.save``.
    """
    # Encoded in memory: on a full disk some of Pillow's writers fall short without a word.
    file = io.BytesIO()
    picture.save(file, kind, **options)
    write_bytes(path, file.getvalue())


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file, which must not be empty, whole or not at all.

    Raises:
        OutputError: less was written than asked for.
    """
    with replacing(path) as partial:
        partial.write_bytes(content)
        written = partial.stat().st_size
        if written != len(content):
            raise OutputError(
                f"{path}: {written} of {len(content)} bytes were written; check the free space of "
                "its disk"
            )


def write_text(path: Path, content: str) -> None:
    """Writes a text file (UTF-8) whole or not at all."""
    write_bytes(path, content.encode())


def shortened(stem: str, ending: str, longest: int) -> str:
    """``stem + ending``; of one that has more than ``longest`` bytes a digest takes the end."""
    if len(os.fsencode(stem + ending)) <= longest:
        return stem + ending
    end = f"~{hashlib.sha256(stem.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}{ending}"
    start = os.fsencode(stem)[: longest - len(end)]
    return start.decode("utf-8", "ignore") + end


def longest_name(folder: Path) -> int:
    """Bytes that a file name may have in a folder that may be yet to make."""
    try:
        there = next(parent for parent in (folder, *folder.resolve().parents) if parent.is_dir())
        return os.pathconf(there, "PC_NAME_MAX")
    except (AttributeError, OSError, StopIteration, ValueError):
        return _NAME_BYTES


def check_output(out: Path, *inputs: Path | None) -> None:
    """Refuses to write over what was read.

    Raises:
        InputError: ``out`` is one of the inputs.
    """
    if any(path is not None and path.resolve() == out.resolve() for path in inputs):
        raise InputError(f"{out} is one of the inputs: choose another --out")
