"""A slot pool over slots that exist in this process only."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from cluster.config import SlotConfig
from cluster.nodes import Node
from cluster.places import Seat
from cluster.pool import SlotPool
from cluster.registry import PathwayEntry
from cluster.residency import Residency
from pathways import PathwayId
from tests.unit.fakes import FakeClock, FakeSlotHandle, made_up_entry

A, B, C = (made_up_entry(f"{task}@1") for task in "abc")


def node(number: int) -> Node:
    return Node(id=f"n{number}", cpus=8)


class Pool:
    """A SlotPool over fake handles."""

    def __init__(
        self, max_slots: int, pathways_per_slot: int = 1, nodes: int = 1, **settings: Any
    ) -> None:
        self.handles: dict[int, FakeSlotHandle] = {}
        self.seats: list[Seat] = []
        self.stopped: list[FakeSlotHandle] = []
        self.changes = 0
        self.start_dead = False
        self.room = 1000
        """Slots that Ray can start."""
        self.clock = FakeClock()
        config = SlotConfig(max_slots=max_slots, pathways_per_slot=pathways_per_slot, **settings)
        self.sources = {A.id: A, B.id: B, C.id: C}
        self.pool = SlotPool(
            Residency(config, self.clock),
            self._start,
            self._stop,
            self._find,
            self._changed,
            patience_s=1.0,
        )
        self.pool.see(node(n) for n in range(nodes))
        self.changes = 0

    def _start(self, seat: Seat) -> FakeSlotHandle:
        handle = self.handles[len(self.handles)] = FakeSlotHandle()
        handle.dead = self.start_dead
        handle.no_room = len(self.handles) > self.room
        self.seats.append(seat)
        return handle

    async def _stop(self, handle: FakeSlotHandle) -> None:
        self.stopped.append(handle)

    def _find(self, pathway: PathwayId) -> tuple[PathwayEntry, PathwayEntry | None]:
        entry = self.sources[pathway]
        return entry, self.sources[entry.spec.source] if entry.spec.source else None

    async def wake(self, entry: PathwayEntry) -> FakeSlotHandle:
        self.sources[entry.id] = entry
        handle: FakeSlotHandle = await self.pool.wake(entry.id)
        return handle

    def _changed(self) -> None:
        self.changes += 1

    def held(self) -> dict[str, set[int]]:
        """Pathway → slots that really hold it."""
        found: dict[str, set[int]] = {}
        for slot, handle in self.handles.items():
            for pathway in handle.held:
                found.setdefault(str(pathway), set()).add(slot)
        return found


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, timeout=10))


async def let_others_run() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def settled(made: Pool) -> None:
    for _ in range(20):
        made.clock.now += 1
        made.pool.tend()
        await let_others_run()
