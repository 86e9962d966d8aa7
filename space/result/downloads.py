"""Buttons that save what is on the page; files are made when they are asked for, in memory."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from fiancee_hub.core.errors import InputError
from space.page.events import private
from space.page.files import picture_address
from space.page.outputs import Outputs
from space.page.scripts import call
from space.page.tabs import Tab
from space.result.comparison_picture import comparison_picture
from space.result.record import Record

NOTHING_YET = "There is nothing to save yet: press Generate and wait until full depth is there."

File = dict[str, str]
"""Name and ``data:`` address of a file, for the visitor's browser to save."""


def picture_file(record: Record | None, name: str) -> File:
    """The delivered picture as PNG, marked as generated.

    Args:
        record: what the page shows.
        name: of the tab.

    Raises:
        InputError: there is none yet.
    """
    if record is None:
        raise InputError(NOTHING_YET)
    return file(f"{name}-exit-{record.chosen}.png", picture_address(record.early.result.image))


def comparison_file(record: Record | None, name: str, title: str) -> File:
    """The comparison as one PNG, marked as generated.

    Args:
        record: what the page shows.
        name: of the tab.
        title: its heading, which stands above the pictures.

    Raises:
        InputError: full depth is not there yet.
    """
    if record is None or record.full is None:
        raise InputError(NOTHING_YET)
    return file(f"{name}-comparison.png", picture_address(comparison_picture(record, title)))


def file(name: str, address: str) -> File:
    return {"name": f"fiancee-{name}", "address": address}


def save_button(
    label: str, handler: Callable[..., File], inputs: Any, elem_id: str, js: str | None = None
) -> gr.Button:
    """A button whose file the browser saves; ``js`` may prepare the inputs."""
    button = gr.Button(label, size="sm", min_width=130, elem_id=elem_id)
    # Not by visible="hidden": Gradio shows it when the column around it is shown again.
    made = Outputs(file=gr.JSON(elem_classes="carrier"))
    fill = made.filled(lambda value: {"file": handler(value)})
    event = button.click(fill, inputs, made.components, js=js, **private())
    event.success(None, made.components, None, js=call("save"), api_visibility="private")
    return button


def save_buttons(tab: Tab, record: gr.State) -> None:
    """Save the picture, save the comparison."""
    save_button(
        "Save picture",
        lambda kept: picture_file(kept, tab.name),
        record,
        tab.id("save-picture"),
    )
    save_button(
        "Save comparison",
        lambda kept: comparison_file(kept, tab.name, tab.title),
        record,
        tab.id("save-comparison"),
    )


def link_button(tab: Tab) -> gr.Button:
    return gr.Button("Copy link", size="sm", min_width=130, elem_id=tab.id("copy-link"))


def link_place(tab: Tab) -> gr.HTML:
    """Where the copied link is shown."""
    return gr.HTML(elem_id=tab.id("link"), elem_classes="link")
