"""Hundreds of tasks: coarse scores find those that count, and a new task costs what it is large."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dispatcher import Part, Router, RouterError, Snapshot, StatisticsBuilder, TaskStatistics
from dispatcher.snapshot import EXACT_UP_TO, SHORTLIST, _largest

DIM, CLASSES, EXAMPLES = 160, 3, 12
MANY = 300


def examples(task: int, n: int = EXAMPLES, seed: int = 0) -> tuple[NDArray[np.float32], list[int]]:
    """Classes of every task lie at random places; a third of the variance is noise."""
    centres = np.random.default_rng([7, task]).standard_normal((CLASSES, DIM))
    y = [i % CLASSES for i in range(n)]
    noise = np.random.default_rng([seed, task, 1]).standard_normal((n, DIM)) * 0.7
    return (centres[y] + noise + 3.0).astype(np.float32), y


@cache
def statistics(task: int, n: int = EXAMPLES) -> TaskStatistics:
    x, y = examples(task, n)
    builder = StatisticsBuilder(CLASSES, DIM)
    builder.update(x, np.array(y))
    builder.calibrate(x, np.array(y))
    return builder.finish()


def name(task: int) -> str:
    return f"task-{task:04}"


def filled(tasks: range) -> Router:
    router = Router(DIM)
    for task in tasks:
        router.add(name(task), statistics(task))
    return router


@cache
def whole() -> Snapshot:
    return filled(range(MANY)).solve()


def exactly(snapshot: Snapshot) -> Snapshot:
    """The same without coarse scores: all tasks are scored."""
    parts = tuple(replace(part, vectors=part.vectors[:, :1]) for part in snapshot.parts)
    return replace(snapshot, parts=parts, projection=np.zeros((DIM, 0), np.float32))


def held_out(tasks: range) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    x = np.concatenate([examples(task, seed=1)[0] for task in tasks])
    return x, np.repeat(np.array(tasks), EXAMPLES)


def right_in_two(snapshot: Snapshot, tasks: range) -> float:
    x, task = held_out(tasks)
    chosen = snapshot.route(x).tasks[:, :2]
    return float((chosen == [[snapshot.positions[name(t)]] for t in task]).any(axis=1).mean())


def test_two_steps_find_what_exact_scores_find() -> None:
    coarse, exact = (right_in_two(s, range(MANY)) for s in (whole(), exactly(whole())))
    assert whole().projection.shape[1] > 0
    assert exact > 0.95
    assert coarse > exact - 0.01


@pytest.mark.parametrize("rows", [1, 200])
def test_only_a_shortlist_is_scored_exactly(rows: int) -> None:
    x = held_out(range(MANY))[0][:rows]
    routes, exact = whole().route(x), exactly(whole()).route(x)
    assert routes.tasks.shape == (rows, SHORTLIST)
    assert exact.tasks.shape == (rows, MANY)
    np.testing.assert_array_equal(routes.tasks[:, 0], exact.tasks[:, 0])
    # The same odds between the two most probable, however their scores are multiplied.
    alike = routes.tasks[:, 1] == exact.tasks[:, 1]
    odds = [r.probabilities[alike, 0] / r.probabilities[alike, 1] for r in (routes, exact)]
    assert alike.mean() > 0.9
    np.testing.assert_allclose(odds[0], odds[1], rtol=1e-3)


def test_few_tasks_are_all_scored() -> None:
    few = filled(range(EXACT_UP_TO)).solve()
    assert few.projection.shape == (DIM, 0)
    assert few.route(held_out(range(2))[0]).tasks.shape[1] == EXACT_UP_TO


def test_a_task_that_may_not_be_used_is_not_shortlisted() -> None:
    x = held_out(range(40))[0]
    usable = np.ones(MANY, dtype=np.bool_)
    usable[:40] = False
    routes = whole().route(x, usable)
    assert not np.isin(routes.tasks[routes.probabilities > 0], range(40)).any()
    np.testing.assert_allclose(routes.probabilities.sum(axis=1), 1.0, rtol=1e-5)


def test_new_tasks_extend_a_snapshot() -> None:
    router = filled(range(MANY))
    snapshot = router.solve()
    for task in range(MANY, MANY + 6):
        router.add(name(task), statistics(task))
        part = Part.from_arrays(router.extend([name(task)]).to_arrays())
        assert part.weights.nbytes < snapshot.parts[0].weights.nbytes / 100
        snapshot = snapshot.extended(part)
    new = range(MANY, MANY + 6)
    assert snapshot.tasks[MANY:] == tuple(map(name, new))
    assert right_in_two(snapshot, new) > 0.9
    assert right_in_two(snapshot, range(MANY)) > right_in_two(whole(), range(MANY)) - 0.01
    assert snapshot.shortlist(examples(MANY + 2, seed=3)[0], 3)[0] == name(MANY + 2)
    again = Snapshot.from_arrays(snapshot.to_arrays())
    x = held_out(new)[0]
    np.testing.assert_array_equal(again.route(x).tasks[:, 0], snapshot.route(x).tasks[:, 0])


def test_an_older_snapshot_stays_as_it_was() -> None:
    router = filled(range(4))
    before = router.solve()
    router.add(name(4), statistics(4))
    after = before.extended(router.extend([name(4)]))
    assert (len(before.tasks), len(after.tasks)) == (4, 5)
    assert right_in_two(after, range(5)) > 0.95


def test_a_part_of_another_projection_is_refused() -> None:
    router = filled(range(3))
    with pytest.raises(RouterError, match="do not fit a projection"):
        whole().extended(router.extend([name(0)]))


def test_the_largest_are_found_by_groups() -> None:
    scores = torch.randn(20, 1_003, generator=torch.Generator().manual_seed(0))
    wanted = scores.topk(SHORTLIST, dim=1).indices.sort(dim=1).values
    assert torch.equal(_largest(scores, SHORTLIST).sort(dim=1).values, wanted)


def test_statistics_of_few_examples_are_small_and_lose_nothing() -> None:
    few, many = statistics(0), statistics(0, n=DIM)
    assert sum(a.nbytes for a in few.to_arrays().values()) < many.gram.nbytes / 8
    x = examples(0)[0].astype(np.float64)
    np.testing.assert_allclose(few.gram, x.T @ x, rtol=1e-3, atol=1e-2)
    again = TaskStatistics.from_arrays(few.to_arrays())
    np.testing.assert_array_equal(again.gram, few.gram)
    np.testing.assert_array_equal(again.distances, few.distances)


def test_removing_a_task_of_few_examples_undoes_adding_it() -> None:
    router = filled(range(6))
    router.remove(name(5), TaskStatistics.from_arrays(statistics(5).to_arrays()))
    one, other = filled(range(5)).solve().to_arrays(), router.solve().to_arrays()
    for key, array in one.items():
        np.testing.assert_allclose(other[key], array, rtol=1e-4, atol=1e-5)


def test_statistics_with_a_whole_histogram_are_read() -> None:
    known = statistics(0)
    arrays = {k: v for k, v in known.to_arrays().items() if k not in ("bins", "in_bins")}
    again = TaskStatistics.from_arrays({**arrays, "distances": known.distances})
    np.testing.assert_array_equal(again.distances, known.distances)


def test_damaged_statistics_of_few_examples_are_refused() -> None:
    arrays = statistics(0).to_arrays()
    with pytest.raises(RouterError, match="do not fit sums"):
        TaskStatistics.from_arrays({**arrays, "components": arrays["components"][:, 1:]})
    with pytest.raises(RouterError, match="do not fit their counts"):
        TaskStatistics.from_arrays({**arrays, "bins": arrays["bins"] + 100_000})
    with pytest.raises(RouterError, match="do not fit together"):
        TaskStatistics.from_arrays({**arrays, "sums": arrays["sums"][1:]})
