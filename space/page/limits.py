"""Uploads that are too large: refused by the browser already, in words that help."""

import re

import gradio as gr

from fiancee_hub.core.errors import InputError
from space.page.errors import plainly
from space.page.events import private
from space.page.scripts import call

UNITS = {"": 1, "b": 1, "kb": 2**10, "mb": 2**20, "gb": 2**30}


def in_bytes(size: str) -> int:
    """A size such as ``10mb``.

    Raises:
        ValueError: it is none; the message says how to write one.
    """
    found = re.fullmatch(r"\s*(\d+)\s*([a-z]*)\s*", size.lower())
    if not found or found[2] not in UNITS:
        raise ValueError(
            f"FIANCEE_UPLOAD is {size!r}: give a number and kb, mb or gb, such as 10mb"
        )
    return int(found[1]) * UNITS[found[2]]


def connect(size: str) -> None:
    """Lets the page's script say why a file is not taken.

    Args:
        size: of the largest upload, such as ``10mb``.
    """
    most = in_bytes(size) / 2**20

    def refuse(file: str) -> None:
        raise InputError(f"{file} is too large: shrink it to {most:g} MB or less. Nothing changed.")

    file = gr.Textbox(visible="hidden")
    gr.Button(visible="hidden", elem_id="too-large").click(
        plainly(refuse), file, None, js=call("tooLarge"), **private()
    )
