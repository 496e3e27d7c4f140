"""Queries with an image and a sound, over real pathways in slots of this process."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from cluster.errors import TaskUnavailable, UnknownTask
from cluster.inputs import Input
from cluster.messages import Answer
from cluster.registry import Registry
from cluster.together import answer_pair
from dispatcher import Decision, NoTaskFits, Said, combine
from pathways import DataError, FrozenPathway, StoredPathway
from tests.unit.asking import all_resident, dispatcher, inputs, right, run
from tests.unit.fakes import made_up_entry
from tests.unit.guarded import problem
from tests.unit.networks import LearnedNetwork, LocalSlots, Sets
from tests.unit.serving import Serving, png, serving

CHECKS = Input(array=(np.indices((28, 28)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None])
TONE = Input(
    array=(0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)).astype(np.float32), rate_hz=8000
)


def pairs(sets: Sets, n: int = 60) -> list[tuple[Input, Input]]:
    """Images and sounds of the same digit, in the order of the images."""
    images, sounds = inputs(sets, "digits", n), inputs(sets, "spoken", len(sets["spoken"][1]))
    rows = {c: iter(np.flatnonzero(sets["spoken"][1].y == c)) for c in range(10)}
    wanted = sets["digits"][1].y[:n]
    return [(image, sounds[next(rows[c])]) for image, c in zip(images, wanted, strict=True)]


def tasks(answer: Answer) -> list[str]:
    return sorted(activation.pathway.task for activation in answer.activated)


def test_a_pair_activates_one_pathway_for_each_modality(slots: LocalSlots, sets: Sets) -> None:
    answers = run(all_resident(slots).answer_together(pairs(sets)))
    for answer in answers:
        assert len(answer.activated) <= 2
        assert not answer.unknown
        assert sum(value for _, value in answer.probabilities) == pytest.approx(1)
    assert np.mean([tasks(answer) == ["digits", "spoken"] for answer in answers]) > 0.8


def test_a_pair_is_labelled_better_than_either_input(slots: LocalSlots, sets: Sets) -> None:
    resident, given = all_resident(slots), pairs(sets, 120)
    both = right(run(resident.answer_together(given)), sets, "digits")
    alone = [
        right(run(resident.answer_together([(pair[side],) for pair in given])), sets, "digits")
        for side in (0, 1)
    ]
    assert both > max(alone)


def test_the_answer_is_the_evidence_of_both_pathways(
    slots: LocalSlots, stored: dict[str, StoredPathway], sets: Sets
) -> None:
    given = pairs(sets, 30)
    found = 0
    for pair, answer in zip(given, run(all_resident(slots).answer_together(given)), strict=True):
        if tasks(answer) != ["digits", "spoken"] or answer.notes:
            continue
        found += 1
        said = [
            Said(s.spec.concepts, FrozenPathway.load(s).probabilities(one.array[None])[0])
            for s, one in zip((stored["digits"], stored["spoken"]), pair, strict=True)
        ]
        assert dict(answer.probabilities) == pytest.approx(dict(combine(*said)), abs=1e-5)
    assert found > 20


def test_order_within_a_pair_and_company_of_others_do_not_matter(
    slots: LocalSlots, sets: Sets
) -> None:
    resident, given = all_resident(slots), pairs(sets, 6)
    together = run(resident.answer_together(given))
    swapped = run(resident.answer_together([(sound, image) for image, sound in given]))
    assert [a.label for a in together] == [a.label for a in swapped]
    lone = given[0][0]
    mixed = run(resident.answer_together([given[0], (lone,), given[1]]))
    assert [mixed[0].label, mixed[2].label] == [together[0].label, together[1].label]
    assert mixed[1].probabilities == run(resident.answer([lone]))[0].probabilities


def test_both_pathways_run_in_one_batch(slots: LocalSlots, sets: Sets) -> None:
    slot = slots.start("digits", "lower", "fashion", "spoken")
    names = ("digits", "lower", "fashion", "spoken")
    placed = dispatcher(slots, placement=slots.placement(**dict.fromkeys(names, slot)))
    run(placed.answer_together(pairs(sets, 1)))
    assert len(slots.runs) == 1
    assert {pathway.task for pathway in slots.runs[0]} >= {"spoken"}
    assert len(slots.runs[0]) == 2


def test_where_one_side_is_unknown_the_other_answers_alone(slots: LocalSlots, sets: Sets) -> None:
    resident = all_resident(slots)
    sound = pairs(sets, 1)[0][1]
    (answer,) = run(resident.answer_together([(CHECKS, sound)]))
    assert tasks(answer) == ["spoken"]
    assert [activation.weight for activation in answer.activated] == [1.0]
    assert answer.notes == ("the image is unlike everything learned: the sound answers alone",)
    (told,) = run(resident.answer([sound], "spoken"))
    assert dict(answer.probabilities) == pytest.approx(dict(told.probabilities), abs=1e-5)


def test_where_both_are_unknown_so_is_the_answer(slots: LocalSlots) -> None:
    (answer,) = run(all_resident(slots).answer_together([(CHECKS, TONE)]))
    assert answer.unknown
    assert (answer.label, answer.activated, answer.notes) == (None, (), ())
    assert slots.runs == []


def test_a_task_that_cannot_be_served_is_passed_over(slots: LocalSlots, sets: Sets) -> None:
    answers = run(
        all_resident(slots, unavailable={"digits": "damaged"}).answer_together(pairs(sets, 10))
    )
    assert not any("digits" in tasks(answer) for answer in answers)


def test_a_task_that_fails_while_it_runs_is_passed_over(slots: LocalSlots, sets: Sets) -> None:
    resident = dispatcher(slots)
    woken = slots.wake

    async def refuse(pathway: object, *, missing: bool) -> object:
        if "digits" in str(pathway):
            raise TaskUnavailable("it is damaged")
        return await woken(pathway, missing=missing)  # type: ignore[arg-type]

    resident._running._wake = refuse  # type: ignore[assignment]
    for answer in run(resident.answer_together(pairs(sets, 5))):
        assert "digits" not in tasks(answer)


def test_a_told_task_that_cannot_be_served_says_so(slots: LocalSlots, sets: Sets) -> None:
    pair, told = pairs(sets, 1), ("digits", "spoken")
    with pytest.raises(TaskUnavailable, match="task digits cannot be served: damaged"):
        run(all_resident(slots, unavailable={"digits": "damaged"}).answer_together(pair, told))
    resident, woken = dispatcher(slots), slots.wake

    async def refuse(pathway: object, *, missing: bool) -> object:
        if "digits" in str(pathway):
            raise TaskUnavailable("it is damaged")
        return await woken(pathway, missing=missing)  # type: ignore[arg-type]

    resident._running._wake = refuse  # type: ignore[assignment]
    with pytest.raises(TaskUnavailable, match="it is damaged"):
        run(resident.answer_together(pair, told))


def test_inputs_are_converted_and_each_note_says_of_which(slots: LocalSlots, sets: Sets) -> None:
    image, sound = pairs(sets, 1)[0]
    colour = Input(array=np.repeat(image.array, 3, axis=2))
    short = Input(array=np.repeat(sound.array, 2), rate_hz=16_000)
    (answer,) = run(all_resident(slots).answer_together([(colour, short)]))
    assert any(note.startswith("image: ") and "grey" in note for note in answer.notes)
    assert any(note.startswith("sound: ") for note in answer.notes)


def test_queries_that_are_none_are_refused(slots: LocalSlots, sets: Sets) -> None:
    image, sound = pairs(sets, 1)[0]
    resident = all_resident(slots)
    for element, said in (
        ((image, sound, image), "query 1 has 3 inputs"),
        ((), "query 1 has 0 inputs"),
        ((image, image), r"query 1 has two inputs of one kind \(image\)"),
        ((sound, sound), r"query 1 has two inputs of one kind \(sound\)"),
    ):
        with pytest.raises(DataError, match=said):
            run(resident.answer_together([(image, sound), element]))
    assert run(resident.answer_together([])) == []


def test_a_modality_that_nobody_learned_is_refused(network: LearnedNetwork, sets: Sets) -> None:
    images = LocalSlots(network)
    registry = network.registry
    only = {k: s for k, s in registry.signatures.items() if s.modality == "image"}
    lacking = replace(registry, signatures=type(registry.signatures)(only))
    with pytest.raises(NoTaskFits, match="no known task takes an input like audio-"):
        run(dispatcher(images, registry=lacking).answer_together(pairs(sets, 1)))


def test_two_told_tasks_are_asked_however_strange_the_inputs(slots: LocalSlots, sets: Sets) -> None:
    resident = all_resident(slots)
    (answer,) = run(resident.answer_together([(CHECKS, TONE)], ("spoken", "fashion")))
    assert tasks(answer) == ["fashion", "spoken"]
    assert not answer.unknown
    image, sound = pairs(sets, 1)[0]
    told = run(resident.answer_together([(sound,), (image,)], ("spoken", "fashion")))
    assert [tasks(one) for one in told] == [["spoken"], ["fashion"]]
    for wrong, error, said in (
        (("digits", "lower"), DataError, "digits, lower cannot be asked together"),
        (("digits",), DataError, "digits cannot be asked together"),
        (("digits", "birds"), UnknownTask, "no task is called 'birds'"),
    ):
        with pytest.raises(error, match=said):
            run(resident.answer_together([(image, sound)], wrong))


@pytest.mark.parametrize(
    ("trusts", "heard", "unknown", "remarks"),
    [
        ((1.0, 1.0), (0.1, 0.9), False, 0),
        ((0.5, 1.0), (0.1, 0.9), False, 1),
        ((0.5, 0.5), (0.1, 0.9), True, 0),
        ((0.5, 0.5), (0.9, 0.1), False, 2),
        ((0.5, 0.0), None, True, 0),
        ((0.0, 0.0), None, True, 0),
    ],
)
def test_two_strange_inputs_count_only_if_they_agree(
    trusts: tuple[float, float], heard: tuple[float, float] | None, unknown: bool, remarks: int
) -> None:
    registry = Registry().publish([made_up_entry("seen@1"), made_up_entry("heard@1")])
    pair = [Decision((task,), (t,), 0.0) for task, t in zip(("seen", "heard"), trusts, strict=True)]
    given = [
        np.array([0.8, 0.2], np.float32) if trusts[0] else None,
        np.array(heard, np.float32) if heard else None,
    ]
    answer = answer_pair(registry, pair, given, ("image", "sound"))
    assert (answer.unknown, len(answer.notes)) == (unknown, remarks)
    told = answer_pair(registry, pair, [np.array([0.5, 0.5])] * 2, ("image", "sound"), told=True)
    assert not told.unknown


# --- over HTTP ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sen(network: LearnedNetwork) -> Iterator[Serving]:
    with serving(LocalSlots(network)) as running:
        yield running


def wav(given: Input) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, given.array, given.rate_hz, format="WAV", subtype="FLOAT")
    return out.getvalue()


def test_two_files_of_a_form_have_one_answer(sen: Serving, sets: Sets) -> None:
    image, sound = pairs(sets, 1)[0]
    files = [
        ("file", ("seven.png", png(image.array[..., 0]))),
        ("file", ("seven.wav", wav(sound))),
    ]
    reply = sen.http.post("/v1/predict?together=true&top=1", files=files).json()
    (prediction,) = reply["predictions"]
    assert len(prediction["pathways"]) == 2
    assert len(prediction["probabilities"]) == 1
    as_json = {
        "image": image.array[..., 0].tolist(),
        "sound": sound.array.astype(float).tolist(),
        "rate_hz": 8000,
    }
    same = sen.http.post("/v1/predict?together=true&top=1", json=as_json).json()
    assert same["predictions"][0]["label"] == prediction["label"]
    apart = sen.http.post("/v1/predict", files=files).json()
    assert len(apart["predictions"]) == 2


def test_queries_that_are_none_get_422(sen: Serving, sets: Sets) -> None:
    image, sound = pairs(sets, 1)[0]
    picture, clip = ("file", ("a.png", png(image.array[..., 0]))), ("file", ("a.wav", wav(sound)))
    path = "/v1/predict?together=true"
    for files, said in (
        ([picture, picture], "two inputs of one kind"),
        ([picture, clip, clip], "has 3 inputs"),
    ):
        assert said in problem(sen.http.post(path, files=files), 422)
    told = sen.http.post(f"{path}&task=digits", files=[picture, clip])
    assert "give `tasks`, or leave it out" in problem(told, 422)
    wrong = sen.http.post(f"{path}&tasks=digits,lower", files=[picture, clip])
    assert "digits, lower cannot be asked together" in problem(wrong, 422)
    alone = sen.http.post("/v1/predict?tasks=digits,spoken", files=[picture])
    assert "give one `task`" in problem(alone, 422)
    unknown = sen.http.post(f"{path}&tasks=digits,birds", files=[picture, clip])
    assert "no task is called 'birds'" in problem(unknown, 404)
    right_ones = sen.http.post(f"{path}&tasks=digits,spoken", files=[picture, clip]).json()
    given = [part["pathway"] for part in right_ones["predictions"][0]["pathways"]]
    assert sorted(given) == ["digits@1", "spoken@1"]
    for body, said in (
        ({}, "has 0 inputs"),
        ({"sound": [0.0, 0.1]}, "give rate_hz"),
        ({"image": [["x"]]}, "nested lists of numbers"),
        ({"images": []}, "images: it is not known here"),
    ):
        assert said in problem(sen.http.post(path, json=body), 422)
    array = {"content-type": "application/x-npy"}
    assert "send multipart" in problem(sen.http.post(path, content=b"x", headers=array), 415)
