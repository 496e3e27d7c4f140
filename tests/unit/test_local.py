"""Small pathways in the dispatcher's own process: the cache, and the dispatcher that uses it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cluster.batches import INLINE_ROWS
from cluster.config import SlotConfig
from cluster.dispatch import NetworkDispatcher
from cluster.errors import TaskUnavailable
from cluster.inputs import batch_from_array
from cluster.local import LocalSlot
from cluster.messages import Answer
from cluster.running import Running
from dispatcher import SelectConfig
from pathways import PathwayId, StoredPathway, WeightsError
from tests.unit.asking import inputs, run
from tests.unit.networks import LearnedNetwork, LocalSlots, Sets, publish_all

IMAGES = ("digits", "lower", "fashion")


def local_slot(network: LearnedNetwork, **config: Any) -> LocalSlot:
    return LocalSlot(network.store, SlotConfig(**config))


def wake(slot: LocalSlot, network: LearnedNetwork, *tasks: str) -> None:
    for task in tasks:
        entry = network.registry.entry(task)
        slot.wake(entry, network.registry.source_of(entry))


def local_dispatcher(
    network: LearnedNetwork, slots: LocalSlots, **config: Any
) -> NetworkDispatcher:
    running = Running(slots.run, slots.wake, local_slot(network, **config))
    made = NetworkDispatcher(SelectConfig(), running)
    made.adopt(network.view(), network.snapshots)
    return made


def assert_alike(some: Sequence[Answer], others: Sequence[Answer]) -> None:
    """The same up to rounding, which differs with a batch's size and the number of threads."""
    assert len(some) == len(others)
    for one, other in zip(some, others, strict=True):
        assert one.unknown == other.unknown
        assert [a.pathway for a in one.activated] == [a.pathway for a in other.activated]
        assert dict(one.probabilities) == pytest.approx(dict(other.probabilities), abs=1e-4)


# --- the cache ----------------------------------------------------------------------------------


def test_what_was_woken_is_found_and_the_least_recently_used_makes_room(
    network: LearnedNetwork,
) -> None:
    slot = local_slot(network, local_pathways=2)
    wake(slot, network, "digits", "lower")
    assert slot.find(PathwayId("digits")) is not None
    wake(slot, network, "fashion")
    assert slot.resident == {PathwayId("digits"), PathwayId("fashion")}
    assert slot.find(PathwayId("lower")) is None


def test_a_pinned_task_stays(network: LearnedNetwork) -> None:
    slot = local_slot(network, local_pathways=2, pinned=("digits",))
    wake(slot, network, "digits", "lower", "fashion")
    assert slot.resident == {PathwayId("digits"), PathwayId("fashion")}
    assert slot.find(PathwayId("digits")) is not None
    slot.keep_only({})
    assert slot.resident == set()


def test_small_is_what_the_settings_say_and_a_source_counts(network: LearnedNetwork) -> None:
    linked = network.registry.entry("lower")
    limit = linked.spec.active_parameters
    assert linked.spec.source is not None
    assert local_slot(network, local_parameters=limit).takes(linked)
    assert not local_slot(network, local_parameters=limit - 1).takes(linked)
    assert not local_slot(network, local_pathways=0).takes(linked)


def test_pathways_that_left_the_network_are_forgotten(network: LearnedNetwork) -> None:
    slot = local_slot(network)
    wake(slot, network, "digits", "lower")
    slot.keep_only({PathwayId("lower"): network.registry.entry("lower")})
    assert slot.resident == {PathwayId("lower")}


def damaged(root: Path, stored: dict[str, StoredPathway], sets: Sets, task: str) -> LearnedNetwork:
    """A network in which one task's weight file has a wrong bit."""
    given = {name: stored[name] for name in IMAGES}
    network = publish_all(root / "store", given, {name: sets[name][0] for name in given})
    path = Path(network.store.path(network.registry.entry(task).weights_path))
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)
    return network


def test_a_damaged_file_is_refused(
    tmp_path: Path, stored: dict[str, StoredPathway], sets: Sets
) -> None:
    network = damaged(tmp_path, stored, sets, "digits")
    with pytest.raises(WeightsError, match="digits@1 are damaged"):
        wake(local_slot(network), network, "digits")


# --- the dispatcher with it ---------------------------------------------------------------------


@pytest.mark.parametrize("n", [5, INLINE_ROWS + 20])
def test_answers_are_those_of_slots_and_no_actor_is_asked(
    network: LearnedNetwork, slots: LocalSlots, sets: Sets, n: int
) -> None:
    made = local_dispatcher(network, slots)
    given = (inputs(sets, "digits") + inputs(sets, "lower"))[:n]
    answers = run(made.answer(given))
    assert slots.runs == slots.woken == []
    elsewhere = local_dispatcher(network, slots, local_pathways=0)
    assert_alike(run(elsewhere.answer(given)), answers)
    assert slots.woken != []


def test_one_place_is_enough_for_many_pathways(
    network: LearnedNetwork, slots: LocalSlots, sets: Sets
) -> None:
    given = inputs(sets, "digits") + inputs(sets, "lower") + inputs(sets, "fashion")
    roomy = run(local_dispatcher(network, slots).answer(given))
    assert_alike(run(local_dispatcher(network, slots, local_pathways=1).answer(given)), roomy)


def test_a_batch_as_one_array_is_answered_like_its_rows(
    network: LearnedNetwork, slots: LocalSlots, sets: Sets
) -> None:
    made, x = local_dispatcher(network, slots), sets["lower"][1].x[:9]
    batch = batch_from_array(x)
    assert_alike(run(made.answer(batch)), run(made.answer(batch.rows())))
    large = batch_from_array(x.repeat(2, axis=1).repeat(2, axis=2))
    assert all(a.notes == ("resized 56x56 to 28x28",) for a in run(made.answer(large)))


def test_requests_at_the_same_moment_are_answered_as_if_each_were_alone(
    network: LearnedNetwork, slots: LocalSlots, sets: Sets
) -> None:
    made = local_dispatcher(network, slots)
    asked = [(name, task) for name in IMAGES for task in (None, name)] * 2
    alone = [run(made.answer(inputs(sets, name, n=3), task)) for name, task in asked]

    async def together() -> list[list[Answer]]:
        given = [made.answer(inputs(sets, name, n=3), task) for name, task in asked]
        return list(await asyncio.gather(*given))

    for one, among in zip(alone, asyncio.run(together()), strict=True):
        assert_alike(one, among)


class Refusing(LocalSlots):
    """A controller that finds out for itself that a pathway cannot be loaded."""

    async def wake(self, pathway: PathwayId, *, missing: bool) -> None:  # type: ignore[override]
        self.woken.append((pathway, missing))
        raise TaskUnavailable(f"{pathway} cannot be loaded: damaged")


def test_a_damaged_pathway_is_reported_passed_over_and_harms_no_other_request(
    tmp_path: Path, stored: dict[str, StoredPathway], sets: Sets
) -> None:
    network = damaged(tmp_path, stored, sets, "digits")
    slots = Refusing(network)
    made = local_dispatcher(network, slots)

    async def together() -> Sequence[list[Answer] | BaseException]:
        return await asyncio.gather(
            made.answer(inputs(sets, "fashion"), "fashion"),
            made.answer(inputs(sets, "digits"), "digits"),
            made.answer(inputs(sets, "digits")),
            return_exceptions=True,
        )

    fashion, digits, dispatched = asyncio.run(together())
    assert isinstance(fashion, list)
    assert isinstance(digits, TaskUnavailable)
    assert isinstance(dispatched, list)
    assert {a.pathway.task for each in dispatched for a in each.activated} <= {"lower", "fashion"}
    assert (PathwayId("digits"), False) in slots.woken
