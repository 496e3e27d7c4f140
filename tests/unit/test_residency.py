"""Residency: a cache of pathways in slots, never over its limits, least recently used out."""

from __future__ import annotations

import random

import pytest

from cluster.config import SlotConfig
from cluster.instructions import Placement, Unload, Wake
from cluster.nodes import Node
from cluster.places import Seat
from cluster.residency import Residency
from pathways import PathwayId
from tests.unit.fakes import FakeClock

A, B, C, D = (PathwayId(task) for task in "abcd")
HERE = "n1"


def residency(
    max_slots: int, pathways_per_slot: int = 1, pinned: tuple[str, ...] = (), nodes: int = 1
) -> Residency:
    """A table over so many nodes with room for all slots each."""
    config = SlotConfig(max_slots=max_slots, pathways_per_slot=pathways_per_slot, pinned=pinned)
    table = Residency(config, FakeClock())
    table.nodes(Node(id=f"n{n + 1}", cpus=8) for n in range(nodes))
    return table


def load(table: Residency, pathway: PathwayId, source: PathwayId | None = None) -> Placement:
    """Place a pathway and say that it was loaded."""
    placement = table.place(pathway, source)
    assert placement is not None
    table.loaded(placement)
    return placement


def check(table: Residency, max_slots: int, per_slot: int) -> None:
    """Nothing is over its limit, and nothing is in two places of one slot."""
    held: dict[int, list[PathwayId]] = {slot: [] for slot in table.slots}
    for pathway, slots in table.resident.items():
        for slot in slots:
            held[slot].append(pathway)
    assert len(held) <= max_slots
    assert all(len(set(there)) == len(there) <= per_slot for there in held.values())


def test_pathways_take_new_slots_while_there_may_be_more() -> None:
    table = residency(max_slots=2)
    assert load(table, A) == Placement(load=A, slot=0, start=Seat(node=HERE, number=0))
    assert load(table, B) == Placement(load=B, slot=1, start=Seat(node=HERE, number=1))
    assert table.resident == {A: (0,), B: (1,)}
    assert table.slots == {0: HERE, 1: HERE}
    assert table.ready(C) == ()


def test_packed_slots_fill_up_before_another_is_started() -> None:
    table = residency(max_slots=2, pathways_per_slot=3)
    assert [load(table, pathway) for pathway in (A, B, C, D)] == [
        Placement(load=A, slot=0, start=Seat(node=HERE, number=0)),
        Placement(load=B, slot=0),
        Placement(load=C, slot=0),
        Placement(load=D, slot=1, start=Seat(node=HERE, number=1)),
    ]


def test_of_what_ran_together_the_one_that_ran_least_makes_room() -> None:
    table = residency(max_slots=2)
    load(table, A)
    load(table, B)
    table.use({B: 90, A: 2})
    assert load(table, C).evict == A


def test_the_least_recently_used_pathway_makes_room() -> None:
    table = residency(max_slots=2)
    load(table, A)
    load(table, B)
    table.use({A: 1})
    assert load(table, C) == Placement(load=C, slot=1, evict=B)
    assert load(table, D) == Placement(load=D, slot=0, evict=A)


def test_it_counts_as_resident_until_its_slot_says_that_it_is_gone() -> None:
    table = residency(max_slots=1)
    load(table, A)
    placement = table.place(B)
    assert placement
    assert table.resident == {A: (0,)}
    table.loaded(placement)
    assert table.resident == {B: (0,)}


def test_what_is_waited_for_in_its_slot_stays() -> None:
    table = residency(max_slots=2)
    load(table, A)
    load(table, B)
    placement = table.place(C)
    assert placement and placement.evict == A
    table.refused(placement)
    assert table.resident == {A: (0,), B: (1,)}
    assert not table.is_placed(C)
    assert load(table, C).evict == B


def test_noting_the_use_of_a_dormant_pathway_changes_nothing() -> None:
    table = residency(max_slots=1)
    load(table, A)
    table.use({B: 5})
    assert table.resident == {A: (0,)}


def test_where_all_are_being_loaded_nothing_is_placed_and_nothing_changes() -> None:
    table = residency(max_slots=2)
    first, second = table.place(A), table.place(B)
    assert first and second
    assert table.place(C) is None
    assert table.resident == {}
    table.loaded(second)
    assert load(table, C).evict == B


def test_without_nodes_there_is_no_room() -> None:
    table = Residency(SlotConfig())
    assert table.capacity == 0
    assert table.place(A) is None
    table.nodes([Node(id="n", cpus=0)])
    assert table.place(A) is None
    assert table.tend() == []


def test_a_resident_pathway_is_not_placed_again() -> None:
    table = residency(max_slots=2)
    table.place(A)
    with pytest.raises(AssertionError, match="a@1 is resident already"):
        table.place(A)


def test_a_dropped_pathway_leaves_its_place_free() -> None:
    table = residency(max_slots=1)
    load(table, A)
    table.drop(A, 0)
    table.drop(A, 0)
    table.drop(A, 17)
    assert load(table, B) == Placement(load=B, slot=0)


def test_a_lost_slot_takes_its_pathways_with_it() -> None:
    table = residency(max_slots=2, pathways_per_slot=2)
    for pathway in (B, A, C):
        load(table, pathway)
    table.lose_slot(0)
    assert table.resident == {C: (1,)}


def test_a_lost_slot_s_seat_is_used_again() -> None:
    """The slot's actor keeps its name: a seat left out would leave a process behind for good."""
    table = residency(max_slots=3)
    for pathway in (A, B, C):
        load(table, pathway)
    table.lose_slot(0)
    again = load(table, D)
    assert again == Placement(load=D, slot=3, start=Seat(node=HERE, number=0))


def test_adopted_slots_keep_what_they_hold() -> None:
    table = residency(max_slots=3)
    assert table.adopt(Seat(node=HERE, number=4), {A: None}) == 0
    assert table.adopt(Seat(node=HERE, number=2), {}) == 1
    assert table.resident == {A: (0,)}
    assert load(table, B) == Placement(load=B, slot=1)
    assert load(table, C).start == Seat(node=HERE, number=0)
    assert load(table, D) == Placement(load=D, slot=0, evict=A)
    check(table, 3, 1)


# --- pinned ------------------------------------------------------------------------------------


def test_a_pinned_task_stays() -> None:
    table = residency(max_slots=2, pinned=("a",))
    for pathway in (A, B, C, D):
        load(table, pathway)
    assert table.resident == {A: (0,), D: (1,)}


def test_where_all_are_pinned_nothing_is_placed() -> None:
    table = residency(max_slots=1, pinned=("a",))
    load(table, A)
    assert table.place(B) is None


def test_a_pinned_task_that_was_lost_is_woken_at_once() -> None:
    table = residency(max_slots=3, pinned=("a", "b"))
    for pathway in (A, B, C):
        load(table, pathway)
    table.lose_slot(0)
    table.missing(B, 1)
    table.missing(C, 2)
    assert table.tend() == [Wake(pathway=A), Wake(pathway=B)]
    assert table.tend() == []


def test_a_pinned_task_that_somebody_woke_meanwhile_is_left_alone() -> None:
    table = residency(max_slots=2, pinned=("a",))
    load(table, A)
    table.lose_slot(0)
    load(table, A)
    assert table.tend() == []


# --- hot ---------------------------------------------------------------------------------------


def hot_table(clock: FakeClock, **settings: int) -> Residency:
    config = SlotConfig(replicate_above=100, **settings)
    table = Residency(config, clock)
    table.nodes([Node(id="n1", cpus=8), Node(id="n2", cpus=8)])
    return table


def run_hot(table: Residency, clock: FakeClock, pathway: PathwayId, rate: int) -> None:
    """Use a pathway at a rate for a minute."""
    for _ in range(60):
        clock.now += 1
        table.use({pathway: rate})


def test_a_hot_pathway_gets_a_copy_on_another_node_and_loses_it_when_it_cools() -> None:
    clock = FakeClock()
    table = hot_table(clock, max_slots=4)
    load(table, A)
    run_hot(table, clock, A, 90)
    assert table.tend() == []
    run_hot(table, clock, A, 150)
    (placement,) = table.tend()
    assert placement == Placement(load=A, slot=1, start=Seat(node="n2", number=0))
    assert table.resident == {A: (0,)}
    assert table.tend() == [], "one is being loaded"
    table.loaded(placement)
    assert table.resident == {A: (0, 1)}
    run_hot(table, clock, A, 60)
    assert table.tend() == []
    run_hot(table, clock, A, 40)
    assert table.tend() == [Unload(pathway=A, slot=1)]
    assert table.resident == {A: (0,)}


def test_no_pathway_has_more_copies_than_it_may() -> None:
    clock = FakeClock()
    table = hot_table(clock, max_slots=6, max_replicas=3)
    load(table, A)
    for _ in range(5):
        run_hot(table, clock, A, 1000)
        for given in table.tend():
            assert isinstance(given, Placement)
            table.loaded(given)
    assert len(table.resident[A]) == 3
    table.use({A: 1})
    load(table, B)


def test_copies_are_in_slots_of_their_own() -> None:
    clock = FakeClock()
    table = hot_table(clock, max_slots=1, pathways_per_slot=4)
    load(table, A)
    run_hot(table, clock, A, 1000)
    assert table.tend() == []


def test_a_hot_pathway_that_was_lost_is_woken_at_once() -> None:
    clock = FakeClock()
    table = hot_table(clock, max_slots=2, max_replicas=1)
    load(table, A)
    load(table, B)
    run_hot(table, clock, A, 150)
    table.use({B: 1})
    assert sorted(table.nodes([])) == [0, 1]
    assert table.tend() == [Wake(pathway=A)]


def test_a_copy_that_is_lost_leaves_the_others() -> None:
    clock = FakeClock()
    table = hot_table(clock, max_slots=4)
    load(table, A)
    run_hot(table, clock, A, 150)
    (placement,) = table.tend()
    assert isinstance(placement, Placement)
    table.loaded(placement)
    assert table.nodes([Node(id="n2", cpus=8)]) == [0]
    assert table.resident == {A: (1,)}
    assert [type(given) for given in table.tend()] == []


# --- links -------------------------------------------------------------------------------------


def test_pathways_joined_by_a_link_live_together() -> None:
    table = residency(max_slots=4, pathways_per_slot=2, nodes=2)
    load(table, A)
    load(table, B)
    assert table.slots == {0: "n1", 1: "n2"}
    assert load(table, C, source=B).slot == 1
    assert load(table, D, source=B).slot != 1, "no room there"


def test_pathways_with_the_same_source_live_together_where_it_is_dormant() -> None:
    table = residency(max_slots=4, pathways_per_slot=3, nodes=2)
    load(table, A, source=D)
    load(table, B)
    assert load(table, C, source=D).slot == table.resident[A][0]


def test_a_source_is_placed_beside_what_borrows_from_it() -> None:
    table = residency(max_slots=4, pathways_per_slot=2, nodes=2)
    load(table, A, source=C)
    load(table, B)
    assert load(table, C).slot == table.resident[A][0]


# --- always ------------------------------------------------------------------------------------


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
            slot = random_.choice(list(table.slots))
            recent = [p for p in recent if table.resident[p] != (slot,)]
            table.lose_slot(slot)
        elif step < 0.08:
            for slot in table.ready(pathway):
                table.drop(pathway, slot)
            recent = [p for p in recent if p != pathway]
        elif pathway in table.resident:
            table.use({pathway: 1})
            recent = [*(p for p in recent if p != pathway), pathway]
        else:
            full = len(recent) == max_slots * per_slot
            given = load(table, pathway)
            assert given.evict == (recent[0] if full else None)
            assert table.ready(pathway) == (given.slot,)
            recent = [*(p for p in recent if p != given.evict), pathway]
        check(table, max_slots, per_slot)
        assert set(table.resident) == set(recent)


def test_a_pathway_in_constant_use_stays() -> None:
    random_ = random.Random(5)
    table = residency(max_slots=3)
    load(table, A)
    for _ in range(200):
        table.use({A: 1})
        other = PathwayId(f"t{random_.randrange(10)}")
        if other not in table.resident:
            load(table, other)
        assert A in table.resident
