"""Pictures that MCP clients send within a message instead of by their address.

Gradio writes them to a folder, makes uploads of them and forgets them there. So that they do not
stay, that folder is one of our own, and what has become an upload is deleted from it.
"""

import filecmp
import time
from pathlib import Path

import gradio.mcp
from gradio.utils import get_upload_folder

SECONDS = 3600
"""How long a picture stays that never became an upload; as long as the page promises."""


def folder() -> Path:
    return Path(get_upload_folder()) / "inline"


def keep_apart() -> None:
    """Makes Gradio write such pictures to the folder of this module."""
    gradio.mcp.DEFAULT_TEMP_DIR = str(folder())


def forget(upload: Path) -> None:
    """Deletes what has the content of an upload, and what is old."""
    oldest = time.time() - SECONDS
    for file in folder().glob("*/*"):
        try:
            if file.stat().st_mtime < oldest or filecmp.cmp(file, upload, shallow=False):
                file.unlink(missing_ok=True)
        except FileNotFoundError:
            continue  # another request was faster
