"""Coalescing: what waits together runs together, nothing waits for company, errors stay apart."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from cluster.coalesce import Coalescer


class Doubler:
    """Doubles numbers, refuses negative ones, and notes its batches; waits while held."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, batch: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(batch))
        await self.go.wait()
        return [ValueError(f"{n} is negative") if n < 0 else 2 * n for n in batch]


def test_what_is_asked_at_the_same_moment_runs_as_one_batch() -> None:
    async def ask() -> tuple[list[int], list[list[int]]]:
        doubler = Doubler()
        double = Coalescer(doubler)
        return await asyncio.gather(*(double(n) for n in range(5))), doubler.batches

    answers, batches = asyncio.run(ask())
    assert answers == [0, 2, 4, 6, 8]
    assert batches == [[0, 1, 2, 3, 4]]


def test_requests_gather_while_every_lane_is_busy() -> None:
    async def ask() -> list[list[int]]:
        doubler = Doubler()
        double = Coalescer(doubler, lanes=1)
        doubler.go.clear()
        first = asyncio.create_task(double(1))
        await asyncio.sleep(0.01)
        later = [asyncio.create_task(double(n)) for n in (2, 3)]
        await asyncio.sleep(0.01)
        assert doubler.batches == [[1]]
        doubler.go.set()
        assert await asyncio.gather(first, *later) == [2, 4, 6]
        return doubler.batches

    assert asyncio.run(ask()) == [[1], [2, 3]]


def test_a_stream_that_never_ceases_is_answered_batch_by_batch() -> None:
    async def ask() -> list[list[int]]:
        doubler = Doubler()
        double = Coalescer(doubler, most=4)
        asked = []
        for n in range(12):
            asked.append(asyncio.create_task(double(n)))
            await asyncio.sleep(0)  # one more in every turn of the event loop
        begun = [list(batch) for batch in doubler.batches]
        await asyncio.gather(*asked)
        return begun

    begun = asyncio.run(ask())
    assert begun[0] == [0, 1, 2, 3]
    assert len(begun) >= 2


def test_another_lane_takes_what_comes_while_one_is_busy() -> None:
    async def ask() -> list[list[int]]:
        doubler = Doubler()
        double = Coalescer(doubler, lanes=2)
        doubler.go.clear()
        asked = [asyncio.create_task(double(1))]
        await asyncio.sleep(0.01)
        asked.append(asyncio.create_task(double(2)))
        await asyncio.sleep(0.01)
        assert doubler.batches == [[1], [2]]
        doubler.go.set()
        assert await asyncio.gather(*asked) == [2, 4]
        return doubler.batches

    asyncio.run(ask())


def test_a_batch_is_bounded_and_a_larger_request_runs_alone() -> None:
    async def ask() -> list[list[int]]:
        doubler = Doubler()
        double = Coalescer(doubler, size=lambda n: n, most=4, lanes=1)
        assert await asyncio.gather(*(double(n) for n in (2, 2, 9, 1))) == [4, 4, 18, 2]
        return doubler.batches

    assert asyncio.run(ask()) == [[2, 2], [9], [1]]


def test_one_request_that_fails_spoils_no_other() -> None:
    async def ask() -> list[int | BaseException]:
        double = Coalescer(Doubler())
        return await asyncio.gather(double(1), double(-1), double(3), return_exceptions=True)

    first, failed, third = asyncio.run(ask())
    assert (first, third) == (2, 6)
    assert isinstance(failed, ValueError)


def test_work_that_breaks_tells_every_caller_and_later_ones_are_served() -> None:
    async def broken(batch: Sequence[int]) -> list[int | Exception]:
        if 0 in batch:
            raise ZeroDivisionError("0 is in the batch")
        return [1 // n for n in batch]

    async def ask() -> None:
        invert: Coalescer[int, int] = Coalescer(broken, lanes=1)
        with pytest.raises(ZeroDivisionError):
            await asyncio.gather(invert(1), invert(0))
        assert await invert(1) == 1

    asyncio.run(ask())


def test_a_caller_that_goes_away_is_left_out() -> None:
    async def ask() -> list[list[int]]:
        doubler = Doubler()
        double = Coalescer(doubler)
        gone = asyncio.create_task(double(1))
        stays = asyncio.create_task(double(2))
        await asyncio.sleep(0)
        gone.cancel()
        assert await stays == 4
        return doubler.batches

    batches = asyncio.run(ask())
    assert 2 in batches[0]
