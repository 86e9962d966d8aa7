"""Outputs of events by name: a handler gives values for some of them, the others stay."""

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, ParamSpec

import gradio as gr
from gradio.components import Component

from space.page.errors import plain_errors
from space.page.model_threads import steps, there

Updates = dict[str, Any]
"""New values by the outputs' names; what is not in it stays as it is."""

P = ParamSpec("P")


class Outputs:
    """Components by the names under which handlers give their values."""

    def __init__(self, **components: Component) -> None:
        self._components = components

    def __getitem__(self, name: str) -> Component:
        return self._components[name]

    def __or__(self, other: "Outputs") -> "Outputs":
        return Outputs(**self._components, **other._components)

    @property
    def components(self) -> list[Component]:
        return list(self._components.values())

    def filled(self, handler: Callable[P, Updates]) -> Callable[P, Any]:
        """A handler for Gradio, with plain errors."""

        @functools.wraps(handler)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> Any:
            with plain_errors():
                return self.keyed(handler(*args, **kwargs))

        return wrapped

    def by_model(self, handler: Callable[P, Updates]) -> Callable[P, Awaitable[Any]]:
        """The same for a handler that runs a model."""

        @functools.wraps(handler)
        async def wrapped(*args: P.args, **kwargs: P.kwargs) -> Any:
            with plain_errors():
                return self.keyed(await there(handler, *args, **kwargs))

        return wrapped

    def streamed(self, handler: Callable[P, Iterator[Updates]]) -> Callable[P, AsyncIterator[Any]]:
        """The same for a generating handler that runs a model."""

        @functools.wraps(handler)
        async def wrapped(*args: P.args, **kwargs: P.kwargs) -> AsyncIterator[Any]:
            silent = True
            with plain_errors():
                async for updates in steps(handler(*args, **kwargs)):
                    silent = False
                    yield self.keyed(updates)
            if silent:
                # Gradio empties what a generator that gives nothing was to fill.
                yield gr.skip()

        return wrapped

    def keyed(self, updates: Updates) -> Any:
        """Named values as Gradio takes them."""
        # Gradio takes an empty mapping for a value.
        return {self._components[name]: value for name, value in updates.items()} or gr.skip()
