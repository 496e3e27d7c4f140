"""Probabilities of many tasks: as sure as they are right, however far the tasks lie apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from dispatcher import Router, Snapshot, StatisticsBuilder, TaskStatistics
from dispatcher.regression import Regression
from dispatcher.router import RouterConfig
from dispatcher.snapshot import EXACT_UP_TO

DIM, CLASSES = 64, 3
MEASURED = RouterConfig().exponent


def task(number: int, apart: float, n: int, seed: int = 0) -> NDArray[np.float32]:
    """[n, D] examples of classes in turn, whose means lie `apart` in every feature."""
    means = np.random.default_rng(number).standard_normal((CLASSES, DIM)) * apart
    noise = np.random.default_rng([seed, number]).standard_normal((n, DIM))
    return (means[np.arange(n) % CLASSES] + noise).astype(np.float32)


def statistics(x: NDArray[np.float32]) -> TaskStatistics:
    builder = StatisticsBuilder(CLASSES, DIM)
    for use in (builder.update, builder.calibrate):
        use(x, np.arange(len(x)) % CLASSES)
    return builder.finish()


def solved(apart: float, n: int, tasks: int = 100) -> Snapshot:
    router = Router(DIM)
    for number in range(tasks):
        router.add(f"task-{number:03d}", statistics(task(number, apart, n)))
    return router.solve()


def surprise(snapshot: Snapshot, apart: float) -> tuple[float, float]:
    """Mean -log p(right task) of inputs never seen, and how far the first task's probability is
    above the share of inputs whose first task is right."""
    x = np.concatenate([task(number, apart, 12, seed=1) for number in range(100)])
    routes = snapshot.route(x)
    right = routes.tasks == np.repeat(np.arange(100), 12)[:, None]
    of_right = np.where(right.any(axis=1), (routes.probabilities * right).sum(axis=1), 1e-6)
    sure = float(routes.probabilities[:, 0].mean() - right[:, 0].mean())
    return float(-np.log(np.maximum(of_right, 1e-6)).mean()), sure


@pytest.mark.parametrize(("apart", "n"), [(1.0, 48), (1.0, 300), (0.5, 300)])
def test_many_tasks_get_the_exponent_that_suits_them(apart: float, n: int) -> None:
    fitted = solved(apart, n)
    loss, sure = surprise(fitted, apart)
    loss_before, sure_before = surprise(replace(fitted, exponent=MEASURED), apart)
    assert loss < loss_before
    assert abs(sure) < abs(sure_before)


def test_the_farther_apart_the_surer() -> None:
    assert solved(0.5, 300).exponent < solved(1.0, 300).exponent


def test_few_tasks_keep_the_measured_one() -> None:
    assert solved(1.0, 12, tasks=EXACT_UP_TO).exponent == MEASURED


def test_classes_of_one_example_are_no_obstacle() -> None:
    assert solved(1.0, CLASSES).exponent >= 1.0


def test_leverage_tells_what_an_example_adds_to_its_own_answer() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 8)), np.repeat([0, 1], 20)
    ridge = 1e-9  # so small that it stays the same without an example

    def answers(rows: NDArray[np.int64], asked: NDArray[np.float64]) -> NDArray[np.float64]:
        own = x[rows]
        regression = Regression(own.T @ own, own.sum(axis=0), float(len(rows)), ridge)
        counts = np.bincount(y[rows], minlength=2).astype(float)
        sums = np.stack([own[y[rows] == c].sum(axis=0) for c in (0, 1)])
        weights, bias = regression.weights(counts, sums)
        return np.asarray(asked @ weights.T + bias, dtype=np.float64)

    everything = np.arange(40)
    leverage = Regression(x.T @ x, x.sum(axis=0), 40.0, ridge).leverage(x)
    learned = answers(everything, x)
    for row in range(0, 40, 7):
        without = answers(np.delete(everything, row), x[row : row + 1])[0]
        h = leverage[row]
        expected = (learned[row] - h * np.eye(2)[y[row]]) / (1.0 - h)
        np.testing.assert_allclose(without, expected, atol=1e-4)
