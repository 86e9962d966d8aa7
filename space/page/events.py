"""How events run: whose turn it is, what is shown meanwhile, and what is kept for a visitor."""

from typing import Any

import gradio as gr
from gradio.components import Component

MODEL = "model"
"""Name of the line in which events that need a model wait."""

VISITORS_AT_ONCE = 4
"""Visitors whose results are made at once, a step of each in turn: everybody's early picture comes
before anybody's last exits."""

KEPT_SECONDS = 1800
"""How long what belongs to a visitor stays in memory after the last change."""


def memory() -> gr.State:
    """A place for what belongs to one visitor, emptied when the page is closed or forgotten."""
    return gr.State(None, time_to_live=KEPT_SECONDS)


def private(**more: Any) -> dict[str, Any]:
    """Options of an event that is no endpoint and shows nothing while it runs."""
    return {"api_visibility": "private", "show_progress": "hidden", **more}


def model_event(**more: Any) -> dict[str, Any]:
    """Options of an event that needs the model and is no endpoint."""
    return {
        "concurrency_id": MODEL,
        "concurrency_limit": VISITORS_AT_ONCE,
        "show_progress": "minimal",
        "api_visibility": "private",
        **more,
    }


def quick_event(**more: Any) -> dict[str, Any]:
    """Options of an event that needs no model: it waits for nobody, and the newest counts."""
    return private(queue=False, trigger_mode="always_last", **more)


def unasked(instead: Component) -> dict[str, Any]:
    """Options of an event that fills an image editor: its progress shows on something else.

    Gradio tells whatever an event has once filled how every later one fares, and asks each for its
    value before: the editor would upload its map again at every step of a result.
    """
    return {"show_progress_on": [instead]}
