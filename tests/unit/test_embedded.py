"""The embedded data: reproducible, well formed, learnable and not trivial."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

import pathways.data.embedded as embedded
from pathways.data.embedded import NAMES, embedded_task
from pathways.data.embedded.sheet import contact_sheet
from pathways.data.embedded.strokes import HAND, POINTS, hand_forms
from pathways.data.task import TaskData
from pathways.errors import DataError
from pathways.signature import audio_signature, image_signature

CLASSES = {"fashion": 10, "digits": 10, "lower": 26, "upper": 26, "spoken": 10}
IMAGES = [name for name in NAMES if name != "spoken"]
TRAIN, TEST = 30, 10


@cache
def made(name: str) -> tuple[TaskData, TaskData]:
    return embedded_task(name, train_per_class=TRAIN, test_per_class=TEST)


def features(data: TaskData) -> NDArray[np.float64]:
    """Unit vectors [n, k]: pixels, or the loudness of 64 bands of a clip."""
    if data.signature.modality == "image":
        flat = data.x.reshape(len(data), -1).astype(np.float64)
    else:
        power = np.abs(np.fft.rfft(data.x)[:, :3968]) ** 2
        flat = np.log(power.reshape(len(data), 64, 62).mean(axis=2) + 1e-3)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.linalg.norm(flat, axis=1, keepdims=True))


def means(data: TaskData) -> NDArray[np.float64]:
    """The mean feature vector of each class, of unit length: [classes, k]."""
    mean = np.stack([features(data)[data.y == c].mean(axis=0) for c in range(len(data.labels))])
    return np.asarray(mean / np.linalg.norm(mean, axis=1, keepdims=True))


def likeness(name: str, label: str, other: str) -> dict[str, float]:
    """Correlation of the mean of `label` in set `name` with each class mean of set `other`."""
    data, there = made(name)[0], made(other)[0]
    mine = means(data)[data.labels.index(label)]
    return dict(zip(there.labels, (means(there) @ mine).tolist(), strict=True))


def test_exports_are_sorted() -> None:
    assert embedded.__all__ == sorted(embedded.__all__)
    assert tuple(CLASSES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_gives_the_same_bytes(name: str) -> None:
    first, again, other = (
        embedded_task(name, train_per_class=3, test_per_class=2, seed=seed) for seed in (7, 7, 8)
    )
    for a, b, c in zip(first, again, other, strict=True):
        assert a.x.tobytes() == b.x.tobytes()
        assert a.y.tobytes() == b.y.tobytes()
        assert a.x.tobytes() != c.x.tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_the_test_split_does_not_depend_on_the_size_of_the_training_split(name: str) -> None:
    _, few = embedded_task(name, train_per_class=1, test_per_class=2)
    _, more = embedded_task(name, train_per_class=3, test_per_class=2)
    assert few.x.tobytes() == more.x.tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_every_class_occurs_equally_often_and_shuffled(name: str) -> None:
    for data, per_class in zip(made(name), (TRAIN, TEST), strict=True):
        assert len(data.labels) == CLASSES[name]
        assert data.counts().tolist() == [per_class] * CLASSES[name]
        assert (np.diff(data.y) < 0).any()


def test_labels_stand_in_their_usual_order() -> None:
    labels = {name: made(name)[0].labels for name in NAMES}
    assert "".join(labels["digits"]) == "".join(labels["spoken"]) == "0123456789"
    assert "".join(labels["lower"]).upper() == "".join(labels["upper"])
    assert labels["fashion"][0] == "T-shirt/top"
    assert labels["fashion"][-1] == "Ankle boot"


@pytest.mark.parametrize("name", NAMES)
def test_no_example_occurs_twice_in_either_split(name: str) -> None:
    rows = [x.tobytes() for data in made(name) for x in data.x]
    assert len(set(rows)) == len(rows)


@pytest.mark.parametrize("name", IMAGES)
def test_images_are_light_ink_on_black(name: str) -> None:
    data, _ = made(name)
    assert data.signature == image_signature()
    peak = data.x.max(axis=(1, 2, 3))
    border = np.concatenate([data.x[:, [0, -1], :, 0], data.x[:, :, [0, -1], 0]], axis=None)
    assert peak.min() > 20
    assert np.median(peak) > 180
    assert np.median(border) == 0
    assert 10 < data.x.mean() < 120


@pytest.mark.parametrize("name", ["digits", "lower", "upper"])
def test_characters_fill_a_box_in_the_middle(name: str) -> None:
    ink = made(name)[0].x[..., 0].astype(np.float64)
    mass = ink.sum(axis=(1, 2))
    rows = (ink.sum(axis=2) @ np.arange(28)) / mass
    columns = (ink.sum(axis=1) @ np.arange(28)) / mass
    assert abs(rows.mean() - 13.5) < 1.0
    assert abs(columns.mean() - 13.5) < 1.0
    dark = ink > 100
    high, wide = dark.any(axis=2).sum(axis=1), dark.any(axis=1).sum(axis=1)
    assert 18 <= np.median(np.maximum(high, wide)) <= 24


def test_clips_are_loud_enough_and_do_not_overshoot() -> None:
    data, _ = made("spoken")
    assert data.signature == audio_signature()
    peak = np.abs(data.x).max(axis=1)
    assert peak.max() <= 1.0
    assert peak.min() > 0.1


def test_clips_begin_at_different_times() -> None:
    data, _ = made("spoken")
    loud = np.abs(data.x) > 0.5 * np.abs(data.x).max(axis=1, keepdims=True)
    assert np.argmax(loud, axis=1).std() > 0.05 * 8000


@pytest.mark.parametrize(
    ("name", "label", "other", "twin"),
    [
        ("lower", "o", "digits", "0"),
        ("upper", "O", "digits", "0"),
        ("lower", "l", "digits", "1"),
        *(("lower", c, "upper", c.upper()) for c in "ocsvwxzkpum"),
    ],
)
def test_twins_look_most_alike(name: str, label: str, other: str, twin: str) -> None:
    alike = likeness(name, label, other)
    others = max(value for label, value in alike.items() if label != twin)
    assert alike[twin] > max(0.75, others + 0.04)


@pytest.mark.parametrize("letter", "abdegrt")
def test_letters_with_two_forms_differ_between_cases(letter: str) -> None:
    assert likeness("lower", letter, "upper")[letter.upper()] < 0.85


@pytest.mark.parametrize("name", NAMES)
def test_nearest_mean_beats_chance_by_far_and_is_not_perfect(name: str) -> None:
    train, test = made(name)
    guess = (features(test) @ means(train).T).argmax(axis=1)
    assert 0.4 < (guess == test.y).mean() < 0.97


def test_every_character_has_a_form() -> None:
    for character in HAND:
        for form in hand_forms(character):
            assert form.points.shape == (POINTS, 2)
            assert np.isclose(np.ptp(form.points, axis=0).max(), 2.0)


def test_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(DataError, match=r"'hats'.*fashion, digits, lower, upper, spoken"):
        embedded_task("hats", train_per_class=1, test_per_class=1)


@pytest.mark.parametrize("counts", [(0, 1), (1, 0)])
def test_empty_splits_are_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(DataError, match="each class needs"):
        embedded_task("digits", train_per_class=counts[0], test_per_class=counts[1])


def test_negative_seed_is_refused() -> None:
    with pytest.raises(DataError, match="seed"):
        embedded_task("digits", train_per_class=1, test_per_class=1, seed=-1)


@pytest.mark.parametrize("name", ["digits", "spoken"])
def test_contact_sheet_has_a_row_for_each_class(name: str) -> None:
    data, _ = embedded_task(name, train_per_class=2, test_per_class=1)
    narrow, wide = contact_sheet(data, columns=2), contact_sheet(data, columns=4)
    assert narrow.mode == "RGB"
    assert narrow.height == wide.height
    assert narrow.height % len(data.labels) == 0
    assert wide.width > narrow.width
    blank = np.asarray(wide)[:, narrow.width :]
    assert not blank.any()
