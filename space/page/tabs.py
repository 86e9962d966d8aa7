"""A tab of the page, and what a family's screen offers to be put into one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from starlette.routing import Route

from space.page.links import Field

if TYPE_CHECKING:
    from fiancee_hub.rendering import Rendering


@dataclass(frozen=True)
class Tab:
    """Where a screen stands.

    Args:
        name: in links, endpoints and the ids of elements; no two tabs share it.
        title: its heading.
        opened: adds a listener that runs when a visitor gets to see the tab.
        first: whether it is open at first; links that name no tab mean this one.
    """

    name: str
    title: str
    opened: Callable[..., Any]
    first: bool = True

    def id(self, part: str) -> str:
        """The ``elem_id`` of a part of this tab."""
        return f"{self.name}-{part}"

    def endpoint(self, action: str) -> str:
        """What programs call an action of this tab."""
        return f"{self.name}-{action}".replace("-", "_")


@dataclass(frozen=True, eq=False)
class Sample:
    """A rendering of an example input.

    Args:
        rendering: of the input.
        name: what the input is called, such as "Terrace, seed 1".
        state: values of the link that shows it, budget apart.
    """

    rendering: "Rendering"
    name: str
    state: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Screen:
    """What a family shows in its tab; ``pipe`` is the family's pipeline.

    Args:
        warm_up: runs the model once, so that the first visitor's times are true ones.
        place: puts the screen on the page that is being built.
        fields: what links to the tab can hold.
        samples: example inputs, each list one of them in several variants.
        style: CSS of one tab, by the tab's name.
        scripts: JavaScript of all its tabs.
        rendering: what a link's values show, as the page opens without any; None: links to its
            tabs have no cards.
        routes: addresses of its own, beside those of Gradio's events.
    """

    warm_up: Callable[[Any], None]
    place: Callable[[Tab, Any], None]
    fields: Callable[[Any], Mapping[str, Field]]
    samples: Callable[[Any], list[list[Sample]]]
    style: Callable[[str, Any], str] = lambda name, pipe: ""
    scripts: tuple[Path, ...] = field(default=())
    rendering: Callable[[Any, Mapping[str, Any]], "Rendering"] | None = None
    routes: tuple[Route, ...] = ()


def when_opened(page: gr.Blocks, tab: gr.Tab, *, first: bool) -> Callable[..., Any]:
    """What to listen to: the tab that is open at first opens with the page."""
    return page.load if first else tab.select
