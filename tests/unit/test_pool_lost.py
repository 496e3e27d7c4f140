"""Slots that are lost, come from an earlier controller, or miss what they should hold."""

from __future__ import annotations

import asyncio

from cluster.places import Seat
from pathways import PathwayId
from tests.unit.fakes import FakeSlotHandle
from tests.unit.pools import A, B, Pool, run


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
