"""The slot pool carries out what residency decides, one slot's calls in the order they are sent."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from cluster.config import SlotConfig
from cluster.errors import NotResident, StoreDamagedError, TaskUnavailable
from cluster.nodes import Node
from cluster.places import Seat
from cluster.pool import SlotPool
from cluster.registry import PathwayEntry
from cluster.residency import Residency
from pathways import PathwayId, WeightsError
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


def test_waking_starts_a_slot_and_loads_into_it() -> None:
    async def work() -> None:
        made = Pool(max_slots=2)
        handle = await made.wake(A)
        assert handle is made.handles[0]
        assert handle.calls == [("load", "a@1")]
        assert made.pool.placement() == {A.id: (handle,)}
        assert made.pool.slots() == {A.id: (0,)}
        assert made.pool.nodes() == {0: "n0"}
        assert made.changes == 1

    run(work())


def test_a_resident_pathway_is_not_loaded_again() -> None:
    async def work() -> None:
        made = Pool(max_slots=2)
        first = await made.wake(A)
        assert await made.wake(A) is first
        assert first.calls == [("load", "a@1")]

    run(work())


def test_its_source_is_handed_to_the_slot() -> None:
    async def work() -> None:
        made = Pool(max_slots=1)
        linked = made_up_entry("b@1", source="a@1")
        handle = await made.wake(linked)
        assert handle.sources == [(linked.id, A.id)]

    run(work())


def test_wakes_at_the_same_time_load_once() -> None:
    async def work() -> None:
        made = Pool(max_slots=2)
        handles = await asyncio.gather(*(made.wake(A) for _ in range(5)))
        assert set(handles) == {made.handles[0]}
        assert made.handles[0].calls == [("load", "a@1")]
        assert list(made.handles) == [0]

    run(work())


def test_a_pathway_is_not_told_to_be_there_before_it_is_loaded() -> None:
    async def work() -> None:
        made = Pool(max_slots=1)
        await made.wake(A)
        made.handles[0].go.clear()
        waking = asyncio.create_task(made.wake(B))
        await let_others_run()
        assert B.id not in made.pool.placement()
        assert B.id not in made.pool.slots()
        made.handles[0].go.set()
        await waking
        assert list(made.pool.placement()) == [B.id]

    run(work())


def test_the_evicted_pathway_is_unloaded_before_the_new_one_is_loaded() -> None:
    async def work() -> None:
        made = Pool(max_slots=2)
        await made.wake(A)
        await made.wake(B)
        made.pool.use({A.id: 3})
        handle = await made.wake(C)
        assert handle is made.handles[1]
        assert handle.calls == [("load", "b@1"), ("unload", "b@1"), ("load", "c@1")]
        assert made.held() == {"a@1": {0}, "c@1": {1}}
        assert set(made.pool.placement()) == {A.id, C.id}

    run(work())


def test_a_packed_slot_is_shared() -> None:
    async def work() -> None:
        made = Pool(max_slots=1, pathways_per_slot=3)
        handles = await asyncio.gather(*(made.wake(e) for e in (A, B, C)))
        assert set(handles) == {made.handles[0]}
        assert made.handles[0].held == {A.id, B.id, C.id}

    run(work())


@pytest.mark.parametrize("damage", [WeightsError("bits are wrong"), StoreDamagedError("no file")])
def test_a_damaged_pathway_is_unavailable_and_its_place_free_again(damage: Exception) -> None:
    async def work() -> None:
        made = Pool(max_slots=2)
        await made.wake(A)
        await made.wake(B)
        made.handles[0].damaged["c@1"] = damage
        with pytest.raises(TaskUnavailable, match=f"c@1 cannot be loaded: {damage}"):
            await made.wake(C)
        assert set(made.pool.placement()) == {B.id}
        del made.handles[0].damaged["c@1"]
        assert await made.wake(A) is made.handles[0]
        assert set(made.pool.placement()) == {A.id, B.id}

    run(work())


def test_everyone_who_waits_for_a_damaged_pathway_is_told() -> None:
    async def work() -> None:
        made = Pool(max_slots=1)
        await made.wake(A)
        made.handles[0].damaged["b@1"] = WeightsError("bits are wrong")
        waking = (made.wake(B) for _ in range(3))
        outcomes = await asyncio.gather(*waking, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [TaskUnavailable] * 3

    run(work())


def test_a_caller_that_goes_away_does_not_stop_the_loading() -> None:
    async def work() -> None:
        made = Pool(max_slots=1)
        await made.wake(A)
        made.handles[0].go.clear()
        first, second = (asyncio.create_task(made.wake(B)) for _ in range(2))
        await let_others_run()
        first.cancel()
        made.handles[0].go.set()
        assert await second is made.handles[0]

    run(work())


def test_a_slot_that_restarts_while_it_loads_is_asked_again() -> None:
    async def work() -> None:
        made = Pool(max_slots=1)
        handle = await made.wake(A)
        handle.restarts = 1  # the load is lost, and what it held
        assert await made.wake(B) is handle
        assert made.held() == {"b@1": {0}}
        assert made.pool.slots() == {B.id: (0,)}

    run(work())


def test_slots_that_cannot_be_started_make_the_caller_give_up() -> None:
    async def work() -> None:
        made = Pool(max_slots=1)
        made.start_dead = True
        with pytest.raises(NotResident, match="b@1 could not be kept in a slot"):
            await made.wake(B)
        assert made.pool.placement() == {}
        made.start_dead = False
        await made.wake(B)
        assert made.pool.slots() == {B.id: (len(made.seats) - 1,)}

    run(work())


def test_what_is_being_loaded_is_not_evicted() -> None:
    async def work() -> None:
        made = Pool(max_slots=1)
        first = asyncio.create_task(made.wake(A))
        await let_others_run()
        handle = made.handles[0]
        assert await first is handle
        handle.go.clear()
        waking = [asyncio.create_task(made.wake(e)) for e in (B, C)]
        await let_others_run()
        assert handle.calls == [("load", "a@1"), ("unload", "a@1"), ("load", "b@1")]
        handle.go.set()
        outcomes = await asyncio.gather(*waking, return_exceptions=True)
        assert outcomes[1] is handle
        assert handle.calls[3:] == [("unload", "b@1"), ("load", "c@1")]
        assert made.held() == {"c@1": {0}}
        assert list(made.pool.placement()) == [C.id]

    run(work())


def test_wakes_of_more_pathways_than_places_all_end() -> None:
    async def work() -> None:
        made = Pool(max_slots=1)
        waking = [asyncio.create_task(made.wake(e)) for e in (A, B, A, C, B)]
        outcomes = await asyncio.gather(*waking, return_exceptions=True)
        assert all(o is made.handles[0] or isinstance(o, NotResident) for o in outcomes)
        assert {str(pathway): {0} for pathway in made.pool.placement()} == made.held()

    run(work())


def test_whatever_is_wanted_at_once_the_pool_knows_what_is_where() -> None:
    async def work() -> None:
        made = Pool(max_slots=2, pathways_per_slot=2)
        entries = [made_up_entry(f"t{i}@1") for i in range(6)]
        for step in range(5):
            wanted = [entries[(step * i + i) % 6] for i in range(12)]
            waking = (made.wake(entry) for entry in wanted)
            outcomes = await asyncio.gather(*waking, return_exceptions=True)
            unexpected = [o for o in outcomes if not isinstance(o, FakeSlotHandle | NotResident)]
            assert unexpected == []
        told = {str(pathway): set(slots) for pathway, slots in made.pool.slots().items()}
        assert told == made.held()
        assert max(len(handle.held) for handle in made.handles.values()) <= 2

    run(work())


def test_a_pathway_missing_from_its_slot_is_woken_again() -> None:
    async def work() -> None:
        made = Pool(max_slots=1, pathways_per_slot=2)
        for entry in (A, B):
            await made.wake(entry)
        made.handles[0].held.clear()  # its process restarted, empty
        await made.pool.reconcile(A.id)
        assert made.pool.placement() == {}
        assert made.pool.nodes() == {0: "n0"}
        await made.wake(A)
        assert made.handles[0].held == {A.id}

    run(work())


def test_a_lost_slot_is_started_anew() -> None:
    async def work() -> None:
        made = Pool(max_slots=1)
        lost = await made.wake(A)
        lost.dead = True
        before = made.changes
        await made.pool.reconcile(A.id)
        assert made.pool.placement() == {}
        assert made.pool.nodes() == {}
        assert made.changes == before + 1
        assert await made.wake(A) is not lost
        assert made.pool.slots() == {A.id: (1,)}
        assert made.seats == [Seat(node="n0", number=0)] * 2

    run(work())


def test_reconciling_a_dormant_or_a_present_pathway_changes_nothing() -> None:
    async def work() -> None:
        made = Pool(max_slots=1)
        handle = await made.wake(A)
        for pathway in (A.id, B.id, PathwayId("nobody")):
            await made.pool.reconcile(pathway)
        assert made.pool.placement() == {A.id: (handle,)}

    run(work())


def test_reports_of_the_same_lost_slot_at_once_are_one_loss() -> None:
    async def work() -> None:
        made = Pool(max_slots=1, pathways_per_slot=2)
        for entry in (A, B):
            await made.wake(entry)
        made.handles[0].dead = True
        await asyncio.gather(made.pool.reconcile(A.id), made.pool.reconcile(B.id))
        assert made.pool.nodes() == {}

    run(work())


def test_an_adopted_slot_keeps_its_pathways() -> None:
    async def work() -> None:
        made = Pool(max_slots=1)
        handle = FakeSlotHandle()
        handle.held.add(A.id)
        await made.pool.adopt(Seat(node="n0", number=0), handle)
        assert await made.wake(A) is handle
        assert handle.calls == []
        assert made.pool.slots() == {A.id: (0,)}
        assert made.changes == 1

    run(work())


def test_an_adopted_slot_that_runs_older_code_is_replaced_and_ended() -> None:
    async def work() -> None:
        made = Pool(max_slots=1)
        old = FakeSlotHandle()
        old.runs = "0123456789ab"
        old.held.add(A.id)
        await made.pool.adopt(Seat(node="n0", number=0), old)
        assert made.pool.outdated == 1
        for _ in range(3):
            made.pool.tend()
            await asyncio.sleep(0.01)
            assert await made.wake(A) in (old, *made.handles.values()), "it is never dormant"
        assert made.stopped == [old]
        assert made.held() == {str(A.id): {0}}
        assert made.seats == [Seat(node="n0", number=1)]
        assert made.pool.outdated == 0

    run(work())


def test_a_slot_that_an_earlier_controller_started_may_be_gone() -> None:
    async def work() -> None:
        made = Pool(max_slots=1)
        handle = FakeSlotHandle()
        handle.dead = True
        await made.pool.adopt(Seat(node="n9", number=0), handle)
        assert made.pool.nodes() == {}

    run(work())


# --- in use ------------------------------------------------------------------------------------


def test_a_pathway_that_a_caller_waits_for_is_not_evicted() -> None:
    async def work() -> None:
        made = Pool(max_slots=2)
        for entry in (A, B):
            await made.wake(entry)
        made.handles[0].awaited.add(A.id)
        assert await made.wake(C) is made.handles[1]
        assert made.held() == {"a@1": {0}, "c@1": {1}}

    run(work())


def test_only_what_a_caller_waits_for_is_to_stay() -> None:
    async def work() -> None:
        made = Pool(max_slots=2)
        await made.wake(A)
        await made.pool.wake(B.id, awaited=False)
        assert made.handles[0].stays[A.id] > 0
        assert made.handles[1].stays[B.id] == 0

    run(work())


def test_where_every_pathway_is_waited_for_the_next_waits_for_the_first_to_run() -> None:
    async def work() -> None:
        made = Pool(max_slots=1)
        handle = await made.wake(A)
        handle.awaited.add(A.id)
        waking = asyncio.create_task(made.wake(B))
        while ("refuse", "b@1") not in handle.calls:
            await asyncio.sleep(0)
        assert list(made.pool.placement()) == [A.id]
        handle.awaited.clear()
        assert await waking is handle
        assert made.held() == {"b@1": {0}}

    run(work())


def test_who_waits_for_a_place_in_vain_is_told() -> None:
    async def work() -> None:
        made = Pool(max_slots=1, pinned=("a",))
        await made.wake(A)
        with pytest.raises(NotResident, match=r"b@1 could not be kept in a slot within 1 s; .* 1 "):
            await made.wake(B)

    run(work())


def test_a_node_that_comes_makes_room_for_who_waits() -> None:
    async def work() -> None:
        made = Pool(max_slots=0, nodes=0)
        waking = asyncio.create_task(made.wake(A))
        await let_others_run()
        assert made.handles == {}
        made.pool.see([node(5)])
        await waking
        assert made.seats == [Seat(node="n5", number=0)]

    run(work())


# --- nodes and copies --------------------------------------------------------------------------


async def settled(made: Pool) -> None:
    for _ in range(20):
        made.clock.now += 1
        made.pool.tend()
        await let_others_run()


def test_slots_of_a_node_that_left_are_forgotten_and_pinned_tasks_woken_elsewhere() -> None:
    async def work() -> None:
        made = Pool(max_slots=4, nodes=2, pinned=("a", "b"))
        for entry in (A, B):
            await made.wake(entry)
        made.pool.see([node(1)])
        assert list(made.pool.placement()) == [B.id]
        await settled(made)
        assert set(made.pool.placement()) == {A.id, B.id}
        assert set(made.pool.nodes().values()) == {"n1"}

    run(work())


def test_a_node_that_joins_takes_over_pathways_which_answer_all_the_while() -> None:
    async def work() -> None:
        made = Pool(max_slots=0, per_node=2)
        for entry in (A, B):
            await made.wake(entry)
        made.pool.see([node(0), node(1)])
        made.pool.tend()
        assert made.seats[2] == Seat(node="n1", number=0)
        assert set(made.pool.placement()) == {A.id, B.id}
        await settled(made)
        assert sorted(made.pool.nodes().values()) == ["n0", "n1"]
        (left,) = made.stopped
        assert left.held == set()
        assert ("unload", left.calls[0][1]) in left.calls
        assert set(made.pool.placement()) == {A.id, B.id}

    run(work())


def test_a_hot_pathway_is_placed_twice() -> None:
    async def work() -> None:
        made = Pool(max_slots=4, nodes=2, replicate_above=10)
        await made.wake(A)
        for _ in range(20):
            made.clock.now += 1
            made.pool.use({A.id: 100})
        made.pool.tend()
        await let_others_run()
        assert made.pool.placement() == {A.id: (made.handles[0], made.handles[1])}
        assert made.seats[1].node != made.seats[0].node
        made.clock.now += 300
        made.pool.tend()
        await let_others_run()
        assert made.pool.placement() == {A.id: (made.handles[0],)}
        assert made.handles[1].held == set()

    run(work())


def test_when_one_slot_of_a_node_is_lost_the_others_are_looked_at() -> None:
    async def work() -> None:
        made = Pool(max_slots=3)
        for entry in (A, B, C):
            await made.wake(entry)
        made.handles[0].dead = made.handles[1].dead = True
        await made.pool.reconcile(A.id)
        await let_others_run()
        assert list(made.pool.placement()) == [C.id]

    run(work())


def test_where_ray_has_no_room_for_a_slot_a_pathway_is_evicted_instead() -> None:
    async def work() -> None:
        made = Pool(max_slots=3)
        made.room = 1
        await made.wake(A)
        assert await made.wake(B) is made.handles[0]
        assert made.pool.slots() == {B.id: (0,)}
        await made.wake(C)
        assert len(made.handles) == 2, "no other slot is tried for a while"
        made.room, made.clock.now = 3, made.clock.now + 60
        await made.wake(A)
        assert set(made.pool.placement()) == {A.id, C.id}

    run(work())


def test_pathways_that_wait_in_a_slot_that_cannot_start_go_elsewhere() -> None:
    async def work() -> None:
        made = Pool(max_slots=3, pathways_per_slot=2, nodes=1)
        made.room = 1
        await asyncio.gather(*(made.wake(entry) for entry in (A, B)))
        made.pool.use({A.id: 1, B.id: 1})
        d = made_up_entry("d@1")
        await asyncio.gather(made.wake(C), made.wake(d))
        assert made.pool.slots() == {C.id: (0,), d.id: (0,)}

    run(work())
