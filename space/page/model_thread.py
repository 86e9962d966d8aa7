"""The one thread that runs the models; whoever needs one waits for it.

torch keeps a pool of threads for every thread that calls it. Gradio calls from many, whose pools
then fight for the same processors: convolutions take two to three times as long.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, Generic, ParamSpec, TypeAlias, TypeVar

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


Steps: TypeAlias = Iterator[list[tuple[int, T | Exception]]]
"""Answers by the numbers of their calls, some at every step."""


class Together(Generic[P, T]):
    """Calls that wait for the thread at the same time, answered in batches.

    Nobody waits for more to come: while one batch is made, the next gathers. Every step of it is a
    turn of its own, in turn with others.

    Args:
        alone: answers a call when no other waits.
        batches: from the arguments of several calls to an iterator over lists of answers, each
            with the number of its call; an exception is what its call raises.
        most: calls at once.
    """

    def __init__(
        self,
        alone: Callable[P, T],
        batches: Callable[[Sequence[tuple[Any, ...]]], Steps[T]],
        most: int,
    ) -> None:
        self._alone, self._batches, self._most = alone, batches, most
        self._waiting: deque[tuple[tuple[Any, ...], Future[T]]] = deque()

    async def there(self, *args: P.args, **_: P.kwargs) -> T:
        """What the call returns; a cancelled waiter gives up its place."""
        answer: Future[T] = Future()
        self._waiting.append((args, answer))
        submit(self._turn)
        return await asyncio.wrap_future(answer)

    def _turn(self) -> None:
        taken = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        calls = [each for each in taken if each[1].set_running_or_notify_cancel()]
        answers = [answer for _, answer in calls]
        if len(calls) == 1:
            self._step(iter([[(0, self._one(calls[0][0]))]]), answers)
        elif calls:
            self._step(self._batches([args for args, _ in calls]), answers)

    def _one(self, args: tuple[Any, ...]) -> T | Exception:
        try:
            return _survived(partial(self._alone, *args))
        except Exception as error:
            return error

    def _step(self, steps: Steps[T], answers: list[Future[T]]) -> None:
        """One step; the next one waits for its turn."""
        try:
            found = _survived(partial(next, steps, _END))
            if found is _END:
                raise RuntimeError("a call was left without an answer")
        except Exception as error:
            found = [(number, error) for number, each in enumerate(answers) if not each.done()]
        for number, answer in found:
            if isinstance(answer, Exception):
                answers[number].set_exception(answer)
            else:
                answers[number].set_result(answer)
        if not all(each.done() for each in answers):
            submit(self._step, steps, answers)
