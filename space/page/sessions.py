"""Calls that cost little: for each session Gradio describes every component of the page, which
takes longer than a picture, though a program's call touches no component; after each call it works
out statistics of all calls, which nobody can see; and it looks for the next a thousand times a
second, which takes processor time from the model. Nor do these sessions keep what a visitor was
shown."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
import gradio.state_holder
from gradio.state_holder import SessionState

CLOSED_SECONDS = 120
"""How long states stay once their page is closed: its connection may only have been cut."""

REST_SECONDS = 0.004
"""Between two looks at the queue; a call waits half of it on average."""


class LightSession(SessionState):
    """A session that describes a component when it changes; the others as soon as one asks."""

    def __init__(self, page: gr.Blocks) -> None:
        # Only the components that the page is said to have are described beforehand.
        nothing: Any = SimpleNamespace(default_config=page.default_config, blocks=())
        super().__init__(nothing)
        self.STATE_TTL_WHEN_CLOSED = CLOSED_SECONDS

    def _update_value_in_config(self, key: int, value: Any) -> None:
        """Only Gradio's own links to a session would need what a visitor was shown; sessions are
        kept for as long as the server runs, and photographs are not to be."""

    @property
    def components(self) -> Iterator[dict[str, Any]]:
        """Descriptions of all components."""
        known = self.blocks_config.blocks
        for key in known.keys() - self.config_values.keys():
            self.config_values[key] = self.blocks_config.config_for_block(key, [], known[key])
        return super().components


def keep_light() -> None:
    """Makes Gradio open such sessions."""
    gradio.state_holder.SessionState = LightSession  # type: ignore[assignment,misc]


def keep_no_statistics(page: gr.Blocks) -> None:
    """Spares a page, whose queue is set up, the statistics of its calls."""
    queue: Any = page._queue
    queue.compute_analytics_summary = lambda records: queue.cached_event_analytics_summary


def rest_between_calls(page: gr.Blocks) -> None:
    """Lets a page, whose queue is set up, look for calls less often."""
    page._queue.sleep_when_free = REST_SECONDS
