"""Calls that wait for the model's thread at the same time are answered in batches."""

import asyncio
from collections.abc import Iterator, Sequence
from threading import Event
from typing import Any

import pytest

from space.page.model_thread import Together, submit

Answers = Iterator[list[tuple[int, int | Exception]]]


class Server:
    """Doubles numbers, two in a step, and keeps what it did in order."""

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.together = Together(self.alone, self.batches, most=4)

    def alone(self, number: int) -> int:
        self.done.append(number)
        return 2 * number

    def batches(self, calls: Sequence[tuple[Any, ...]]) -> Answers:
        for begin in range(0, len(calls), 2):
            numbers = [number for (number,) in calls[begin : begin + 2]]
            self.done.append(numbers)
            yield [(begin + row, self.answer(number)) for row, number in enumerate(numbers)]

    def answer(self, number: int) -> int | Exception:
        return ValueError("13 is refused") if number == 13 else 2 * number

    def asked(self, numbers: Sequence[int], cancelled: Sequence[int] = ()) -> list[Any]:
        """What calls are answered that all come while the thread is busy."""

        async def ask() -> list[Any]:
            go_on = Event()
            busy = submit(go_on.wait, 60)
            calls = [asyncio.create_task(self.together.there(number)) for number in numbers]
            await asyncio.sleep(0)
            submit(self.done.append, "another's")
            for index in cancelled:
                calls[index].cancel()
            await asyncio.sleep(0)
            go_on.set()
            answers = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 60)
            busy.result()
            return answers

        return asyncio.run(ask())


def test_a_call_alone_is_answered_by_itself() -> None:
    server = Server()
    assert server.asked([3]) == [6]
    assert server.done[0] == 3


def test_calls_that_wait_share_batches_and_others_have_their_turn_between_steps() -> None:
    server = Server()
    assert server.asked([1, 2, 3]) == [2, 4, 6]
    assert server.done == [[1, 2], "another's", [3]]


def test_no_more_calls_are_taken_than_may_go_together() -> None:
    server = Server()
    assert server.asked([1, 2, 3, 4, 5]) == [2, 4, 6, 8, 10]
    assert [each for each in server.done if each != "another's"] == [[1, 2], 5, [3, 4]]


def test_a_refusal_is_only_for_its_own_call() -> None:
    one, refused, two = Server().asked([1, 13, 2])
    assert (one, two) == (2, 4)
    assert isinstance(refused, ValueError)


def test_cancelled_calls_are_left_out() -> None:
    server = Server()
    answers = server.asked([1, 2, 3], cancelled=[0])
    assert isinstance(answers[0], asyncio.CancelledError)
    assert answers[1:] == [4, 6]
    assert [2, 3] in server.done


@pytest.mark.parametrize("end", [ValueError, SystemExit, MemoryError])
def test_a_step_that_fails_is_answered_to_those_who_still_wait(
    end: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, answer = Server(), Server.answer

    def failing(self: Server, number: int) -> int | Exception:
        if number == 3:
            raise end
        return answer(self, number)

    monkeypatch.setattr(Server, "answer", failing)
    one, two, failed = server.asked([1, 2, 3])
    assert (one, two) == (2, 4)
    assert isinstance(failed, Exception)
    assert server.asked([4]) == [8]


def test_a_call_that_is_left_out_hears_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "batches", lambda self, calls: iter([[(0, 1)]]))
    one, forgotten = Server().asked([1, 2])
    assert one == 1
    assert isinstance(forgotten, RuntimeError)
