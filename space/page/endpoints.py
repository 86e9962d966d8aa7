"""What programs call: typed endpoints, which are MCP tools as well."""

import functools
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import gradio as gr
from gradio.context import LocalContext
from gradio.state_holder import StateHolder

from space.page.errors import plain_errors

CALLS_AT_ONCE = 3
"""Calls of a tab at once: two that are being made, while another is read or answered. A visitor of
the page waits for no more than these of each tab."""

KEPT_SESSIONS = 32
"""Programs whose session is kept: more than can be in the middle of an answer."""

P = ParamSpec("P")
R = TypeVar("R")

_sessions: OrderedDict[str, None] = OrderedDict()


def publish(handler: Callable[P, Awaitable[R]], name: str, tab: str) -> None:
    """Makes an endpoint, and an MCP tool, of a handler on the page that is being built.

    Args:
        handler: lets ``model_threads.there`` run the model, and ``aside`` whatever else takes long.
        name: of the endpoint.
        tab: whose calls wait in a line of their own.
    """
    published = _forgetful(handler)
    published.__name__ = name  # Gradio calls the tool so.
    gr.api(
        published,
        api_name=name,
        concurrency_id=line(tab),
        concurrency_limit=CALLS_AT_ONCE,
    )


def line(tab: str) -> str:
    """Gradio's name of the line in which a tab's calls wait."""
    return f"programs-{tab}"


def _forgetful(handler: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """A handler with plain errors, after which Gradio forgets the sessions of programs.

    Endpoints keep no state, yet every call of a program opens a session, for which Gradio copies
    lists of the whole page: for each of the last ten thousand.
    """

    @functools.wraps(handler)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with plain_errors(escaped=False):
                return await handler(*args, **kwargs)
        finally:
            # Here, where Gradio looks sessions up: none may vanish between two lines of its own.
            _forget_oldest()

    return wrapped


def _forget_oldest() -> None:
    """Remembers whose call this is; the session whose last call is longest ago goes."""
    page, request = LocalContext.blocks.get(None), LocalContext.request.get(None)
    session = getattr(request, "session_hash", None)
    if page is not None and session is not None:
        _keep_newest(page.state_holder, session)


def _keep_newest(states: StateHolder, session: str) -> None:
    _sessions[session] = None
    _sessions.move_to_end(session)
    if len(_sessions) > KEPT_SESSIONS:
        oldest, _ = _sessions.popitem(last=False)
        states.session_data.pop(oldest, None)
        states.time_last_used.pop(oldest, None)
