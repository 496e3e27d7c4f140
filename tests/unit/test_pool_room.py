"""Who waits for a place, nodes that come and go, and pathways that are placed twice."""

from __future__ import annotations

import asyncio

import pytest

from cluster.errors import NotResident
from cluster.places import Seat
from tests.unit.fakes import made_up_entry
from tests.unit.pools import A, B, C, Pool, let_others_run, node, run, settled


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
