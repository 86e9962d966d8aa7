"""What programs call: typed endpoints, which are MCP tools as well."""

import functools
import inspect
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ParamSpec, TypeAlias, TypeVar

import gradio as gr
from gradio.context import LocalContext
from gradio.state_holder import StateHolder

from space.page.errors import plain_errors
from space.page.model_thread import Steps, Together, there

PROGRAMS, BATCHED = "programs", "programs-batched"
AT_ONCE = 1
"""Calls of programs that are read, made and answered at once, in a line of their own: a visitor
does not wait for all of theirs. More than one at a time made no difference on two cores."""

TOGETHER = 4
"""Calls at once of endpoints that make batches of them: what four gain early exits, and eight
hardly more."""

KEPT_SESSIONS = 32
"""Programs whose session is kept: more than can be in the middle of an answer."""

P = ParamSpec("P")
R = TypeVar("R")

Batches: TypeAlias = Callable[[Sequence[tuple[Any, ...]]], Steps[Any]]
"""From the arguments of several calls to their answers, batch by batch."""

_sessions: OrderedDict[str, None] = OrderedDict()


def publish(handler: Callable[P, R], name: str, batches: Batches | None = None) -> None:
    """Makes an endpoint, and an MCP tool, of a handler on the page that is being built.

    Args:
        handler: of one call; the model's thread runs it.
        name: of the endpoint.
        batches: of several calls that wait at the same time, for ``model_thread.Together``.
    """
    published = _forgetful(_by_model(handler, batches), handler)
    published.__name__ = name  # Gradio calls the tool so.
    gr.api(
        published,
        api_name=name,
        concurrency_id=BATCHED if batches else PROGRAMS,
        concurrency_limit=TOGETHER if batches else AT_ONCE,
    )


def _by_model(handler: Callable[P, R], batches: Batches | None) -> Callable[P, Awaitable[R]]:
    """A handler that the model's thread runs, alone or together with others."""
    if batches is None:
        return functools.partial(there, handler)
    together: Together[..., R] = Together(handler, batches, TOGETHER)
    signature = inspect.signature(handler)

    def answered(*args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        return together.there(*given.args)

    return answered


def _forgetful(
    run: Callable[P, Awaitable[R]], handler: Callable[P, R]
) -> Callable[P, Awaitable[R]]:
    """What an endpoint runs under the name of its handler, after which Gradio forgets the sessions
    of programs.

    Endpoints keep no state, yet every call of a program opens a session, for which Gradio copies
    lists of the whole page: for each of the last ten thousand.
    """

    @functools.wraps(handler)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            with plain_errors(escaped=False):
                return await run(*args, **kwargs)
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
