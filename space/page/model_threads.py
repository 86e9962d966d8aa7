"""The few threads that run the models; whoever needs one waits for it.

torch keeps a pool of threads for every thread that calls it. Gradio calls from many, whose pools
then fight for the same processors: convolutions take two to three times as long. So the models
have threads of their own, as many as there are processors. A call that is alone has all the
processors, and ends soonest; calls beside each other have one each, and more end in a second.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from contextvars import copy_context
from functools import partial
from threading import Lock, local
from typing import Any, ParamSpec, TypeVar

import torch

P = ParamSpec("P")
T = TypeVar("T")

_END: Any = object()


class ModelThreads:
    """So many threads, and how many processors each of them may use now.

    Args:
        count: of threads, and of processors for a call that is alone.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="model")
        self._lock = Lock()
        self._asked, self._ever = 0, 0
        self._own = local()

    def submit(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Lets a thread do something when its turn comes; not at all if cancelled before."""
        with self._lock:
            self._asked, self._ever = self._asked + 1, self._ever + 1
        context = copy_context()
        call = partial(work, *args, **kwargs)
        asked = self._pool.submit(lambda: context.run(self._done, call))
        asked.add_done_callback(lambda one: self._note_end() if one.cancelled() else None)
        return asked

    @contextmanager
    def all_processors(self) -> Iterator[None]:
        """For what keeps the number of threads that it is made with."""
        before = torch.get_num_threads()
        _share(self._count)
        try:
            yield
        finally:
            _share(before)

    @property
    def undisturbed(self) -> bool:
        """Whether the calling thread began alone, and nobody has asked for anything since."""
        return getattr(self._own, "began", self._ever) == self._ever

    def _note_end(self) -> None:
        with self._lock:
            self._asked -= 1

    def _done(self, call: Callable[[], T]) -> T:
        with self._lock:
            alone = self._asked == 1
            self._own.began = self._ever if alone else None
        _share(self._count if alone else 1)
        try:
            return call()
        except Exception:
            raise
        except BaseException as error:
            # The server would take it for its own end.
            raise RuntimeError(f"a model's thread was to end: {error!r}") from error
        finally:
            # Before anybody hears of it: the next call of whoever waited is alone.
            self._note_end()


def _share(processors: int) -> None:
    """Of the calling thread alone; changing it makes torch forget what it has prepared."""
    if torch.get_num_threads() != processors:
        torch.set_num_threads(processors)


_threads = ModelThreads(1)


def use(count: int) -> None:
    """From now on so many threads; what was asked of those before is still done."""
    global _threads
    _threads = ModelThreads(count)


def all_processors() -> AbstractContextManager[None]:
    """``ModelThreads.all_processors`` of those that are used now."""
    return _threads.all_processors()


def undisturbed() -> bool:
    """``ModelThreads.undisturbed`` of those that are used now: whether times are true."""
    return _threads.undisturbed


def submit(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """``ModelThreads.submit`` of those that are used now."""
    return _threads.submit(work, *args, **kwargs)


async def there(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What something returns that such a thread does; a cancelled waiter gives up its turn."""
    return await asyncio.wrap_future(submit(work, *args, **kwargs))


async def aside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What something returns that needs no model, such as reading or writing a picture: another
    thread does it, while the models make the next."""
    return await asyncio.to_thread(work, *args, **kwargs)


async def steps(made: Iterator[T]) -> AsyncIterator[T]:
    """What an iterator makes there, in turn with others at every step."""
    asked = submit(next, made, _END)
    try:
        while (step := await asyncio.wrap_future(asked)) is not _END:
            yield step
            asked = submit(next, made, _END)
    finally:
        # A step that is under way ends first.
        asked.add_done_callback(lambda _: submit(getattr(made, "close", bool)))


def each(made: Iterator[T]) -> Iterator[T]:
    """``steps`` for a thread that may wait."""
    while (step := submit(next, made, _END).result()) is not _END:
        yield step
