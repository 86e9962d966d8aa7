"""Uploads that were broken off: Gradio writes what has come so far to a file and forgets it."""

import time
from contextvars import ContextVar
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from gradio import route_utils
from gradio.utils import get_upload_folder
from starlette.types import ASGIApp, Receive, Scope, Send

NAMES = "tmp*"
"""What an upload is called until it is whole and gets the folder of its content."""

SECONDS = 3600.0
"""An upload that nobody has written to for so long is none any more, whoever received it."""

_begun: ContextVar[list[Path] | None] = ContextVar("files that a request has begun", default=None)


def keep_account() -> None:
    """Makes Gradio's uploads known by the request that they belong to."""
    route_utils.NamedTemporaryFile = _begin


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
