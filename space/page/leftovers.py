"""What Gradio leaves on the disk: of an upload that is broken off it writes what has come so far
and forgets it; folders of files that it deletes stay, empty, one for each picture; and what a run
held that was ended stays for good.
"""

import functools
import os
import time
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import gradio as gr
from gradio import route_utils
from gradio.utils import get_upload_folder
from starlette.types import ASGIApp, Receive, Scope, Send

from space import uploads
from space.page.files import kept_by

NAMES = "tmp*"
"""What an upload is called until it is whole and gets the folder of its content."""

SECONDS = 3600.0
"""An upload that nobody has written to for so long is none any more, whoever received it; other
files are older than Gradio lets them grow."""

FOLDERS = "[0-9a-f]" * 64
"""What the folder of a file is called: by its content."""

_begun: ContextVar[list[Path] | None] = ContextVar("files that a request has begun", default=None)


def keep_account() -> None:
    """Makes Gradio's uploads known by the request that they belong to."""
    route_utils.NamedTemporaryFile = _begin


def keep_tidy() -> None:
    """Makes Gradio ``tidy`` whenever it looks for old files."""
    delete = route_utils.delete_files_created_by_app

    def delete_and_tidy(blocks: gr.Blocks, age: int | None) -> None:
        delete(blocks, age)
        tidy(blocks)

    if not hasattr(delete, "__wrapped__"):
        route_utils.delete_files_created_by_app = functools.wraps(delete)(delete_and_tidy)


def _begin(*args: Any, **kwargs: Any) -> Any:
    file = NamedTemporaryFile(*args, **kwargs)  # noqa: SIM115
    begun = _begun.get()
    if begun is not None:
        begun.append(Path(file.name))
    return file


class SweepLeftovers:
    """Middleware: when a request is over, what it has not moved to its place is deleted."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun: list[Path] = []
        token = _begun.set(begun)
        try:
            await self.app(scope, receive, send)
        finally:
            _begun.reset(token)
            for path in begun:
                path.unlink(missing_ok=True)


def sweep() -> None:
    """Deletes what an earlier run, ended in the middle of an upload, has left."""
    oldest = time.time() - SECONDS
    for path in Path(get_upload_folder()).glob(NAMES):
        try:
            if path.is_file() and path.stat().st_mtime < oldest:
                path.unlink()
        except FileNotFoundError:
            continue  # another run was faster


def tidy(page: gr.Blocks, seconds: float = SECONDS) -> None:
    """Deletes what nobody has needed for so long: files of runs that were ended, empty folders, and
    the names of files that are gone, which Gradio remembers."""
    folder = Path(get_upload_folder())
    oldest = time.time() - seconds
    if uploads.is_ours_alone(folder):
        _delete_files(folder, oldest, kept_by(page))
    for place in folder.glob(FOLDERS):
        # One that is not empty stays; another run may have been faster.
        with suppress(OSError):
            if place.stat().st_mtime < oldest:
                place.rmdir()
    for names in page.temp_file_sets:
        names -= {name for name in tuple(names) if not os.path.lexists(name)}


def _delete_files(folder: Path, oldest: float, kept: set[str]) -> None:
    for name in kept:
        with suppress(OSError):
            os.utime(name)  # Another demo beside this one is to know that it is needed.
    for path in folder.rglob("*"):
        with suppress(OSError):
            # As Gradio does: a copy has the time of its original, but not this one.
            if path.is_file() and str(path) not in kept and path.lstat().st_ctime < oldest:
                path.unlink()


def clear(page: gr.Blocks) -> None:
    """Deletes what a page that ends has taken and shown. Gradio does so only where nobody has the
    page open any more."""
    route_utils.delete_files_created_by_app(page, age=None)
