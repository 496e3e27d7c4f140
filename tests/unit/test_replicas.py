"""A pathway in several slots: the least busy is asked. Dormant ones are woken together."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

from cluster.running import Results, Running
from cluster.slot import Slot
from pathways import Inputs, PathwayId
from tests.unit.networks import LearnedNetwork, LocalSlots, Sets

DIGITS, FASHION = PathwayId("digits"), PathwayId("fashion")


class Counted(LocalSlots):
    """Slots that count their calls; those in `slow` answer when told."""

    def __init__(self, network: LearnedNetwork) -> None:
        super().__init__(network)
        self.calls: Counter[int] = Counter()
        self.slow: set[int] = set()
        self.go = asyncio.Event()

    async def run(self, handle: Slot, groups: Sequence[tuple[PathwayId, Inputs]]) -> Results:
        number = self.slots.index(handle)
        self.calls[number] += 1
        if number in self.slow:
            await self.go.wait()
        return await super().run(handle, groups)


def test_a_busy_slot_is_passed_over(network: LearnedNetwork, sets: Sets) -> None:
    async def work() -> None:
        slots = Counted(network)
        copies = (slots.start("digits"), slots.start("digits"))
        running = Running(slots.run, slots.wake)
        running.adopt(network.view(placement={DIGITS: copies}))
        slots.slow.add(0)
        x = sets["digits"][1].x[:2]
        waiting = []
        while not slots.calls[0]:
            waiting.append(asyncio.create_task(running.run({DIGITS: x})))
            await asyncio.sleep(0.01)
        before = slots.calls[1]
        for _ in range(10):
            await running.run({DIGITS: x})
        assert slots.calls == {0: 1, 1: before + 10}
        slots.go.set()
        await asyncio.gather(*waiting)

    asyncio.run(asyncio.wait_for(work(), 20))


def test_the_slot_with_fewer_calls_gets_the_next(network: LearnedNetwork, sets: Sets) -> None:
    async def work() -> None:
        slots = Counted(network)
        copies = (slots.start("digits"), slots.start("digits"))
        running = Running(slots.run, slots.wake)
        running.adopt(network.view(placement={DIGITS: copies}))
        slots.slow.update((0, 1))
        x = sets["digits"][1].x[:2]
        waiting = [asyncio.create_task(running.run({DIGITS: x})) for _ in range(10)]
        while slots.calls.total() < 10:
            await asyncio.sleep(0)
        assert slots.calls == {0: 5, 1: 5}
        slots.go.set()
        await asyncio.gather(*waiting)

    asyncio.run(asyncio.wait_for(work(), 20))


def test_dormant_pathways_of_a_batch_are_woken_together_while_residents_run(
    network: LearnedNetwork, sets: Sets
) -> None:
    async def work() -> None:
        class Gathering(Counted):
            """A wake ends once all three are asked for, and the resident is running."""

            async def wake(self, pathway: PathwayId, *, missing: bool) -> Slot:
                asked.add(pathway.task)
                while len(asked) < 2 or not self.calls[0]:
                    await asyncio.sleep(0)
                return await super().wake(pathway, missing=missing)

        asked: set[str] = set()
        slots = Gathering(network)
        running = Running(slots.run, slots.wake)
        running.adopt(network.view(placement={FASHION: (slots.start("fashion"),)}))
        x = sets["digits"][1].x[:2]
        given = await running.run({DIGITS: x, FASHION: x, PathwayId("lower"): x})
        assert asked == {"digits", "lower"}
        assert not [result for result in given.values() if isinstance(result, Exception)]

    asyncio.run(asyncio.wait_for(work(), 20))
