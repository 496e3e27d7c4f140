"""The whole dispatcher on drawn images: right pathways, and "unknown" for what is unlike them."""

from __future__ import annotations

import pickle
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from dispatcher import (
    Dispatcher,
    Features,
    NoTaskFits,
    Router,
    RouterError,
    StatisticsBuilder,
    TaskStatistics,
    make_features,
)

KEY = "image-28x28x1"
TASKS = ("bars", "boxes")
Images = NDArray[np.uint8]


def draw(task: str, n: int, seed: int = 0) -> tuple[Images, NDArray[np.int64]]:
    """Light strokes on black. Bars lie or stand (two classes); boxes are hollow or full."""
    random = np.random.default_rng(seed)
    x, y = np.zeros((n, 28, 28, 1), dtype=np.uint8), np.arange(n) % 2
    for image, label in zip(x, y, strict=True):
        ink = random.integers(180, 256)
        top, left = random.integers(4, 9, 2)
        if task == "bars":
            length, width = random.integers(12, 16), random.integers(2, 5)
            height, width = (width, length) if label == 0 else (length, width)
        else:
            height, width = random.integers(10, 16, 2)
        image[top : top + height, left : left + width] = ink
        if task == "boxes" and label == 0:
            image[top + 3 : top + height - 3, left + 3 : left + width - 3] = 0
    return x, y


@cache
def features() -> Features:
    return make_features("image", (28, 28, 1), dim=600)


def learn(x: Images, y: NDArray[np.int64], calibrated: bool = True) -> TaskStatistics:
    builder = StatisticsBuilder(2, features().dim)
    builder.update(features()(x), y)
    if calibrated:
        builder.calibrate(features()(x), y)
    return builder.finish()


@cache
def dispatcher(n: int = 600, calibrated: bool = True) -> Dispatcher:
    router = Router(features().dim)
    for task in TASKS:
        router.add(task, learn(*draw(task, n), calibrated))
    return Dispatcher({KEY: (features(), router.solve())})


def unknown_share(x: Images, n: int = 600) -> float:
    return float(np.mean([decision.unknown for decision in dispatcher(n).decide(KEY, x)]))


@pytest.mark.parametrize("task", TASKS)
def test_held_out_inputs_find_their_pathway(task: str) -> None:
    decisions = dispatcher().decide(KEY, draw(task, 300, seed=1)[0])
    assert np.mean([decision.tasks[0] == task for decision in decisions]) > 0.98
    assert all(sum(decision.weights) == pytest.approx(1.0) for decision in decisions)
    assert all(1 <= len(decision.tasks) <= 2 for decision in decisions)


@pytest.mark.parametrize("task", TASKS)
def test_held_out_inputs_are_known(task: str) -> None:
    assert unknown_share(draw(task, 300, seed=1)[0]) <= 0.02


def test_noise_is_unknown() -> None:
    noise = np.random.default_rng(5).integers(0, 256, (100, 28, 28, 1), dtype=np.uint8)
    assert unknown_share(noise) == 1.0


@pytest.mark.parametrize("task", TASKS)
def test_negatives_are_unknown(task: str) -> None:
    assert unknown_share(255 - draw(task, 100, seed=1)[0]) == 1.0


def test_blank_images_are_unknown() -> None:
    assert unknown_share(np.zeros((1, 28, 28, 1), dtype=np.uint8)) == 1.0


@pytest.mark.parametrize("task", TASKS)
def test_tasks_of_few_examples_do_not_reject_their_own(task: str) -> None:
    assert unknown_share(draw(task, 300, seed=1)[0], n=10) < 0.1


def test_an_uncalibrated_task_accepts_its_own_and_rejects_noise() -> None:
    loose = dispatcher(calibrated=False)
    noise = np.random.default_rng(5).integers(0, 256, (20, 28, 28, 1), dtype=np.uint8)
    assert not any(decision.unknown for decision in loose.decide(KEY, draw("bars", 100)[0]))
    assert all(decision.unknown for decision in loose.decide(KEY, noise))


def test_a_task_s_novelty_test_does_not_change_when_another_is_added() -> None:
    x = features()(draw("boxes", 50, seed=2)[0])
    alone = Router(features().dim)
    alone.add("bars", learn(*draw("bars", 600)))
    before = alone.solve().route(x).novelty
    alone.add("boxes", learn(*draw("boxes", 600)))
    only_bars = np.array([True, False])
    np.testing.assert_allclose(alone.solve().route(x, only_bars).novelty, before, rtol=1e-4)


def test_a_pickled_dispatcher_decides_alike() -> None:
    x = draw("boxes", 20, seed=4)[0]
    again = pickle.loads(pickle.dumps(dispatcher()))
    assert again.decide(KEY, x) == dispatcher().decide(KEY, x)


def test_a_dispatcher_knows_its_signatures() -> None:
    assert dispatcher().signatures == (KEY,)
    with pytest.raises(NoTaskFits, match=KEY):
        dispatcher().decide("audio-8000hz-8000", np.zeros((1, 8_000), dtype=np.float32))


def test_features_and_snapshot_must_fit() -> None:
    router = Router(features().dim)
    router.add("bars", learn(*draw("bars", 20)))
    with pytest.raises(RouterError, match="length 2000"):
        Dispatcher({KEY: (make_features("image", (28, 28, 1)), router.solve())})
