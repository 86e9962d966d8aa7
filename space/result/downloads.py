"""Buttons that save what is on the page; files are made when they are asked for, in memory."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from fiancee_hub.core.errors import InputError
from space.page.errors import plainly
from space.page.files import picture_address
from space.result.film import Film
from space.result.sheet import sheet

NOTHING_YET = "There is nothing to save yet: press Generate and wait until full depth is there."

SAVE = """(file) => {
  const link = document.createElement('a');
  link.href = file.address;
  link.download = file.name;
  document.body.append(link);
  link.click();
  link.remove();
}"""

File = dict[str, str]
"""Name and ``data:`` address of a file, for the visitor's browser to save."""


def picture_file(film: Film | None, name: str) -> File:
    """The delivered picture as PNG, marked as generated.

    Raises:
        InputError: there is none yet.
    """
    if film is None:
        raise InputError(NOTHING_YET)
    return file(f"{name}-exit-{film.chosen}.png", picture_address(film.early.result.image))


def comparison_file(film: Film | None, name: str) -> File:
    """The comparison as one PNG, marked as generated.

    Raises:
        InputError: full depth is not there yet.
    """
    if film is None or film.full is None:
        raise InputError(NOTHING_YET)
    return file(f"{name}-comparison.png", picture_address(sheet(film, name.capitalize())))


def file(name: str, address: str) -> File:
    return {"name": f"fiancee-{name}", "address": address}


def save_button(label: str, handler: Callable[..., File], inputs: Any, elem_id: str) -> gr.Button:
    """A button whose file the browser saves."""
    button = gr.Button(label, size="sm", min_width=130, elem_id=elem_id)
    # Not by visible="hidden": Gradio shows it when the column around it is shown again.
    made = gr.JSON(elem_classes="carrier")
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    event = button.click(plainly(handler), inputs, made, **private)
    event.success(None, made, None, js=SAVE, api_visibility="private")
    return button


def save_buttons(prefix: str, film: gr.State, name: str) -> None:
    """Save the picture, save the comparison."""
    save_button(
        "Save picture",
        lambda kept: picture_file(kept, name),
        film,
        f"{prefix}save-picture",
    )
    save_button(
        "Save comparison",
        lambda kept: comparison_file(kept, name),
        film,
        f"{prefix}save-comparison",
    )
