"""Where the page keeps uploads and results for as long as they are needed.

Gradio's own default is one folder for all accounts of a machine: the second account cannot write
into it.
"""

import os
import tempfile
from pathlib import Path

VARIABLE = "GRADIO_TEMP_DIR"
"""Gradio reads it, partly while it is imported."""


def keep_apart() -> None:
    """Gives Gradio a folder that this account alone can read, unless the host has named one."""
    if not os.environ.get(VARIABLE):
        os.environ[VARIABLE] = str(own_folder())


def own_folder() -> Path:
    """The account's folder in the system's one for temporary files; the same at every start."""
    folder = _usual()
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if _is_own(folder):
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix=f"{folder.name}-")).resolve()


def is_ours_alone(folder: Path) -> bool:
    """Whether nobody but demos of this account keeps files there; a host may have named any."""
    return folder == _usual() and _is_own(folder)


def _usual() -> Path:
    account = os.getuid() if hasattr(os, "getuid") else "own"
    return Path(tempfile.gettempdir()).resolve() / f"gradio-{account}"


def _is_own(folder: Path) -> bool:
    """Whether it is no link or folder that another account has put there."""
    if folder.is_symlink() or not os.access(folder, os.W_OK | os.X_OK):
        return False
    return not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()
