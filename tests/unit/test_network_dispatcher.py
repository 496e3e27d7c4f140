"""From inputs to answers, over real pathways in slots of this process."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cluster.dispatch import NetworkDispatcher, SlotGone
from cluster.errors import NotResident, TaskUnavailable, UnknownTask
from cluster.inputs import Input, inputs_from_array
from cluster.messages import Answer, NetworkView
from cluster.slot import Inputs, Slot
from dispatcher import DispatcherError, NoTaskFits, Router, SelectConfig
from pathways import (
    FrozenPathway,
    PathwayId,
    Signature,
    SignatureError,
    StoredPathway,
    image_signature,
)
from tests.unit.fakes import LearnedNetwork, LocalSlots, OnePlace, Sets, publish_all

TASKS = ("digits", "lower", "fashion", "spoken")


def run(work: Coroutine[Any, Any, list[Answer]]) -> list[Answer]:
    return asyncio.run(asyncio.wait_for(work, timeout=30))


@pytest.fixture
def slots(network: LearnedNetwork) -> LocalSlots:
    return LocalSlots(network)


def dispatcher(
    slots: LocalSlots, config: SelectConfig | None = None, **view: Any
) -> NetworkDispatcher:
    """A dispatcher of the network, nothing resident unless `view` says so."""
    made = NetworkDispatcher(config or SelectConfig(), slots.run, slots.wake)
    made.adopt(slots.network.view(**view), slots.network.snapshots)
    return made


def all_resident(slots: LocalSlots) -> NetworkDispatcher:
    """Every pathway in a slot of its own."""
    placement = slots.placement(**{task: slots.start(task) for task in TASKS})
    return dispatcher(slots, placement=placement)


def inputs(sets: Sets, name: str, n: int = 40) -> list[Input]:
    data = sets[name][1]
    return inputs_from_array(data.x[:n], data.signature.rate_hz)


def right(answers: Sequence[Answer], sets: Sets, name: str) -> float:
    data = sets[name][1]
    pairs = zip(answers, data.y[: len(answers)], strict=True)
    return float(np.mean([answer.label == data.labels[y] for answer, y in pairs]))


def first_task(answer: Answer) -> str | None:
    return answer.activated[0].pathway.task if answer.activated else None


# --- with the task given ------------------------------------------------------------------------


@pytest.mark.parametrize("name", TASKS)
def test_a_given_task_answers_as_its_pathway_does(
    slots: LocalSlots, stored: dict[str, StoredPathway], sets: Sets, name: str
) -> None:
    answers = run(all_resident(slots).answer(inputs(sets, name), name))
    source = stored[name].spec.source
    pathway = FrozenPathway.load(stored[name], stored[source.task] if source else None)
    wanted = pathway.probabilities(sets[name][1].x[:40])
    for answer, row in zip(answers, wanted, strict=True):
        given = dict(answer.probabilities)
        assert [given[label] for label in pathway.spec.labels] == row.tolist()
        assert [(str(a.pathway), a.weight) for a in answer.activated] == [(f"{name}@1", 1.0)]
        assert (answer.unknown, answer.notes, answer.network_version) == (False, (), 4)


def test_labels_come_most_probable_first(slots: LocalSlots, sets: Sets) -> None:
    for answer in run(all_resident(slots).answer(inputs(sets, "lower"), "lower")):
        values = [probability for _, probability in answer.probabilities]
        assert values == sorted(values, reverse=True)
        assert answer.label == answer.probabilities[0][0]


def test_a_task_nobody_learned_is_unknown(slots: LocalSlots, sets: Sets) -> None:
    with pytest.raises(UnknownTask, match="no task is called 'upper'; known tasks: digits, lower,"):
        run(dispatcher(slots).answer(inputs(sets, "digits"), "upper"))


def test_a_task_is_not_given_inputs_of_another_kind(slots: LocalSlots, sets: Sets) -> None:
    with pytest.raises(SignatureError, match="an image was given where audio-8000hz-8000 is"):
        run(dispatcher(slots).answer(inputs(sets, "digits"), "spoken"))


# --- dispatched ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "routed", "labelled"),
    [("digits", 0.6, 0.5), ("lower", 0.8, 0.7), ("fashion", 0.8, 0.5), ("spoken", 0.9, 0.3)],
)
def test_inputs_find_their_pathway_and_their_label(
    slots: LocalSlots, sets: Sets, name: str, routed: float, labelled: float
) -> None:
    answers = run(all_resident(slots).answer(inputs(sets, name, n=100)))
    assert np.mean([first_task(answer) == name for answer in answers]) > routed
    assert right(answers, sets, name) > labelled


def test_one_or_two_pathways_are_activated_and_their_weights_sum_to_one(
    slots: LocalSlots, sets: Sets
) -> None:
    answers = run(all_resident(slots).answer(inputs(sets, "digits")))
    assert {len(answer.activated) for answer in answers} == {1, 2}
    for answer in answers:
        assert sum(a.weight for a in answer.activated) == pytest.approx(1)
        assert sum(p for _, p in answer.probabilities) == pytest.approx(1, abs=1e-5)
        weights = [a.weight for a in answer.activated]
        assert weights == sorted(weights, reverse=True)


def test_only_one_pathway_is_activated_where_only_one_may_be(slots: LocalSlots, sets: Sets) -> None:
    one = dispatcher(slots, SelectConfig(max_active=1))
    for answer in run(one.answer(inputs(sets, "digits"))):
        assert [a.weight for a in answer.activated] == [1.0]


def test_an_answer_is_the_weighted_sum_of_what_its_pathways_say(
    slots: LocalSlots, sets: Sets
) -> None:
    resident = all_resident(slots)
    given = inputs(sets, "digits")
    for row, answer in enumerate(run(resident.answer(given))):
        wanted: dict[str, float] = {}
        for activation in answer.activated:
            (alone,) = run(resident.answer([given[row]], activation.pathway.task))
            for label, probability in alone.probabilities:
                wanted[label] = wanted.get(label, 0) + activation.weight * probability
        assert dict(answer.probabilities) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize(
    "strange",
    [
        np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1), np.uint8),
        np.full((5, 28, 28, 1), 255, np.uint8),
    ],
    ids=["noise", "white"],
)
def test_an_input_like_nothing_learned_is_said_to_be_unknown(
    slots: LocalSlots, strange: NDArray[np.uint8]
) -> None:
    for answer in run(all_resident(slots).answer(inputs_from_array(strange))):
        assert answer.unknown
        assert (answer.label, answer.probabilities, answer.activated) == (None, (), ())
        assert answer.network_version == 4
    assert slots.runs == []


def test_unknown_inputs_do_not_disturb_the_others(slots: LocalSlots, sets: Sets) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1, 28, 28, 1), np.uint8)
    resident, known = all_resident(slots), inputs(sets, "lower", n=4)
    mixed = [known[0], *inputs_from_array(noise), *known[1:]]
    answers = run(resident.answer(mixed))
    assert [answer.unknown for answer in answers] == [False, True, False, False, False]
    alone = run(resident.answer(known))
    assert [a.label for a in answers if not a.unknown] == [a.label for a in alone]


def test_no_inputs_give_no_answers(slots: LocalSlots) -> None:
    assert run(dispatcher(slots).answer([])) == []
    assert run(dispatcher(slots).answer([], "digits")) == []


def test_a_kind_of_input_that_no_task_takes_is_refused(slots: LocalSlots) -> None:
    wide = inputs_from_array(np.zeros((1, 28, 90), np.uint8))
    with pytest.raises(NoTaskFits, match="no known task takes an input like image-28x90x1"):
        run(dispatcher(slots).answer(wide))


# --- batches ------------------------------------------------------------------------------------


def test_a_batch_of_several_kinds_keeps_its_order(slots: LocalSlots, sets: Sets) -> None:
    images, sounds = inputs(sets, "fashion", n=6), inputs(sets, "spoken", n=6)
    mixed = [given for pair in zip(images, sounds, strict=True) for given in pair]
    resident = all_resident(slots)
    answers = run(resident.answer(mixed))
    for kind, rows in ((images, answers[::2]), (sounds, answers[1::2])):
        alone = run(resident.answer(kind))
        assert [first_task(answer) for answer in rows] == [first_task(answer) for answer in alone]
        for answer, wanted in zip(rows, alone, strict=True):
            assert dict(answer.probabilities) == pytest.approx(dict(wanted.probabilities), abs=1e-5)


def test_pathways_in_one_slot_are_run_in_one_call(slots: LocalSlots, sets: Sets) -> None:
    slot = slots.start(*TASKS)
    packed = dispatcher(slots, placement=slots.placement(**dict.fromkeys(TASKS, slot)))
    answers = run(packed.answer(inputs(sets, "digits")))
    assert len(slots.runs) == 1
    assert len(slots.runs[0]) == len(set(slots.runs[0])) > 1
    assert right(answers, sets, "digits") > 0.5


def test_each_slot_is_called_once_for_a_batch(slots: LocalSlots, sets: Sets) -> None:
    run(all_resident(slots).answer(inputs(sets, "digits")))
    called = [pathway for groups in slots.runs for pathway in groups]
    assert len(called) == len(set(called)) > 1


def test_what_was_converted_is_noted(slots: LocalSlots, sets: Sets) -> None:
    small = sets["digits"][1].x[0, ..., 0]
    large = np.asarray(Image.fromarray(small).resize((56, 56)).convert("RGB"))
    given = [*inputs_from_array(large[None]), *inputs_from_array(small[None])]
    for task in ("digits", None):
        noted, plain = run(all_resident(slots).answer(given, task))
        assert noted.notes == ("RGB to grey", "resized 56x56 to 28x28")
        assert plain.notes == ()


def test_a_sound_of_another_rate_is_noted(slots: LocalSlots, sets: Sets) -> None:
    wave = np.repeat(sets["spoken"][1].x[:1], 2, axis=1)
    (answer,) = run(all_resident(slots).answer(inputs_from_array(wave, 16_000), "spoken"))
    assert answer.notes == ("resampled 16000 Hz to 8000 Hz",)


def test_rows_that_pathways_ran_are_counted(slots: LocalSlots, sets: Sets) -> None:
    resident = all_resident(slots)
    run(resident.answer(inputs(sets, "lower", n=7), "lower"))
    run(resident.answer(inputs(sets, "lower", n=5), "lower"))
    assert dict(resident.used) == {PathwayId("lower"): 12}


# --- shared labels ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def twins(
    tmp_path_factory: pytest.TempPathFactory, stored: dict[str, StoredPathway], sets: Sets
) -> LearnedNetwork:
    """The same task learned under two names: the dispatcher cannot tell them apart."""
    digits = stored["digits"]
    spec = type(digits.spec)(**{**vars(digits.spec), "id": PathwayId("figures")})
    given = {"digits": digits, "figures": StoredPathway(spec=spec, weights=digits.weights)}
    root = tmp_path_factory.mktemp("twins") / "store"
    return publish_all(root, given, dict.fromkeys(given, sets["digits"][0]))


def test_labels_that_two_pathways_share_add_up(twins: LearnedNetwork, sets: Sets) -> None:
    both = dispatcher(LocalSlots(twins))
    given = inputs(sets, "digits")
    alone = run(both.answer(given, "digits"))
    for answer, wanted in zip(run(both.answer(given)), alone, strict=True):
        assert {a.pathway.task for a in answer.activated} == {"digits", "figures"}
        assert [a.weight for a in answer.activated] == pytest.approx([0.5, 0.5], abs=0.05)
        assert dict(answer.probabilities) == pytest.approx(dict(wanted.probabilities), abs=1e-4)


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

    async def run(
        self, handle: Slot, groups: Sequence[tuple[PathwayId, Inputs]]
    ) -> list[NDArray[np.float32]]:
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
    with pytest.raises(TaskUnavailable, match="digits@1 did not answer after 5 tries; try again"):
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
    made = NetworkDispatcher(SelectConfig(), slots.run, slots.wake)
    images = {k: s for k, s in slots.network.snapshots.items() if k.startswith("image")}
    made.adopt(slots.network.view(unavailable={"spoken": "its statistics are damaged"}), images)
    with pytest.raises(DispatcherError):
        run(made.answer(inputs(sets, "spoken")))
    assert right(run(made.answer(inputs(sets, "lower"))), sets, "lower") > 0.7


# --- newer views --------------------------------------------------------------------------------


def test_a_network_without_tasks_takes_nothing(slots: LocalSlots, sets: Sets) -> None:
    made = NetworkDispatcher(SelectConfig(), slots.run, slots.wake)
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
    made = NetworkDispatcher(SelectConfig(second_above=0.0), slots.run, slots.wake)
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
