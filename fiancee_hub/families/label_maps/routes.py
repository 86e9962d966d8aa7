"""routes.jsonl: one line for each picture of a folder, whatever stops the run that writes it.

A picture takes its place and its line is written in one locked step, so that runs side by side
neither make a picture twice nor tear each other's lines. What a killed process leaves, half a line
or a line whose picture never came, the next one repairs.
"""

import errno
import json
import logging
import os
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from fiancee_hub.core.files import aside, write_bytes

try:
    import fcntl
except ImportError:  # Windows: no lock, so one run at a time there
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

ROUTES = "routes.jsonl"

_ABANDONED = 3600
"""Seconds after which a temporary file belongs to a run that is dead."""


def settle(folder: Path, outputs: Collection[str]) -> None:
    """Repairs what earlier runs left behind in a folder.

    Afterwards every line of its ``ROUTES`` is a JSON object, and of ``outputs`` those that exist
    have at most one line, those that do not have none. Lines of other pictures stay.

    Args:
        folder: of the pictures.
        outputs: file names of the pictures of this run.
    """
    for partial in folder.glob(".*.part"):
        with suppress(OSError):
            if time.time() - partial.stat().st_mtime > _ABANDONED:
                partial.unlink()
    path = folder / ROUTES
    if not path.is_file():
        return
    with _locked(path) as file:
        file.seek(0)
        lines = file.read().splitlines(keepends=True)
        missing = {name for name in outputs if not (folder / name).exists()}
        kept = _kept(lines, set(outputs), missing)
        if len(kept) < len(lines):
            logger.info("took %d damaged or idle lines out of %s", len(lines) - len(kept), path)
            _replace(path, b"".join(kept))


def _kept(lines: list[bytes], outputs: set[str], missing: set[str]) -> list[bytes]:
    """The lines that stay: of a picture that has several, the last."""
    kept: list[bytes] = []
    seen: set[str] = set()
    for line in reversed(lines):
        row = _row(line)
        if row is None or row.get("output") in missing | seen:
            continue
        if row.get("output") in outputs:
            seen.add(row["output"])
        kept.append(line)
    return kept[::-1]


def _row(line: bytes) -> dict[str, Any] | None:
    """What a line says; None if it is damaged."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and isinstance(row.get("output", ""), str) else None


def _replace(path: Path, content: bytes) -> None:
    if content:
        write_bytes(path, content)
    else:
        path.unlink()


def place(picture: bytes, output: Path, row: Mapping[str, Any]) -> bool:
    """Writes a picture and its line, both or neither.

    Args:
        picture: content of its file.
        output: the file; its folder exists.
        row: content of its line.

    Returns:
        whether it was written; not if it is there already, from another run.
    """
    with aside(output) as partial:
        partial.write_bytes(picture)
        with _locked(output.with_name(ROUTES)) as file:
            end = file.seek(0, os.SEEK_END)
            if output.exists():
                return False
            try:
                _write(file, json.dumps(row).encode() + b"\n")
                os.replace(partial, output)
            except BaseException:
                # Also after Ctrl-C, which may come when the picture is in place already.
                if not output.exists():
                    file.truncate(end)
                raise
    return True


def _write(file: BinaryIO, line: bytes) -> None:
    """Writes all of a line.

    Raises:
        OSError: the disk is full; a part of the line may be there.
    """
    # Unbuffered files write what fits, and raise only where nothing does.
    if file.write(line) < len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def _locked(path: Path) -> Iterator[BinaryIO]:
    """The lines for this process alone, none of them half; created if missing."""
    file = _opened(path)
    while not _is(file, path):  # another process has replaced it meanwhile
        file.close()
        file = _opened(path)
    with file:
        _end_whole(file)
        yield file


def _opened(path: Path) -> BinaryIO:
    # Unbuffered, so that a full disk says so at once and nothing is written at the end.
    file = path.open("a+b", buffering=0)
    # Some network folders have no locks: there one run at a time is safe.
    with suppress(OSError):
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
    return file


def _is(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _end_whole(file: BinaryIO) -> None:
    """Takes away a half line at the end, or ends one that only lacks its end."""
    file.seek(0)
    content = file.read()
    start = content.rfind(b"\n") + 1
    if start == len(content):
        return
    if _row(content[start:]) is None:
        file.truncate(start)
    else:
        file.write(b"\n")
