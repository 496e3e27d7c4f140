"""From inputs to answers, over real pathways in slots of this process."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cluster.errors import UnknownTask
from cluster.inputs import inputs_from_array
from dispatcher import NoTaskFits, SelectConfig
from pathways import FrozenPathway, PathwayId, SignatureError, StoredPathway
from tests.unit.asking import TASKS, all_resident, dispatcher, first_task, inputs, right, run
from tests.unit.networks import LearnedNetwork, LocalSlots, Sets, publish_all

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
    pairs = [p for p in zip(run(both.answer(given)), alone, strict=True) if not p[0].unknown]
    assert len(pairs) >= 0.9 * len(given)
    for answer, wanted in pairs:
        assert {a.pathway.task for a in answer.activated} == {"digits", "figures"}
        assert [a.weight for a in answer.activated] == pytest.approx([0.5, 0.5], abs=0.05)
        assert dict(answer.probabilities) == pytest.approx(dict(wanted.probabilities), abs=1e-4)
