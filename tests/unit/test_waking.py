"""Dormant, missing and unavailable pathways, and views that come meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from cluster.dispatch import NetworkDispatcher
from cluster.errors import NotResident, TaskUnavailable
from cluster.messages import Answer, NetworkView
from cluster.running import Results, Running, SlotGone
from cluster.slot import Slot
from dispatcher import DispatcherError, NoTaskFits, Router, SelectConfig
from pathways import Inputs, PathwayId, Signature, image_signature
from tests.unit.asking import TASKS, all_resident, dispatcher, first_task, inputs, right, run
from tests.unit.networks import LearnedNetwork, LocalSlots, OnePlace, Sets

# --- dormant and missing pathways ---------------------------------------------------------------


def test_a_dormant_pathway_is_woken_once_for_a_batch(slots: LocalSlots, sets: Sets) -> None:
    sleeping = dispatcher(slots)
    assert right(run(sleeping.answer(inputs(sets, "lower"), "lower")), sets, "lower") > 0.7
    assert slots.woken == [(PathwayId("lower"), False)]
    run(sleeping.answer(inputs(sets, "lower"), "lower"))
    assert len(slots.woken) == 1, "its slot is remembered"


def test_only_what_is_dormant_is_woken(slots: LocalSlots, sets: Sets) -> None:
    placement = slots.placement(digits=slots.start("digits"))
    half = dispatcher(slots, placement=placement)
    run(half.answer(inputs(sets, "digits")))
    woken = {pathway.task for pathway, missing in slots.woken if not missing}
    assert woken
    assert "digits" not in woken


def test_a_pathway_missing_from_its_slot_is_woken_again_and_the_batch_retried(
    slots: LocalSlots, sets: Sets
) -> None:
    empty = slots.start()
    made = dispatcher(slots, placement=slots.placement(digits=empty))
    answers = run(made.answer(inputs(sets, "digits"), "digits"))
    assert right(answers, sets, "digits") > 0.7
    assert slots.woken == [(PathwayId("digits"), True)]
    assert dict(made.used) == {PathwayId("digits"): 40}, "a retry is no second use"


def test_a_batch_may_need_more_pathways_than_there_are_places(
    network: LearnedNetwork, sets: Sets
) -> None:
    cramped = dispatcher(OnePlace(network), SelectConfig(second_above=0.0))
    roomy = dispatcher(LocalSlots(network), SelectConfig(second_above=0.0))
    given = inputs(sets, "digits") + inputs(sets, "lower")
    assert run(cramped.answer(given)) == run(roomy.answer(given))


def test_a_retry_runs_only_what_is_missing(slots: LocalSlots, sets: Sets) -> None:
    placement = slots.placement(digits=slots.start("digits"), lower=slots.start())
    made = dispatcher(slots, SelectConfig(second_above=0.0), placement=placement)
    run(made.answer(inputs(sets, "digits") + inputs(sets, "lower")))
    ran = [pathway.task for groups in slots.runs for pathway in groups]
    assert ran.count("digits") == 1
    assert ran.count("lower") == 2
    assert (PathwayId("lower"), True) in slots.woken


class Unlucky(LocalSlots):
    """Slots of which the first calls fail, one way after another."""

    def __init__(
        self, network: LearnedNetwork, run: Sequence[Exception], wake: Sequence[Exception]
    ):
        super().__init__(network)
        self._run_fails, self._wake_fails = list(run), list(wake)

    async def run(self, handle: Slot, groups: Sequence[tuple[PathwayId, Inputs]]) -> Results:
        if self._run_fails:
            raise self._run_fails.pop(0)
        return await super().run(handle, groups)

    async def wake(self, pathway: PathwayId, *, missing: bool) -> Slot:
        if self._wake_fails:
            raise self._wake_fails.pop(0)
        return await super().wake(pathway, missing=missing)


@pytest.mark.parametrize("trouble", [SlotGone("killed"), NotResident("evicted")])
def test_two_lost_calls_are_made_up_for(
    network: LearnedNetwork, sets: Sets, trouble: Exception
) -> None:
    unlucky = Unlucky(network, run=[trouble, trouble], wake=[])
    answers = run(dispatcher(unlucky).answer(inputs(sets, "digits"), "digits"))
    assert right(answers, sets, "digits") > 0.7
    assert [missing for _, missing in unlucky.woken] == [False, True, True]


def test_a_pathway_that_never_answers_is_unavailable_in_the_end(
    network: LearnedNetwork, sets: Sets
) -> None:
    unlucky = Unlucky(network, run=[SlotGone("killed")] * 9, wake=[])
    with pytest.raises(TaskUnavailable, match="digits@1 did not answer after 6 tries; try again"):
        run(dispatcher(unlucky).answer(inputs(sets, "digits"), "digits"))


def test_a_pathway_evicted_while_it_is_woken_is_woken_again(
    network: LearnedNetwork, sets: Sets
) -> None:
    unlucky = Unlucky(network, run=[], wake=[NotResident("evicted while it was being woken")])
    answers = run(dispatcher(unlucky).answer(inputs(sets, "digits"), "digits"))
    assert right(answers, sets, "digits") > 0.7


def test_a_pathway_found_damaged_when_it_is_woken_is_unavailable(
    network: LearnedNetwork, sets: Sets
) -> None:
    unlucky = Unlucky(network, run=[], wake=[TaskUnavailable("digits@1 cannot be loaded: bits")])
    with pytest.raises(TaskUnavailable, match="digits@1 cannot be loaded: bits"):
        run(dispatcher(unlucky).answer(inputs(sets, "digits"), "digits"))


# --- unavailable tasks --------------------------------------------------------------------------


def test_an_unavailable_task_is_passed_over(slots: LocalSlots, sets: Sets) -> None:
    made = dispatcher(slots, unavailable={"lower": "its file is damaged"})
    answers = run(made.answer(inputs(sets, "lower")))
    assert {a.pathway.task for answer in answers for a in answer.activated} <= {
        "digits",
        "fashion",
    }
    assert PathwayId("lower") not in made.used


def test_an_unavailable_task_asked_by_name_says_why(slots: LocalSlots, sets: Sets) -> None:
    made = dispatcher(slots, unavailable={"lower": "its file is damaged"})
    message = "task lower cannot be served: its file is damaged"
    with pytest.raises(TaskUnavailable, match=message):
        run(made.answer(inputs(sets, "lower"), "lower"))


def test_where_every_task_of_a_kind_is_unavailable_none_fits(slots: LocalSlots, sets: Sets) -> None:
    made = dispatcher(slots, unavailable={"spoken": "its file is damaged"})
    with pytest.raises(NoTaskFits, match=r"every task of signature .* is out of service"):
        run(made.answer(inputs(sets, "spoken")))


def test_where_the_router_s_part_of_all_tasks_of_a_kind_is_damaged_none_fits(
    slots: LocalSlots, sets: Sets
) -> None:
    made = NetworkDispatcher(SelectConfig(), Running(slots.run, slots.wake))
    images = {k: s for k, s in slots.network.snapshots.items() if k.startswith("image")}
    made.adopt(slots.network.view(unavailable={"spoken": "its statistics are damaged"}), images)
    with pytest.raises(DispatcherError):
        run(made.answer(inputs(sets, "spoken")))
    assert right(run(made.answer(inputs(sets, "lower"))), sets, "lower") > 0.7


# --- newer views --------------------------------------------------------------------------------


def test_a_network_without_tasks_takes_nothing(slots: LocalSlots, sets: Sets) -> None:
    made = NetworkDispatcher(SelectConfig(), Running(slots.run, slots.wake))
    registry = type(slots.network.registry)()
    made.adopt(NetworkView(epoch=1, registry=registry, placement={}), {})
    with pytest.raises(NoTaskFits, match="no task has been learned yet; learn one first"):
        run(made.answer(inputs(sets, "digits")))


def test_a_newer_view_brings_its_version_and_placement(slots: LocalSlots, sets: Sets) -> None:
    made = dispatcher(slots)
    assert made.view.epoch == 1
    placement = slots.placement(lower=slots.start("lower"))
    made.adopt(slots.network.view(epoch=2, placement=placement), slots.network.snapshots)
    assert made.view.epoch == 2
    run(made.answer(inputs(sets, "lower"), "lower"))
    assert slots.woken == []


def test_a_view_that_comes_while_a_pathway_is_woken_does_not_lose_the_request(
    network: LearnedNetwork, sets: Sets
) -> None:
    """The wake evicts another pathway of the batch, and the view that says so comes first."""

    class Evicting(LocalSlots):
        async def wake(self, pathway: PathwayId, *, missing: bool) -> Slot:
            handle = await super().wake(pathway, missing=missing)
            made.adopt(network.view(epoch=2), network.snapshots)
            return handle

    slots = Evicting(network)
    placement = slots.placement(digits=slots.start("digits"))
    made = NetworkDispatcher(SelectConfig(second_above=0.0), Running(slots.run, slots.wake))
    made.adopt(network.view(placement=placement), network.snapshots)
    answers = run(made.answer(inputs(sets, "digits")))
    assert right(answers, sets, "digits") > 0.5


def test_a_request_ends_on_the_network_it_began_with(network: LearnedNetwork, sets: Sets) -> None:
    class Slow(LocalSlots):
        async def wake(self, pathway: PathwayId, *, missing: bool) -> Slot:
            newer = network.registry.publish([])
            made.adopt(network.view(epoch=2, registry=newer), network.snapshots)
            return await super().wake(pathway, missing=missing)

    slots = Slow(network)
    made = dispatcher(slots)
    (answer,) = run(made.answer(inputs(sets, "digits", n=1), "digits"))
    assert answer.network_version == 4
    assert made.view.registry.version == 5


def test_requests_at_the_same_time_each_get_their_own_answers(
    slots: LocalSlots, sets: Sets
) -> None:
    made = all_resident(slots)

    async def together() -> list[list[Answer]]:
        asked = ((name, made.answer(inputs(sets, name, n=10), name)) for name in TASKS * 3)
        return list(await asyncio.gather(*(answer for _, answer in asked)))

    for name, answers in zip(TASKS * 3, asyncio.run(together()), strict=True):
        assert {first_task(answer) for answer in answers} == {name}


def test_a_signature_is_chosen_for_an_observed_one(slots: LocalSlots) -> None:
    made = dispatcher(slots)
    assert made.signature_for(image_signature(56, 56, 3)) == image_signature()
    assert made.signature_for(image_signature(56, 56, 3), "digits") == image_signature()
    spoken = slots.network.registry.entry("spoken").spec.signature
    heard = Signature(modality="audio", shape=(30_000,), rate_hz=44_100)
    assert made.signature_for(heard) == spoken


def test_a_snapshot_over_other_features_is_refused(slots: LocalSlots) -> None:
    assert Router(5).dim == 5
    with pytest.raises(DispatcherError):
        dispatcher(slots).adopt(slots.network.view(), {"image-28x28x1": _tiny_snapshot()})


def _tiny_snapshot() -> Any:
    from dispatcher import StatisticsBuilder

    builder, router = StatisticsBuilder(2, 5), Router(5)
    x, y = np.random.default_rng(0).standard_normal((20, 5)).astype(np.float32), np.arange(20) % 2
    builder.update(x, y)
    router.add("digits", builder.finish())
    return router.solve()
