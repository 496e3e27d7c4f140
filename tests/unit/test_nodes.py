"""Nodes: how many slots each gets, and which of them gives one up."""

from __future__ import annotations

import random

import pytest

from cluster.config import SlotConfig
from cluster.instructions import Placement, Stop, Wake
from cluster.nodes import Node, Nodes, node_to_relieve
from cluster.places import Seat
from cluster.residency import Residency
from pathways import PathwayId
from tests.unit.fakes import FakeClock


def quotas(config: SlotConfig, *nodes: Node) -> list[int]:
    table = Nodes(config)
    table.seen(nodes)
    return list(table.quotas.values())


def node(name: str, cpus: float = 8.0, gpus: float = 0.0) -> Node:
    return Node(id=name, cpus=cpus, gpus=gpus)


# --- how many ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "slots"),
    [
        (SlotConfig(), [16, 16]),
        (SlotConfig(cpus=1), [8, 2]),
        (SlotConfig(cpus=0.02, per_node=0), [400, 100]),
        (SlotConfig(cpus=3, per_node=2), [2, 0]),
        (SlotConfig(gpus=1), [2, 0]),
        (SlotConfig(gpus=0.5), [4, 0]),
        (SlotConfig(gpus=0.4), [4, 0]),
        (SlotConfig(gpus=0.1, cpus=1), [8, 0]),
        (SlotConfig(gpus=2), [1, 0]),
        (SlotConfig(cpus=0, per_node=0, max_slots=6), [3, 3]),
        (SlotConfig(max_slots=5), [3, 2]),
        (SlotConfig(cpus=1, max_slots=5), [4, 1]),
        (SlotConfig(cpus=1, max_slots=99), [8, 2]),
    ],
)
def test_a_node_gets_the_slots_it_has_room_for(config: SlotConfig, slots: list[int]) -> None:
    assert quotas(config, node("a", 8, 2), node("b", 2)) == slots


def test_slots_with_gpus_are_on_nodes_that_have_them_as_long_as_there_is_one() -> None:
    table = Nodes(SlotConfig(gpus=0.5, per_node=3))
    both = [node("cpu", 4), node("gpu", 4, 1)]
    table.seen(both[:1])
    assert (table.quotas, table.on_gpus) == ({"cpu": 3}, False)
    table.seen(both)
    assert (table.quotas, table.on_gpus) == ({"cpu": 0, "gpu": 2}, True)
    table.seen(both[:1])
    assert (table.quotas, table.on_gpus) == ({"cpu": 3}, False)


def test_too_few_gpus_for_any_slot_are_as_none() -> None:
    assert quotas(SlotConfig(gpus=2, per_node=3), node("a", 4, 1), node("b", 4)) == [3, 3]
    assert not Nodes(SlotConfig()).on_gpus


def test_pathways_move_to_a_gpu_that_joins_and_back_when_it_is_lost() -> None:
    residency = Residency(SlotConfig(gpus=0.5, pinned=("a",)), FakeClock())
    residency.nodes([node("cpu")])
    for task in ("a", "b"):
        placement = residency.place(PathwayId(task))
        assert placement is not None
        residency.loaded(placement)
    residency.nodes([node("cpu"), node("gpu", gpus=1)])
    for _ in range(4):
        for instruction in residency.tend():
            if isinstance(instruction, Placement):
                residency.loaded(instruction)
            if isinstance(instruction, Stop):
                residency.stopped(instruction.slot)
    assert set(residency.slots.values()) == {"gpu"}
    assert set(residency.resident) == {PathwayId("a"), PathwayId("b")}
    residency.nodes([node("cpu")])
    assert residency.tend() == [Wake(pathway=PathwayId("a"))]
    again = residency.place(PathwayId("b"))
    assert again is not None and again.start == Seat(node="cpu", number=0)


def test_all_slots_are_shared_out_whatever_the_nodes() -> None:
    random_ = random.Random(1)
    for _ in range(200):
        nodes = [node(f"n{i}", random_.randrange(0, 9)) for i in range(random_.randrange(1, 9))]
        config = SlotConfig(cpus=1, max_slots=random_.randrange(1, 20))
        given = quotas(config, *nodes)
        assert sum(given) == min(config.max_slots, sum(int(n.cpus) for n in nodes))
        assert all(quota <= n.cpus for quota, n in zip(given, nodes, strict=True))


def test_nodes_that_went_are_told() -> None:
    table = Nodes(SlotConfig())
    assert table.seen([node("a"), node("b")]) == set()
    assert table.seen([node("b"), node("c")]) == {"a"}


def test_a_node_that_lost_a_slot_is_passed_over_for_a_while() -> None:
    table = Nodes(SlotConfig())
    table.seen([node("a"), node("b")])
    table.shun("a", now=0)
    assert table.usable(now=1) == {"b"}
    assert table.usable(now=60) == {"a", "b"}
    table.shun("b", now=1)
    assert table.usable(now=2) == {"a", "b"}, "some node has to do"


@pytest.mark.parametrize(
    ("counts", "relieved"),
    [
        ({"a": 4, "b": 0}, "a"),
        ({"a": 3, "b": 1}, "a"),
        ({"a": 2, "b": 1}, None),
        ({"a": 2, "b": 2}, None),
        ({"a": 0, "b": 0}, None),
        ({"a": 5, "b": 4}, "a"),
    ],
)
def test_the_fullest_node_gives_up_a_slot_where_that_evens_things_out(
    counts: dict[str, int], relieved: str | None
) -> None:
    assert node_to_relieve(counts, {"a": 4, "b": 4}, {"a", "b"}) == relieved


def test_moving_slots_ends_with_all_nodes_equally_full() -> None:
    random_ = random.Random(2)
    for _ in range(200):
        limits = {f"n{i}": random_.randrange(1, 9) for i in range(random_.randrange(2, 7))}
        counts = {name: random_.randrange(quota + 1) for name, quota in limits.items()}
        for _ in range(sum(counts.values()) + 1):
            if (giver := node_to_relieve(counts, limits, set(limits))) is None:
                break
            counts[giver] -= 1
            counts[min(counts, key=lambda name: counts[name] / limits[name])] += 1
        assert node_to_relieve(counts, limits, set(limits)) is None
        fills = [counts[name] / limits[name] for name in limits]
        assert max(fills) - min(fills) <= 2 / min(limits.values())
