"""The few threads that run the models; whoever needs one waits for it.

torch keeps a pool of threads for every thread that calls it. Gradio calls from many, whose pools
then fight for the same processors: convolutions take two to three times as long. So the models
have threads of their own, as many as there are processors. A call that is alone has all the
processors, and ends soonest; calls beside each other have one each, and more end in a second.

Only the first of these threads ever has more than one processor, for from the second pool on
OpenMP lets threads sleep where they waited before (libgomp's throttled spinning, where a program
has more threads than the machine has processors): at each of some hundred operations of a picture.
A second pool needs no model: reading a large map is enough.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
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
        self._first = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._others = ThreadPoolExecutor(count - 1, "models") if count > 1 else None
        self._lock = Lock()
        self._waiting = deque[tuple[Future[Any], Callable[[], Any]]]()
        self._first_works = False
        self._asked, self._ever = 0, 0
        self._own = local()

    def submit(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Lets a thread do something when its turn comes; not at all if cancelled before."""
        asked = Future[T]()
        call = partial(copy_context().run, work, *args, **kwargs)
        with self._lock:
            self._asked, self._ever = self._asked + 1, self._ever + 1
            self._waiting.append((asked, call))
        asked.add_done_callback(lambda one: self._note_end(False) if one.cancelled() else None)
        self._first.submit(self._take_turn, first=True)
        self._wake_another()
        return asked

    def with_all_processors(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """For what keeps the number of threads that it is made with. It is made in a thread that
        ends then, so that no second pool stays."""
        with ThreadPoolExecutor(1, initializer=share, initargs=(self._count,)) as passing:
            return passing.submit(copy_context().run, partial(work, *args, **kwargs)).result()

    @property
    def undisturbed(self) -> bool:
        """Whether the calling thread began alone, and nobody has asked for anything since."""
        return getattr(self._own, "began", self._ever) == self._ever

    def _wake_another(self) -> None:
        if self._others:
            # Where the interpreter ends, the first thread does what is left.
            with suppress(RuntimeError):
                self._others.submit(self._take_turn, first=False)

    def _take_turn(self, *, first: bool) -> None:
        """Does what has waited longest. Every call wakes the first thread, and so it comes for all
        that is left; another takes nothing from it while it does not work."""
        with self._lock:
            if not self._waiting or not (first or self._first_works):
                return
            asked, call = self._waiting.popleft()
            alone, left = first and self._asked == 1, bool(self._waiting)
            self._own.began = self._ever if alone else None
            self._first_works |= first
        if left:
            self._wake_another()
        processors = self._count if alone else 1
        if asked.set_running_or_notify_cancel():
            self._answer(asked, partial(self._call, call, processors, first))
        elif first:
            with self._lock:
                self._first_works = False

    def _call(self, call: Callable[[], T], processors: int, first: bool) -> T:
        try:
            share(processors)
            return call()
        except Exception:
            raise
        except BaseException as error:
            # The server would take it for its own end.
            raise RuntimeError(f"a model's thread was to end: {error!r}") from error
        finally:
            # Before anybody hears of it: the next call of whoever waited is alone.
            self._note_end(first)

    @staticmethod
    def _answer(asked: Future[T], call: Callable[[], T]) -> None:
        try:
            asked.set_result(call())
        except Exception as error:
            asked.set_exception(error)

    def _note_end(self, first: bool) -> None:
        with self._lock:
            self._asked -= 1
            self._first_works &= not first


_others = ThreadPoolExecutor(1, "default")
"""A thread without any work of its own."""


def share(processors: int) -> None:
    """So many processors for the calling thread, and one for each that has not called torch yet."""
    # Changing it makes torch forget what it has prepared.
    if torch.get_num_threads() == processors:
        return
    torch.set_num_threads(processors)
    if processors > 1:
        # Whoever has said it last has said it for all that begin; those who have begun keep theirs.
        _others.submit(torch.set_num_threads, 1).result()


_threads = ModelThreads(1)


def use(count: int) -> None:
    """From now on so many threads; what was asked of those before is still done."""
    global _threads
    share(1)
    _threads = ModelThreads(count)


def with_all_processors(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """``ModelThreads.with_all_processors`` of those that are used now."""
    return _threads.with_all_processors(work, *args, **kwargs)


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
