"""Pictures on their way to the page and back: as addresses, as files, and uploads that go."""

import base64
import io
import os
from pathlib import Path
from typing import Any, Literal

import gradio as gr
from gradio.context import LocalContext
from gradio.processing_utils import hash_bytes
from gradio.utils import get_upload_folder
from PIL import Image

from fiancee_hub.core import marking
from fiancee_hub.core.errors import InputError
from fiancee_hub.core.files import write_bytes
from space.page import inline
from space.page.recent import Recent

Kind = Literal["png", "webp", "jpeg"]
"""PNG is exact; the others are small."""

QUALITY = 90

GONE = "The upload is gone: send it again."
NO_UPLOAD = "Send the picture as a file: handle_file(...) in gradio_client."

_recent = Recent()


def encoded(picture: Image.Image, kind: Kind = "png", *, marked: bool = False) -> bytes:
    """A picture as the bytes of a file; ``marked``: its metadata says that it is synthetic."""
    if marked:
        return marking.encoded(picture, kind, quality=QUALITY)
    file = io.BytesIO()
    picture.save(file, kind, quality=QUALITY, **marking.COMPRESSION.get(kind, {}))
    return file.getvalue()


def address(content: bytes, mime_type: str) -> str:
    """A ``data:`` address: the page gets the content itself, and nothing lies on the server."""
    return f"data:{mime_type};base64,{base64.b64encode(content).decode()}"


def picture_address(picture: Image.Image, kind: Kind = "png", *, marked: bool = True) -> str:
    """A picture as a ``data:`` address."""
    return address(encoded(picture, kind, marked=marked), f"image/{kind}")


def stored(picture: Image.Image, name: str = "picture", *, marked: bool = True) -> str:
    """Path of a PNG in Gradio's cache; equal pictures share one file.

    Args:
        picture: RGB.
        name: of the file, where a visitor saves it.
        marked: its metadata says that it is synthetic.

    Gradio itself writes over the file of an equal picture, even while another visitor is fetching
    it, who then sees half a picture or none.
    """
    content = encoded(picture, marked=marked)
    path = Path(get_upload_folder()).resolve() / hash_bytes(content) / f"{name}.png"
    try:
        os.utime(path)  # Gradio deletes what is old.
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content)
    return str(path)


def answer(path: str) -> Any:
    """A file in Gradio's cache as an endpoint returns it."""
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def uploaded(file: Any) -> Path:
    """Path of a file that came through the API, and no other file of this machine.

    Raises:
        InputError: it was not uploaded.
    """
    path = _upload_path(file)
    if path is None or not path.is_file():
        raise InputError(NO_UPLOAD)
    inline.forget(path)
    return path


def received(file: Any) -> bytes:
    """What a file that came through the API holds; the file is gone afterwards.

    Requests side by side that send the same file under the same name share one path, and the
    first of them deletes it: the others find what it held in memory, where it stays a minute.

    Raises:
        InputError: it was not uploaded, or longer ago than that.
    """
    path = _upload_path(file)
    known = path and _recent.get(path)
    content = known if known and path and not path.is_file() else taken(uploaded(file))
    if path:
        _recent.put(path, content)
    return content


def _upload_path(file: Any) -> Path | None:
    """Where the file of a request lies; None if that is no place for uploads."""
    path = Path(str(file.get("path", "") if isinstance(file, dict) else "")).resolve()
    return path if path.is_relative_to(Path(get_upload_folder()).resolve()) else None


def taken(path: Path) -> bytes:
    """What an uploaded file holds; the file is gone afterwards.

    Raises:
        InputError: it is gone already.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(GONE) from error
    finally:
        remove(path)


def remove(path: Path) -> None:
    """Deletes an uploaded file, unless the page itself lives on an equal one."""
    if str(path) not in _kept():
        path.unlink(missing_ok=True)


def _kept() -> set[str]:
    """Files of the page: equal content has one path, so an example that is uploaded is one."""
    page = LocalContext.blocks.get(None)
    return kept_by(page) if page else set()


def kept_by(page: gr.Blocks) -> set[str]:
    """Files that a page lives on, such as its examples."""
    kept: set[str] = set()
    return kept.union(*(getattr(part, "keep_in_cache", ()) for part in page.blocks.values()))
