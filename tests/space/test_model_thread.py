"""One thread runs the models, in turn; whatever else takes long does not wait for it."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from threading import Event, current_thread
from typing import Any

import pytest

from space.page.model_thread import aside, steps, submit, there


def run(asked: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(asyncio.wait_for(asked(), 60))


def test_calls_take_turns_in_one_thread() -> None:
    done: list[int] = []

    async def ask() -> list[Any]:
        await asyncio.gather(*(there(done.append, number) for number in range(5)))
        return [await there(lambda: current_thread().name) for _ in range(2)]

    assert run(ask) == ["model_0", "model_0"]
    assert done == [0, 1, 2, 3, 4]


def test_what_needs_no_model_does_not_wait_for_it() -> None:
    async def ask() -> Any:
        go_on = Event()
        busy = asyncio.create_task(there(go_on.wait, 60))
        name = await aside(lambda: current_thread().name)
        assert not busy.done()
        go_on.set()
        assert await busy
        return name

    assert run(ask) != "model_0"


def test_a_cancelled_call_gives_up_its_turn() -> None:
    done: list[int] = []

    async def ask() -> None:
        go_on = Event()
        busy = submit(go_on.wait, 60)
        calls = [asyncio.create_task(there(done.append, number)) for number in range(3)]
        await asyncio.sleep(0)
        calls[1].cancel()
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(*calls, return_exceptions=True)
        busy.result()

    run(ask)
    assert done == [0, 2]


def test_others_have_a_turn_between_two_steps() -> None:
    done: list[Any] = []

    def made() -> Iterator[int]:
        for number in range(2):
            done.append(number)
            yield number

    async def ask() -> None:
        async for number in steps(made()):
            if number == 0:
                submit(done.append, "another's")

    run(ask)
    assert done == [0, "another's", 1]


@pytest.mark.parametrize("end", [ValueError, SystemExit, MemoryError])
def test_the_thread_survives_whatever_ends_a_call(end: type[BaseException]) -> None:
    def crash() -> None:
        raise end

    async def ask() -> Any:
        with pytest.raises((ValueError, RuntimeError, MemoryError)):
            await there(crash)
        return await there(int, "8")

    assert run(ask) == 8
