"""The slot pool carries out what residency decides, one slot's calls in the order they are sent."""

from __future__ import annotations

import asyncio

import pytest

from cluster.errors import NotResident, StoreDamagedError, TaskUnavailable
from pathways import WeightsError
from tests.unit.fakes import FakeSlotHandle, made_up_entry
from tests.unit.pools import A, B, C, Pool, let_others_run, run


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
