"""A slot: what it holds, what it does not give up, and which cores it keeps to."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from cluster.bodies import Bodies
from cluster.errors import NotResident
from cluster.slot import Slot, cores_of
from pathways import PathwayId
from tests.unit.fakes import FakeClock
from tests.unit.networks import LearnedNetwork, Sets

LOWER, DIGITS = PathwayId("lower"), PathwayId("digits")


def load(slot: Slot, network: LearnedNetwork, task: str, **how: object) -> bool:
    entry = network.registry.entry(task)
    return slot.load(entry, network.registry.source_of(entry), **how)  # type: ignore[arg-type]


def test_a_pathway_takes_the_place_of_another(network: LearnedNetwork) -> None:
    slot = Slot(network.store.uri)
    assert load(slot, network, "digits")
    assert load(slot, network, "fashion", evict=DIGITS)
    assert slot.resident() == [PathwayId("fashion")]


def test_what_was_woken_for_a_caller_stays_until_it_has_run(
    network: LearnedNetwork, sets: Sets
) -> None:
    slot = Slot(network.store.uri, FakeClock())
    load(slot, network, "digits", stay_s=2)
    assert not load(slot, network, "fashion", evict=DIGITS)
    assert slot.resident() == [DIGITS]
    slot.run([(DIGITS, sets["digits"][1].x[:1])])
    assert load(slot, network, "fashion", evict=DIGITS)


def test_it_does_not_stay_for_ever(network: LearnedNetwork) -> None:
    clock = FakeClock()
    slot = Slot(network.store.uri, clock)
    load(slot, network, "digits", stay_s=2)
    clock.now += 2.1
    assert load(slot, network, "fashion", evict=DIGITS)


def test_a_pathway_that_is_not_there_does_not_keep_others_from_running(
    network: LearnedNetwork, sets: Sets
) -> None:
    slot, x = Slot(network.store.uri), sets["digits"][1].x[:1]
    load(slot, network, "digits")
    load(slot, network, "fashion")
    slot.unload(DIGITS)
    slot.unload(DIGITS)
    gone, there = slot.run([(DIGITS, x), (PathwayId("fashion"), x)])
    assert gone is None
    assert there is not None and there.shape[0] == 1
    with pytest.raises(NotResident, match="digits@1 is not resident in this slot"):
        slot.verify(DIGITS)


# --- sharing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [("digits", "lower"), ("lower", "digits")])
def test_a_source_and_what_borrows_from_it_share_its_body(
    network: LearnedNetwork, sets: Sets, order: tuple[str, str]
) -> None:
    assert network.registry.entry("lower").spec.source == DIGITS
    alone, x = {}, sets["lower"][1].x[:8]
    for task in order:
        single = Slot(network.store.uri)
        load(single, network, task)
        alone[task] = (single.weight_bytes(), single.run([(PathwayId(task), x)])[0])
    both = Slot(network.store.uri)
    for task in order:
        load(both, network, task)
    body = sum(
        tensor.nbytes
        for tensor in Bodies(network.store)
        .load(network.registry.entry("digits"), None)
        .model.body.state_dict()
        .values()
    )
    assert body > 0
    assert both.weight_bytes() == sum(size for size, _ in alone.values()) - body
    for task in order:
        assert both.verify(PathwayId(task)).identical
        assert np.array_equal(both.run([(PathwayId(task), x)])[0], alone[task][1])


def test_a_shared_body_stays_as_long_as_somebody_reads_it(
    network: LearnedNetwork, sets: Sets
) -> None:
    slot = Slot(network.store.uri)
    load(slot, network, "digits")
    load(slot, network, "lower")
    slot.unload(DIGITS)
    assert slot.verify(LOWER).identical
    load(slot, network, "digits")
    slot.unload(LOWER)
    assert slot.verify(DIGITS).identical
    slot.unload(DIGITS)
    assert slot.weight_bytes() == 0


# --- cores -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seat", "cpus", "cores"),
    [
        (0, 1, {2}),
        (3, 1, {7}),
        (0, 2, {2, 3}),
        (1, 2, {5, 7}),
        (1, 2.5, {5, 7}),
        (2, 2, {2, 3}),
        (0, 0.5, set()),
        (0, 0, set()),
    ],
)
def test_a_slot_has_cores_of_its_own(seat: int, cpus: float, cores: set[int]) -> None:
    assert cores_of(seat, cpus, [2, 3, 5, 7]) == cores


def test_where_the_system_does_not_tell_its_cores_none_are_chosen() -> None:
    assert cores_of(0, 1, []) == frozenset()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux binds to cores")
def test_every_thread_keeps_to_the_cores() -> None:
    """In a process of its own: this one is not to be bound."""
    script = """
import os, threading
from cluster.slot import available_cores, keep_to
stop = threading.Event()
threading.Thread(target=stop.wait).start()
core = available_cores()[-1]
keep_to(frozenset({core}))
found = [os.sched_getaffinity(int(thread)) for thread in os.listdir("/proc/self/task")]
stop.set()
assert len(found) > 1 and all(cores == {core} for cores in found), found
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
