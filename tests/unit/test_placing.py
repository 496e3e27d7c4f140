"""Pathways are placed over nodes, move to those that join, and leave slots that run older code."""

from __future__ import annotations

from cluster.config import SlotConfig
from cluster.instructions import Placement, Stop, Unload
from cluster.nodes import Node
from cluster.places import Seat
from cluster.residency import Residency
from pathways import PathwayId
from tests.unit.fakes import FakeClock


def node(name: str, cpus: float = 8.0, gpus: float = 0.0) -> Node:
    return Node(id=name, cpus=cpus, gpus=gpus)


class Cluster:
    """A residency over some nodes whose instructions are carried out at once."""

    def __init__(self, config: SlotConfig, *nodes: Node) -> None:
        self.clock = FakeClock()
        self.table = Residency(config, self.clock)
        self.now(*nodes)

    def now(self, *nodes: Node) -> None:
        """These are the nodes."""
        self.table.nodes(nodes)

    def wake(self, *tasks: str) -> None:
        for task in tasks:
            placement = self.table.place(PathwayId(task))
            assert placement
            self.table.loaded(placement)

    def settle(self) -> list[int]:
        """Tend until nothing is left to do; returns how many pathways moved at once."""
        at_once = []
        for _ in range(100):
            self.clock.now += 1
            given = self.table.tend()
            moves = [i for i in given if isinstance(i, Placement)]
            before = self.table.resident
            for move in moves:
                assert before[move.load], "it answers from its old place meanwhile"
                self.table.loaded(move)
            for ended in [i for i in given if isinstance(i, Stop)]:
                self.table.stopped(ended.slot)
            at_once += [len(moves)] if moves else []
            if not given:
                return at_once
        raise AssertionError("it never ends")

    def on(self, node: str) -> int:
        """Pathways on a node."""
        slots = self.table.slots
        return sum(slots[slot] == node for held in self.table.resident.values() for slot in held)


def test_pathways_spread_over_the_nodes_in_proportion_to_their_room() -> None:
    cluster = Cluster(SlotConfig(cpus=1), node("a", 6), node("b", 3))
    cluster.wake(*"abcdef")
    assert (cluster.on("a"), cluster.on("b")) == (4, 2)
    assert cluster.settle() == []


def test_a_packed_network_spreads_too() -> None:
    cluster = Cluster(SlotConfig(pathways_per_slot=4), node("a"), node("b"))
    cluster.wake(*"abcdef")
    assert (cluster.on("a"), cluster.on("b")) == (3, 3)
    assert len(cluster.table.slots) == 2


def test_a_node_that_joins_takes_over_residents_a_few_at_once() -> None:
    cluster = Cluster(SlotConfig(per_node=16), node("a"))
    cluster.wake(*(f"t{i}" for i in range(12)))
    cluster.now(node("a"), node("b"))
    moves = cluster.settle()
    assert (cluster.on("a"), cluster.on("b")) == (6, 6)
    assert sum(moves) == 6
    assert len(cluster.table.slots) == 12


def test_a_node_that_joins_brings_room_for_more() -> None:
    cluster = Cluster(SlotConfig(per_node=2), node("a"))
    cluster.wake(*"abcd")
    assert len(cluster.table.resident) == 2
    cluster.now(node("a"), node("b"))
    cluster.wake(*"ab")
    assert len(cluster.table.resident) == 4
    assert (cluster.on("a"), cluster.on("b")) == (2, 2)


def test_where_the_number_of_slots_is_given_they_are_shared_with_the_node_that_joins() -> None:
    cluster = Cluster(SlotConfig(max_slots=6), node("a"))
    cluster.wake(*"abcdef")
    cluster.now(node("a"), node("b"), node("c"))
    cluster.settle()
    assert [cluster.on(name) for name in "abc"] == [2, 2, 2]
    assert len(cluster.table.slots) == 6


def test_a_packed_slot_moves_as_a_whole_a_few_pathways_at_once() -> None:
    cluster = Cluster(SlotConfig(per_node=4, pathways_per_slot=10), node("a"))
    cluster.wake(*(f"t{i}" for i in range(40)))
    cluster.now(node("a"), node("b"))
    moves = cluster.settle()
    assert (cluster.on("a"), cluster.on("b")) == (20, 20)
    assert max(moves) <= 4


def test_what_a_node_loses_is_woken_elsewhere_when_it_is_wanted() -> None:
    cluster = Cluster(SlotConfig(per_node=4), node("a"), node("b"))
    cluster.wake(*"abcd")
    cluster.now(node("b"))
    assert len(cluster.table.resident) == 2
    cluster.wake(*(set("abcd") - {p.task for p in cluster.table.resident}))
    assert cluster.on("b") == 4


def test_nothing_is_placed_on_a_node_that_may_be_dead() -> None:
    cluster = Cluster(SlotConfig(per_node=2), node("a"), node("b"))
    cluster.wake("a", "b")
    lost = next(slot for slot, where in cluster.table.slots.items() if where == "a")
    cluster.table.lose_slot(lost)
    cluster.wake("c", "d", "e")
    assert (cluster.on("a"), cluster.on("b")) == (0, 2)
    cluster.clock.now += 60
    cluster.wake("f")
    assert cluster.on("a") == 1


def test_a_pathway_in_use_moves_without_a_gap() -> None:
    cluster = Cluster(SlotConfig(per_node=2), node("a"))
    cluster.wake("x", "y")
    cluster.now(node("a"), node("b"))
    (move,) = cluster.table.tend()
    assert isinstance(move, Placement)
    assert move.leave in (0, 1)
    assert move.start == Seat(node="b", number=0)
    assert cluster.table.resident[move.load] == (move.leave,)
    assert cluster.table.tend() == [], "one move at a time here"
    cluster.table.loaded(move)
    assert cluster.table.resident[move.load] == (move.slot,)
    assert cluster.table.tend() == [Stop(slot=move.leave)]
    assert cluster.table.tend() == [], "it is told once"
    assert move.leave in cluster.table.slots, "until its process has ended"
    cluster.table.stopped(move.leave)
    assert move.leave not in cluster.table.slots


def test_a_move_that_fails_leaves_the_pathway_where_it_is_and_is_tried_again() -> None:
    cluster = Cluster(SlotConfig(per_node=2), node("a"))
    cluster.wake("x", "y")
    cluster.now(node("a"), node("b"))
    (move,) = cluster.table.tend()
    assert isinstance(move, Placement)
    cluster.table.refused(move)
    assert cluster.table.resident[move.load] == (move.leave,)
    (again,) = cluster.table.tend()
    assert isinstance(again, Placement)
    assert again.load == move.load


def test_pinned_tasks_move_and_others_make_room_for_them() -> None:
    config = SlotConfig(cpus=1, pinned=("p",))
    cluster = Cluster(config, node("a", 2), node("b", 1))
    cluster.wake("p", "x", "y")
    away, other = ("a", "b") if cluster.on("a") == 2 else ("b", "a")
    assert (away, other) == ("a", "b")
    cluster.now(node("a", 0), node("b", 1))
    cluster.settle()
    assert cluster.table.resident.keys() == {PathwayId("p")}
    assert cluster.on("b") == 1


def test_without_room_elsewhere_what_must_leave_goes_to_the_store() -> None:
    cluster = Cluster(SlotConfig(max_slots=2), node("a"))
    cluster.wake("x", "y")
    cluster.now(node("a", 0.02))
    given = cluster.table.tend()
    assert [type(instruction) for instruction in given] == [Unload, Stop]
    assert len(cluster.table.resident) == 1


def test_no_slot_moves_to_a_node_that_ray_has_no_room_on() -> None:
    cluster = Cluster(SlotConfig(per_node=4), node("a"))
    cluster.wake(*"wxyz")
    cluster.now(node("a"), node("b"))
    (move,) = cluster.table.tend()
    assert isinstance(move, Placement) and move.start and move.start.node == "b"
    cluster.table.cannot_start(move.slot)
    cluster.settle()
    assert cluster.on("a") == 4, "what was to move stays on its node, in a slot that can start"
    cluster.clock.now += 301
    cluster.settle()
    assert (cluster.on("a"), cluster.on("b")) == (2, 2)


# --- older code --------------------------------------------------------------------------------


def adopted(config: SlotConfig, *slots: tuple[Seat, tuple[str, ...]]) -> Cluster:
    """A cluster whose slots, with what is in each, all run older code."""
    cluster = Cluster(config, *(node(name) for name in {seat.node: None for seat, _ in slots}))
    for seat, tasks in slots:
        cluster.table.adopt(seat, {PathwayId(task): None for task in tasks}, outdated=True)
    return cluster


def test_slots_that_run_older_code_are_replaced_one_a_node_and_nothing_is_ever_dormant() -> None:
    cluster = adopted(
        SlotConfig(per_node=2),
        (Seat(node="a", number=0), ("x",)),
        (Seat(node="a", number=1), ("y",)),
        (Seat(node="b", number=0), ("z",)),
    )
    assert cluster.table.outdated == 3
    first = cluster.table.tend()
    started = [move.start for move in first if isinstance(move, Placement)]
    assert {seat.node for seat in started if seat} == {"a", "b"}
    assert len(first) == 2
    for move in first:
        assert isinstance(move, Placement)
        cluster.table.loaded(move)
    cluster.settle()
    assert cluster.table.outdated == 0
    assert {p.task for p in cluster.table.resident} == {"x", "y", "z"}
    assert not {0, 1, 2} & set(cluster.table.slots), "all of them are others now"


def test_a_seat_is_given_anew_only_when_its_slot_has_ended() -> None:
    cluster = adopted(SlotConfig(per_node=1), (Seat(node="a", number=0), ("x",)))
    (move,) = cluster.table.tend()
    assert isinstance(move, Placement)
    cluster.table.loaded(move)
    (stop,) = cluster.table.tend()
    assert isinstance(stop, Stop)
    cluster.table.lose_slot(move.slot)
    cluster.clock.now += 60
    before = cluster.table.place(PathwayId("w"))
    assert before is not None
    assert before.start == Seat(node="a", number=1), "0 is still being ended"


def test_free_places_of_a_slot_that_runs_older_code_are_not_given_away() -> None:
    cluster = adopted(
        SlotConfig(per_node=2, pathways_per_slot=3), (Seat(node="a", number=0), ("x", "y"))
    )
    placed = cluster.table.place(PathwayId("new"))
    assert placed is not None
    assert placed.start == Seat(node="a", number=1)
    cluster.table.drop(PathwayId("x"), 0)
    cluster.table.loaded(placed)
    cluster.wake("another")
    assert cluster.table.resident[PathwayId("another")] == (placed.slot,)


def test_what_has_no_room_elsewhere_is_dormant_until_its_slot_is_new() -> None:
    cluster = adopted(SlotConfig(cpus=8), (Seat(node="a", number=0), ("x",)))
    (move,) = cluster.table.tend()
    assert isinstance(move, Placement)
    cluster.table.cannot_start(move.slot)  # the old one holds the CPUs
    assert cluster.table.tend() == [Unload(pathway=PathwayId("x"), slot=0), Stop(slot=0)]
    cluster.table.stopped(0)
    cluster.clock.now += 60
    cluster.wake("x")
    assert cluster.table.outdated == 0
