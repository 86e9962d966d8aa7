"""Uploads that are too large: refused by the browser already, in words that help."""

import gradio as gr

from fiancee_hub.core.errors import InputError
from space.page.errors import plainly
from space.page.events import private
from space.page.scripts import call
from space.settings import in_bytes


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
