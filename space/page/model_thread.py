"""The one thread that runs the models; whoever needs one waits for it.

torch keeps a pool of threads for every thread that calls it. Gradio calls from many, whose pools
then fight for the same processors: convolutions take two to three times as long.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_thread = ThreadPoolExecutor(1, thread_name_prefix="model")
_END: Any = object()


def submit(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Lets the thread do something when its turn comes; not at all if cancelled before."""
    context = copy_context()
    return _thread.submit(lambda: context.run(_survived, partial(work, *args, **kwargs)))


def _survived(work: Callable[[], T]) -> T:
    try:
        return work()
    except Exception:
        raise
    except BaseException as error:
        # The server would take it for its own end.
        raise RuntimeError(f"the model's thread was to end: {error!r}") from error


async def there(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What something returns that the thread does; a cancelled waiter gives up its turn."""
    return await asyncio.wrap_future(submit(work, *args, **kwargs))


async def aside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What something returns that needs no model, such as reading or writing a picture: another
    thread does it, while the model makes the next."""
    return await asyncio.to_thread(work, *args, **kwargs)


async def steps(made: Iterator[T]) -> AsyncIterator[T]:
    """What an iterator makes there, in turn with others at every step."""
    try:
        while (step := await there(next, made, _END)) is not _END:
            yield step
    finally:
        # A step that is under way ends first.
        submit(getattr(made, "close", bool))


def each(made: Iterator[T]) -> Iterator[T]:
    """``steps`` for a thread that may wait."""
    while (step := submit(next, made, _END).result()) is not _END:
        yield step
