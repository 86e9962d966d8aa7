"""Gradio components that leave no picture on the server's disk.

Gradio writes a stub file beside this one when it is imported; git leaves it alone.
"""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components.imageslider import SliderData
from gradio.data_classes import FileData, ImageData

from space.page import files
from space.page.errors import plain_errors


class PictureSlider(gr.ImageSlider):
    """An ImageSlider that also shows ``data:`` addresses."""

    is_template = True

    def postprocess(self, value: Any) -> SliderData | None:
        """Two addresses, or whatever an ImageSlider takes."""
        if value and all(_is_address(side) for side in value):
            return SliderData(root=(ImageData(url=value[0]), ImageData(url=value[1])))
        return super().postprocess(value)


class PhotoInput(gr.Image):
    """Hands over the bytes of an upload, whose file is gone then; shows a ``data:`` address."""

    is_template = True

    def preprocess(self, payload: ImageData | None) -> Any:
        """The bytes of the uploaded file; None without one."""
        with plain_errors():
            return files.taken(Path(payload.path)) if payload and payload.path else None

    def postprocess(self, value: Any) -> ImageData | None:
        """A ``data:`` address, or None."""
        return ImageData(url=value) if value else None


class ClipInput(gr.UploadButton):
    """Hands over the path of an upload; whoever gets it deletes the file."""

    is_template = True

    def preprocess(self, payload: Any) -> Any:
        """Path of the uploaded file; None without one."""
        return Path(payload.path) if isinstance(payload, FileData) else None


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("data:")
