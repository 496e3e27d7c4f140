"""Requests that wait at the same moment become one batch.

Nothing waits when the process is idle: a batch starts as soon as the event loop has turned a few
times without another request. Measured with 32 connections on two cores, that made batches of 3 to
batches of 12, and twice the requests a second. While as many batches run as there are lanes,
requests gather for the next.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")

_QUIET_TURNS = 8
"""Requests that came in together reach us some turns apart, as some had more to read or parse. A
turn takes microseconds where there is nothing to do in it."""

Work = Callable[[Sequence[Asked]], Awaitable[Sequence[Answered | Exception]]]
"""Answers a batch, in its order; an exception is the answer of one request only."""


class Coalescer(Generic[Asked, Answered]):
    """Gathers requests of one event loop into batches and runs them."""

    def __init__(
        self,
        work: Work[Asked, Answered],
        *,
        size: Callable[[Asked], int] = lambda asked: 1,
        most: int = 256,
        lanes: int = 4,
    ) -> None:
        """A batch holds requests of `most` in size together, or one larger one; `lanes` batches
        run at once at most."""
        self._work = work
        self._size = size
        self._most = most
        self._free_lanes = lanes
        self._waiting: deque[tuple[Asked, asyncio.Future[Answered]]] = deque()
        self._scheduled = False
        self._running: set[asyncio.Task[None]] = set()

    async def __call__(self, asked: Asked) -> Answered:
        """The answer to one request; raises what `work` gave as its exception."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answered] = loop.create_future()
        self._waiting.append((asked, answer))
        self._schedule(loop)
        return await answer

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._waiting and self._free_lanes and not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._linger, len(self._waiting), 0)

    def _linger(self, waited: int, quiet: int) -> None:
        """Start once no request has come in for a few turns of the event loop, or all there is
        room for: where they never cease to come, none may wait for that."""
        waiting = len(self._waiting)
        quiet = quiet + 1 if waiting <= waited else 0
        if quiet >= _QUIET_TURNS or waiting >= self._most:
            self._start()
        else:
            asyncio.get_running_loop().call_soon(self._linger, waiting, quiet)

    def _start(self) -> None:
        self._scheduled = False
        loop = asyncio.get_running_loop()
        while self._waiting and self._free_lanes:
            self._free_lanes -= 1
            task = loop.create_task(self._run(self._take()))
            self._running.add(task)  # asyncio only keeps weak references
            task.add_done_callback(self._running.discard)

    def _take(self) -> list[tuple[Asked, asyncio.Future[Answered]]]:
        batch: list[tuple[Asked, asyncio.Future[Answered]]] = []
        room = self._most
        while self._waiting and (not batch or self._size(self._waiting[0][0]) <= room):
            given = self._waiting.popleft()
            if given[1].done():
                continue  # its caller has gone meanwhile
            batch.append(given)
            room -= self._size(given[0])
        return batch

    async def _run(self, batch: Sequence[tuple[Asked, asyncio.Future[Answered]]]) -> None:
        try:
            answers = await self._work([asked for asked, _ in batch]) if batch else ()
            for (_, waiting), answer in zip(batch, answers, strict=True):
                _settle(waiting, answer)
        except Exception as error:
            for _, waiting in batch:
                _settle(waiting, error)
        finally:
            self._free_lanes += 1
            self._schedule(asyncio.get_running_loop())


def _settle(waiting: asyncio.Future[Answered], answer: Answered | Exception) -> None:
    if waiting.done():
        return  # its caller has gone meanwhile
    if isinstance(answer, Exception):
        waiting.set_exception(answer)
    else:
        waiting.set_result(answer)


def in_place(
    groups: Iterable[Sequence[int]],
    given: Iterable[Sequence[Answered | Exception] | BaseException],
) -> list[Answered | Exception]:
    """Answers to the groups that a batch was parted into, in the batch's order.

    groups: places in the batch. A group may have failed as a whole; what ends the process is
    raised.
    """
    answers: dict[int, Answered | Exception] = {}
    for places, found in zip(groups, given, strict=True):
        if isinstance(found, Exception):
            answers.update(dict.fromkeys(places, found))
        elif isinstance(found, BaseException):
            raise found
        else:
            answers.update(zip(places, found, strict=True))
    return [answers[place] for place in range(len(answers))]
