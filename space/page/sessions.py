"""Sessions that cost little: Gradio describes every component of the page for each of them, which
takes longer than a picture, though a program's call touches no component."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
import gradio.state_holder
from gradio.state_holder import SessionState


class LightSession(SessionState):
    """A session that describes a component when it changes; the others as soon as one asks."""

    def __init__(self, page: gr.Blocks) -> None:
        # Only the components that the page is said to have are described beforehand.
        nothing: Any = SimpleNamespace(default_config=page.default_config, blocks=())
        super().__init__(nothing)

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
