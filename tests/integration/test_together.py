"""Several modalities on a real cluster: concepts, queries of an image and a sound, paired tasks."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from cluster.errors import TaskNameTaken
from cluster.inputs import Input, inputs_from_array
from cluster.messages import Answer
from pathways import DataError, LearnConfig, TaskData, TrainConfig
from pathways.data.embedded import embedded_task
from pathways.data.paired import PairedData
from tests.integration.conftest import Served
from tests.integration.test_http import png, problem

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
MAP = dict(zip(WORDS, map(str, range(10)), strict=True))
SPOKEN = LearnConfig(
    options={"bands": 16, "frames": 24, "channels": 8, "hidden": 64},
    concepts=MAP,
    train=TrainConfig(epochs=8, min_steps=150),
)


@pytest.fixture(scope="module")
def spoken(served: Served) -> TaskData:
    """Held-out words; the task is learned with words as labels that stand for digits."""
    train, test = embedded_task("spoken", train_per_class=60, test_per_class=20)
    named = replace(train, labels=WORDS)
    served.client.learn("spoken", named, SPOKEN).wait(timeout_s=150)
    served.wait_for("spoken")
    return test


def pairs(served: Served, spoken: TaskData, n: int = 60) -> list[tuple[Input, Input]]:
    """Images and sounds of one digit, in the order of the images."""
    images = inputs_from_array(served.test["digits"].x[:n])
    sounds = inputs_from_array(spoken.x, spoken.signature.rate_hz)
    rows = {c: iter(np.resize(np.flatnonzero(spoken.y == c), n)) for c in range(10)}
    wanted = served.test["digits"].y[:n]
    return [(image, sounds[next(rows[c])]) for image, c in zip(images, wanted, strict=True)]


def right(answers: list[Answer], served: Served) -> float:
    wanted = served.test["digits"].y[: len(answers)]
    return float(np.mean([a.label == str(c) for a, c in zip(answers, wanted, strict=True)]))


def test_a_declared_concept_is_what_answers_and_tasks_show(
    served: Served, spoken: TaskData
) -> None:
    answers = served.client.predict(spoken.x, rate_hz=spoken.signature.rate_hz, task="spoken")
    assert {answer.label for answer in answers} <= set(map(str, range(10)))
    listed = served.http.get("/v1/tasks/spoken").json()
    assert listed["labels"] == list(WORDS)
    assert listed["concepts"] == MAP
    assert served.http.get("/v1/tasks/digits").json()["concepts"] == {}


def test_an_unknown_concept_is_refused_and_nothing_is_stored(
    served: Served, spoken: TaskData
) -> None:
    before = served.client.expansions()
    slip = LearnConfig(concepts={"seven": "sieben"})
    with pytest.raises(DataError, match="no task in service has the concept 'sieben'"):
        served.client.learn("slip", replace(spoken, labels=WORDS), slip)
    with pytest.raises(DataError, match="label 'siben' that the task does not have"):
        served.client.learn("slip", spoken, LearnConfig(concepts={"siben": "7"}))
    out = io.BytesIO()
    np.savez(out, x=spoken.x, y=spoken.y, rate_hz=8000)
    options = json.dumps({"concepts": {"7": "seven"}, "namespace": "digits"})
    reply = served.http.post(
        "/v1/learn",
        data={"task": "slip", "options": options},
        files={"file": ("slip.npz", out.getvalue())},
    )
    assert "concept 'seven' in namespace 'digits'" in problem(reply, 422)
    assert served.client.expansions() == before


def test_an_image_is_understood_more_often_together_with_a_sound(
    served: Served, spoken: TaskData
) -> None:
    given = pairs(served, spoken)
    both = served.client.predict_together(given)
    assert all(1 <= len(answer.activated) <= 2 for answer in both if not answer.unknown)
    modalities = [sorted(a.pathway.task for a in answer.activated) for answer in both]
    assert np.mean([found == ["digits", "spoken"] for found in modalities]) > 0.6
    image = right(served.client.predict_together([(image,) for image, _ in given]), served)
    assert right(both, served) > image + 0.1
    told = served.client.predict_together(given, tasks=("digits", "spoken"))
    assert right(told, served) > 0.9


def test_the_same_over_http(served: Served, spoken: TaskData) -> None:
    image, sound = pairs(served, spoken, 1)[0]
    wav = io.BytesIO()
    soundfile.write(wav, sound.array, sound.rate_hz, format="WAV", subtype="FLOAT")
    picture, clip = ("a.png", png(image.array[..., 0])), ("a.wav", wav.getvalue())
    path = "/v1/predict?together=true"
    reply = served.http.post(path, files=[("file", picture), ("file", clip)])
    (prediction,) = reply.json()["predictions"]
    (answer,) = served.client.predict_together([(image, sound)])
    assert prediction["label"] == answer.label
    assert len(prediction["pathways"]) == len(answer.activated)
    refused = served.http.post(path, files=[("file", picture), ("file", picture)])
    assert "two inputs of one kind" in problem(refused, 422)


def test_two_tasks_are_learned_together_in_two_processes(served: Served) -> None:
    """Both come into service with one network version, and prove themselves as others do."""
    images, seen = embedded_task("digits", train_per_class=60, test_per_class=20, seed=5)
    sounds, _ = embedded_task("spoken", train_per_class=30, test_per_class=5, seed=5)
    rng = np.random.default_rng(0)
    rows = [
        np.concatenate([np.flatnonzero(d.y == c)[:30] for c in range(10)]) for d in (images, sounds)
    ]
    data = PairedData(
        first=images.shots(3, rng),
        second=sounds.shots(3, rng),
        x_first=images.x[rows[0]],
        x_second=sounds.x[rows[1]],
    )
    short = TrainConfig(epochs=8, min_steps=0)
    configs = (
        LearnConfig(namespace="paired", train=short),
        replace(SPOKEN, concepts={}, namespace="paired", train=short),
    )
    expansion = served.client.learn_pair("paired-seen", "paired-heard", data, configs)
    with pytest.raises(TaskNameTaken, match="paired-heard"):
        served.client.learn("paired-heard", images)
    status = expansion.wait(timeout_s=200)
    assert (status.task, status.partner) == ("paired-seen", "paired-heard")
    assert status.epoch == status.epochs == 8
    view = served.client.network()
    learned = [view.registry.entry(task) for task in ("paired-seen", "paired-heard")]
    assert {entry.request for entry in learned} == {expansion.request}
    assert {entry.spec.namespace for entry in learned} == {"paired"}
    answers = served.client.predict(seen.x, task="paired-seen")
    assert np.mean([a.label == str(c) for a, c in zip(answers, seen.y, strict=True)]) > 0.4
    proven = {result.task: result.ok for result in served.client.verify()}
    assert proven["paired-seen"] and proven["paired-heard"]
