"""A few threads run the models, in turn; whatever else takes long does not wait for them."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event, current_thread
from typing import Any

import pytest
import torch

from space.page import model_threads
from space.page.model_threads import ModelThreads, aside, steps, submit, there


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_threads, "_threads", ModelThreads(1))


def run(asked: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(asyncio.wait_for(asked(), 60))


def test_calls_take_turns_in_one_thread() -> None:
    done: list[int] = []

    async def ask() -> list[Any]:
        await asyncio.gather(*(there(done.append, number) for number in range(5)))
        return [await there(lambda: current_thread().name) for _ in range(2)]

    assert run(ask) == ["model_0", "model_0"]
    assert done == [0, 1, 2, 3, 4]


def test_a_call_that_is_alone_has_all_processors_and_calls_beside_others_one() -> None:
    threads = ModelThreads(2)
    assert [threads.submit(torch.get_num_threads).result(60) for _ in range(3)] == [2, 2, 2]

    go_on, running = Event(), Event()

    def busy() -> int:
        running.set()
        assert go_on.wait(60)
        return torch.get_num_threads()

    first = threads.submit(busy)
    assert running.wait(60)
    beside = [threads.submit(torch.get_num_threads).result(60) for _ in range(3)]
    go_on.set()
    assert (first.result(60), beside) == (2, [1, 1, 1])
    assert threads.submit(torch.get_num_threads).result(60) == 2


def test_a_call_knows_whether_others_were_there() -> None:
    threads = ModelThreads(2)
    assert threads.undisturbed and threads.submit(lambda: threads.undisturbed).result(60)
    go_on, running = Event(), Event()

    def busy() -> tuple[bool, bool]:
        before = threads.undisturbed
        running.set()
        assert go_on.wait(60)
        return before, threads.undisturbed

    first = threads.submit(busy)
    assert running.wait(60)
    assert not threads.submit(lambda: threads.undisturbed).result(60)
    go_on.set()
    assert first.result(60) == (True, False)
    assert threads.submit(lambda: threads.undisturbed).result(60)


def test_what_keeps_its_number_of_threads_is_made_with_all() -> None:
    threads = ModelThreads(2)

    def made() -> list[int]:
        torch.set_num_threads(1)
        inside = threads.with_all_processors(torch.get_num_threads)
        return [inside, torch.get_num_threads()]

    assert threads.submit(made).result(60) == [2, 1]


def test_no_second_thread_ever_has_all_processors() -> None:
    """Whichever calls come when, and whichever are cancelled before their turn."""
    threads = ModelThreads(3)

    def name_and_processors() -> tuple[str, int]:
        return current_thread().name, torch.get_num_threads()

    asked = [threads.submit(name_and_processors) for _ in range(300)]
    gone = [one for one in asked[1::7] if one.cancel()]
    seen = {one.result(60) for one in asked if one not in gone}
    # One after the other, each at the very moment when the one before is answered.
    alone = {threads.submit(name_and_processors).result(60) for _ in range(300)}

    assert alone == {("model_0", 3)}
    assert all(count == 1 for name, count in seen if name != "model_0")


def test_whoever_is_no_model_has_one_processor() -> None:
    """Whenever it begins: torch itself would give it what the model's thread asked for last."""
    threads = ModelThreads(2)

    def new_thread() -> int:
        with ThreadPoolExecutor(1) as passing:
            return passing.submit(torch.get_num_threads).result()

    async def ask() -> int:
        return await aside(torch.get_num_threads)

    assert threads.submit(torch.get_num_threads).result(60) == 2
    threads.with_all_processors(bool)
    assert (new_thread(), run(ask)) == (1, 1)
    assert threads.submit(new_thread).result(60) == 1


def test_a_cancelled_call_counts_as_nobody() -> None:
    threads, go_on = ModelThreads(2), Event()
    running = [threads.submit(go_on.wait, 60) for _ in range(2)]
    assert threads.submit(bool).cancel()
    go_on.set()
    assert all(one.result(60) for one in running)
    assert threads.submit(torch.get_num_threads).result(60) == 2


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


def test_what_nobody_waits_for_ends_after_the_step_that_is_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(model_threads, "_threads", ModelThreads(2))
    go_on, running, ended = Event(), Event(), Event()

    def made() -> Iterator[int]:
        try:
            running.set()
            assert go_on.wait(60)
            yield 0
        finally:
            ended.set()

    async def ask() -> None:
        async def follow() -> None:
            async for _ in steps(made()):
                pass

        waiting = asyncio.create_task(follow())
        await aside(running.wait, 60)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert not ended.is_set()
        go_on.set()
        assert await aside(ended.wait, 60)

    run(ask)


@pytest.mark.parametrize("end", [ValueError, SystemExit, MemoryError])
def test_the_thread_survives_whatever_ends_a_call(end: type[BaseException]) -> None:
    def crash() -> None:
        raise end

    async def ask() -> Any:
        with pytest.raises((ValueError, RuntimeError, MemoryError)):
            await there(crash)
        return await there(int, "8")

    assert run(ask) == 8
