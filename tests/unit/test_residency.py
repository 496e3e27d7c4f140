"""Residency: a cache of pathways in slots, never over its limits, least recently used out."""

from __future__ import annotations

import random

import pytest

from cluster.config import SlotConfig
from cluster.residency import Placement, Residency
from pathways import PathwayId

A, B, C, D = (PathwayId(task) for task in "abcd")


def residency(max_slots: int, pathways_per_slot: int = 1) -> Residency:
    return Residency(SlotConfig(max_slots=max_slots, pathways_per_slot=pathways_per_slot))


def placement(slot: int, load: PathwayId, *, start: bool, evict: PathwayId | None) -> Placement:
    return Placement(slot=slot, start=start, evict=evict, load=load)


def check(table: Residency, max_slots: int, per_slot: int) -> None:
    """Both views of the table agree and nothing is over its limit."""
    seen = {pathway: slot for slot, held in table.slots.items() for pathway in held}
    assert seen == table.resident
    assert sum(map(len, table.slots.values())) == len(seen)
    assert len(table.slots) <= max_slots
    assert all(len(held) <= per_slot for held in table.slots.values())


def test_pathways_take_new_slots_while_there_may_be_more() -> None:
    table = residency(max_slots=2)
    assert table.place(A) == placement(0, A, start=True, evict=None)
    assert table.place(B) == placement(1, B, start=True, evict=None)
    assert table.slot_of(A) == 0
    assert table.slot_of(C) is None


def test_packed_slots_fill_up_before_another_is_started() -> None:
    table = residency(max_slots=2, pathways_per_slot=3)
    assert [table.place(pathway) for pathway in (A, B, C, D)] == [
        placement(0, A, start=True, evict=None),
        placement(0, B, start=False, evict=None),
        placement(0, C, start=False, evict=None),
        placement(1, D, start=True, evict=None),
    ]


def test_the_least_recently_used_pathway_makes_room() -> None:
    table = residency(max_slots=2)
    table.place(A)
    table.place(B)
    table.use(A)
    assert table.place(C) == placement(1, C, start=False, evict=B)
    assert table.place(D) == placement(0, D, start=False, evict=A)


def test_noting_the_use_of_a_dormant_pathway_changes_nothing() -> None:
    table = residency(max_slots=1)
    table.place(A)
    table.use(B)
    assert table.resident == {A: 0}


def test_a_pathway_to_keep_is_passed_over() -> None:
    table = residency(max_slots=2)
    table.place(A)
    table.place(B)
    assert table.place(C, keep={A}) == placement(1, C, start=False, evict=B)


def test_where_all_are_to_be_kept_nothing_is_placed_and_nothing_changes() -> None:
    table = residency(max_slots=2)
    table.place(A)
    table.place(B)
    assert table.place(C, keep=[B, A]) is None
    assert table.resident == {A: 0, B: 1}
    check(table, 2, 1)


def test_a_free_place_is_taken_whatever_is_to_be_kept() -> None:
    table = residency(max_slots=2)
    table.place(A)
    assert table.place(B, keep=[A]) == placement(1, B, start=True, evict=None)


def test_a_resident_pathway_is_not_placed_again() -> None:
    table = residency(max_slots=2)
    table.place(A)
    with pytest.raises(AssertionError, match="a@1 is resident already"):
        table.place(A)


def test_a_dropped_pathway_leaves_its_place_free() -> None:
    table = residency(max_slots=1)
    table.place(A)
    table.drop(A)
    table.drop(A)
    assert table.place(B) == placement(0, B, start=False, evict=None)


def test_a_lost_slot_takes_its_pathways_with_it() -> None:
    table = residency(max_slots=2, pathways_per_slot=2)
    for pathway in (B, A, C):
        table.place(pathway)
    assert table.lose_slot(0) == [A, B]
    assert table.resident == {C: 1}
    assert table.lose_slot(0) == []


def test_a_lost_slot_s_number_is_used_again() -> None:
    """The slot's actor keeps its name: a number left out would leave a process behind for good."""
    table = residency(max_slots=3)
    for pathway in (A, B, C):
        table.place(pathway)
    table.lose_slot(0)
    assert table.place(D) == placement(0, D, start=True, evict=None)


def test_adopted_slots_keep_what_they_hold() -> None:
    table = residency(max_slots=3)
    table.adopt(4, [A])
    table.adopt(2, [])
    assert table.resident == {A: 4}
    assert table.place(B) == placement(2, B, start=False, evict=None)
    started = table.place(C)
    assert started and started.start
    assert table.place(D) == placement(4, D, start=False, evict=A)
    check(table, 3, 1)


@pytest.mark.parametrize("per_slot", [1, 3])
@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_the_table_stays_right(seed: int, per_slot: int) -> None:
    random_ = random.Random(seed)
    max_slots, pathways = 4, [PathwayId(f"t{i}") for i in range(20)]
    table = residency(max_slots, per_slot)
    recent: list[PathwayId] = []  # resident, least recently used first
    for _ in range(2_000):
        pathway = random_.choice(pathways)
        step = random_.random()
        if step < 0.03 and table.slots:
            lost = table.lose_slot(random_.choice(list(table.slots)))
            recent = [p for p in recent if p not in lost]
        elif step < 0.08:
            table.drop(pathway)
            recent = [p for p in recent if p != pathway]
        elif pathway in table.resident:
            table.use(pathway)
            recent = [*(p for p in recent if p != pathway), pathway]
        else:
            full = len(recent) == max_slots * per_slot
            keep = set(random_.sample(recent, min(2, len(recent))))
            started, given = set(table.slots), table.place(pathway, keep)
            assert given
            assert given.evict == (next(p for p in recent if p not in keep) if full else None)
            assert given.start == (given.slot not in started)
            assert table.slot_of(pathway) == given.slot
            recent = [*(p for p in recent if p != given.evict), pathway]
        check(table, max_slots, per_slot)
        assert list(table.resident) == recent


def test_a_pathway_in_constant_use_stays() -> None:
    random_ = random.Random(5)
    table = residency(max_slots=3)
    table.place(A)
    for _ in range(200):
        table.use(A)
        other = PathwayId(f"t{random_.randrange(10)}")
        if other not in table.resident:
            table.place(other)
        assert A in table.resident
