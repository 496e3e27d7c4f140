"""A task of few examples beside tasks of many: its inputs are known as its own all the same."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dispatcher import Router, RouterConfig, RouterError, StatisticsBuilder, TaskStatistics
from dispatcher.regression import Regression

DIM, CLASSES, TASKS = 256, 4, 6
FEW, MANY = 12, 2_000
BENT = np.random.default_rng(4).standard_normal((DIM, DIM)) / np.sqrt(DIM)


def examples(task: int, n: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    means = np.random.default_rng(task).standard_normal((CLASSES, DIM)) * 0.5
    noise = np.random.default_rng([seed, task]).standard_normal((n, DIM))
    y = np.arange(n) % CLASSES
    return ((means[y] + noise) @ BENT).astype(np.float32), y


def statistics(task: int, n: int) -> TaskStatistics:
    x, y = examples(task, n, seed=0)
    builder = StatisticsBuilder(CLASSES, DIM)
    builder.update(x, y)
    builder.calibrate(x, y)
    return builder.finish()


def router(sizes: dict[int, int], power: float = RouterConfig().leverage_power) -> Router:
    learned = Router(DIM, RouterConfig(leverage_power=power))
    for task, n in sizes.items():
        learned.add(f"task-{task}", statistics(task, n))
    return learned


def among_two(learned: Router, task: int) -> float:
    routes = learned.solve().route(examples(task, 400, seed=1)[0])
    position = learned.tasks.index(f"task-{task}")
    return float((routes.tasks[:, :2] == position).any(axis=1).mean())


def test_inputs_of_a_task_of_few_examples_find_it_more_often() -> None:
    sizes = dict.fromkeys(range(TASKS), MANY) | {0: FEW}
    plain, raised = router(sizes, power=0.0), router(sizes)
    assert among_two(raised, 0) > among_two(plain, 0) + 0.1
    for task in range(1, TASKS):
        assert among_two(raised, task) > among_two(plain, task) - 0.02


def test_tasks_of_as_many_examples_are_told_apart_as_before() -> None:
    sizes = dict.fromkeys(range(TASKS), 60)
    x = examples(2, 200, seed=1)[0]
    first = [router(sizes, power).solve().route(x).tasks[:, 0] for power in (0.0, 0.4)]
    assert (first[0] == first[1]).mean() > 0.99


def test_a_task_that_is_added_is_raised_as_if_all_were_learned_anew() -> None:
    learned = router(dict.fromkeys(range(1, TASKS), MANY))
    learned.solve()
    learned.add("task-0", statistics(0, FEW))
    added = learned.extend(["task-0"])
    whole = learned.solve().parts[0]
    own = whole.class_task == whole.tasks.index("task-0")
    np.testing.assert_allclose(added.weights, whole.weights[own], rtol=1e-4, atol=1e-6)


def test_what_was_learned_from_few_examples_looks_like_its_twin_all_the_same() -> None:
    learned = router(dict.fromkeys(range(1, TASKS), MANY))
    x, y = examples(1, FEW, seed=2)  # of the classes of task 1
    builder = StatisticsBuilder(CLASSES, DIM)
    builder.update(x, y)
    builder.calibrate(x, y)
    learned.add("twin", builder.finish())
    (alike, share), (_, next_best) = learned.likeness(2)["twin"]
    assert alike == "task-1"
    assert share > 0.1
    assert next_best < share / 10


def test_degrees_of_freedom_are_the_leverages_of_all_examples() -> None:
    x = examples(0, 40, seed=0)[0][:, :16].astype(np.float64)
    regression = Regression(x.T @ x, x.sum(axis=0), 40.0, ridge=0.1)
    assert regression.degrees == pytest.approx(regression.leverage(x).sum())
    assert 1 < regression.degrees < 17


def test_scores_cannot_be_lowered() -> None:
    with pytest.raises(RouterError, match=r"leverage_power is -0\.1; give 0 or more"):
        RouterConfig(leverage_power=-0.1)
