"""The router: order, partition and merging do not matter; nothing is lost in files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from dispatcher import (
    Router,
    RouterConfig,
    RouterError,
    Snapshot,
    StatisticsBuilder,
    TaskStatistics,
)
from dispatcher.snapshot import NOVELTY_CANDIDATES

DIM = 24
CENTRES = np.random.default_rng(9).standard_normal((12, DIM)).astype(np.float32) * 2.0
"""Task t of three has the four classes 4 t .. 4 t + 3."""

Data = tuple[NDArray[np.float32], NDArray[np.int64]]


def blobs(task: int, n: int = 400, seed: int = 0) -> Data:
    random = np.random.default_rng([seed, task])
    y = np.arange(n) % 4
    noise = random.standard_normal((n, DIM)).astype(np.float32)
    return CENTRES[4 * task + y] + noise, y


def learn(x: NDArray[np.float32], y: NDArray[np.int64], batch: int = 64) -> TaskStatistics:
    builder = StatisticsBuilder(4, DIM)
    for use in (builder.update, builder.calibrate):
        for start in range(0, len(x), batch):
            use(x[start : start + batch], y[start : start + batch])
    return builder.finish()


def router(*tasks: int) -> Router:
    filled = Router(DIM)
    for task in tasks:
        filled.add(f"task-{task}", learn(*blobs(task)))
    return filled


def assert_same(first: Snapshot, second: Snapshot) -> None:
    assert first.tasks == second.tasks
    for name, array in first.to_arrays().items():
        np.testing.assert_allclose(second.to_arrays()[name], array, rtol=1e-4, atol=1e-5)


def with_limits(snapshot: Snapshot, limits: NDArray[np.float32]) -> Snapshot:
    return replace(snapshot, parts=(replace(snapshot.parts[0], limits=limits),))


def right(snapshot: Snapshot, task: int) -> float:
    routes = snapshot.route(blobs(task, seed=1)[0])
    return float((routes.tasks[:, 0] == snapshot.positions[f"task-{task}"]).mean())


def test_held_out_inputs_find_their_task() -> None:
    snapshot = router(0, 1, 2).solve()
    assert min(right(snapshot, task) for task in range(3)) > 0.97


def test_probabilities_sum_to_one() -> None:
    probabilities = router(0, 1, 2).solve().route(blobs(1)[0]).probabilities
    assert probabilities.shape == (400, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)


def test_the_order_of_tasks_does_not_matter() -> None:
    assert_same(router(0, 1, 2).solve(), router(2, 0, 1).solve())


def test_two_merged_routers_equal_one() -> None:
    merged = router(2)
    merged.merge(router(0, 1))
    assert_same(router(0, 1, 2).solve(), merged.solve())


def test_remove_undoes_add() -> None:
    reduced = router(0, 1, 2)
    reduced.remove("task-1", learn(*blobs(1)))
    assert reduced.tasks == ("task-0", "task-2")
    assert_same(router(0, 2).solve(), reduced.solve())


def test_the_partition_into_batches_does_not_matter() -> None:
    whole, parts = (learn(*blobs(0), batch=batch) for batch in (400, 7))
    np.testing.assert_allclose(whole.sums, parts.sums, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(whole.gram, parts.gram, rtol=1e-5, atol=1e-4)
    # A distance on the edge of a bin may round into the next.
    assert np.abs(np.cumsum(whole.distances) - np.cumsum(parts.distances)).max() <= 2


def test_a_task_s_size_does_not_drown_a_smaller_one() -> None:
    uneven = Router(DIM)
    uneven.add("task-0", learn(*blobs(0, n=20_000), batch=1_000))
    uneven.add("task-1", learn(*blobs(1, n=40)))
    assert right(uneven.solve(), 1) > 0.95


def test_a_few_examples_a_class_are_enough_to_start_with() -> None:
    snapshot_of_few = router(0, 2)
    snapshot_of_few.add("task-1", learn(*blobs(1, n=20)))
    snapshot = snapshot_of_few.solve()
    assert right(snapshot, 1) > 0.8
    assert min(right(snapshot, task) for task in (0, 2)) > 0.95


@pytest.mark.parametrize("n", [4, 20])
def test_a_single_task_takes_everything(n: int) -> None:
    single = Router(DIM)
    single.add("task-0", learn(*blobs(0, n=n)))
    routes = single.solve().route(blobs(0, seed=1)[0])
    assert (routes.probabilities == 1.0).all()
    assert routes.unknown.mean() < 0.15


def test_statistics_and_snapshots_round_trip_through_arrays() -> None:
    statistics = learn(*blobs(0))
    again = TaskStatistics.from_arrays(statistics.to_arrays())
    for name in ("counts", "sums", "gram", "distances"):
        np.testing.assert_array_equal(getattr(again, name), getattr(statistics, name))
    snapshot = router(0, 1).solve()
    x = blobs(1, seed=2)[0]
    first, second = (s.route(x) for s in (snapshot, Snapshot.from_arrays(snapshot.to_arrays())))
    np.testing.assert_array_equal(first.tasks, second.tasks)
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    np.testing.assert_array_equal(first.novelty, second.novelty)


def test_a_router_goes_on_from_its_arrays() -> None:
    resumed = Router.from_arrays(router(0, 1).to_arrays())
    resumed.add("task-2", learn(*blobs(2)))
    assert_same(router(0, 1, 2).solve(), resumed.solve())
    assert Router.from_arrays(Router(DIM).to_arrays()).tasks == ()


def test_the_shortlist_names_the_most_relevant_tasks_first() -> None:
    snapshot = router(0, 1, 2).solve()
    assert snapshot.shortlist(blobs(2, seed=3)[0], 2)[0] == "task-2"
    assert len(snapshot.shortlist(blobs(2, seed=3)[0], 2)) == 2
    assert len(snapshot.shortlist(blobs(2, seed=3)[0], 9)) == 3


def test_an_input_is_known_if_any_probable_task_fits_it() -> None:
    snapshot = router(0, 1).solve()
    x = blobs(0, seed=1)[0]
    limits = snapshot.parts[0].limits
    strict = with_limits(snapshot, limits * np.float32([1e-6, 1.0]))
    assert snapshot.route(x).unknown.mean() < 0.1
    loose = with_limits(snapshot, limits * np.float32([1e-6, 1e6]))
    assert strict.route(x).unknown.all()
    assert not loose.route(x).unknown.any()


def test_thousands_of_novelty_tests_are_not_made() -> None:
    many = Router(DIM)
    for i in range(20):
        many.add(f"copy-{i:02}", learn(*blobs(i % 3)))
    snapshot = many.solve()
    x = blobs(0)[0][:1]
    by_probability = snapshot.route(x).tasks[0]
    for place, fits in ((NOVELTY_CANDIDATES - 1, True), (NOVELTY_CANDIDATES, False)):
        limits = np.full(20, 1e-6, np.float32)
        limits[by_probability[place]] = 1e6
        assert with_limits(snapshot, limits).route(x).unknown[0] != fits


def test_a_task_that_may_not_be_used_gets_nothing() -> None:
    routes = router(0, 1, 2).solve().route(blobs(1)[0], np.array([True, False, True]))
    assert (routes.probabilities[routes.tasks == 1] == 0.0).all()
    np.testing.assert_allclose(routes.probabilities.sum(axis=1), 1.0, rtol=1e-5)


def test_statistics_that_do_not_fit_are_refused() -> None:
    builder = StatisticsBuilder(4, DIM)
    x, y = blobs(0)
    with pytest.raises(RouterError, match=r"expected \[n, 24\]"):
        builder.update(x[:, :-1], y)
    with pytest.raises(RouterError, match=r"outside 0\.\.3"):
        builder.update(x, y + 1)
    with pytest.raises(RouterError, match="not all finite"):
        builder.update(np.full_like(x, np.nan), y)
    builder.update(x[y < 3], y[y < 3])
    with pytest.raises(RouterError, match=r"\[3\] have no example"):
        builder.finish()


def test_the_second_pass_ends_the_first_and_needs_every_class() -> None:
    x, y = blobs(0)
    builder = StatisticsBuilder(4, DIM)
    builder.update(x, y)
    builder.calibrate(x, y)
    with pytest.raises(RouterError, match="first pass"):
        builder.update(x, y)
    empty = StatisticsBuilder(5, DIM)
    empty.update(x, y)
    with pytest.raises(RouterError, match=r"\[4\] have no example"):
        empty.calibrate(x, y)


def test_arrays_of_other_shapes_are_refused() -> None:
    statistics, snapshot = learn(*blobs(0)).to_arrays(), router(0, 1).solve().to_arrays()
    whole = router(0, 1).to_arrays()
    with pytest.raises(RouterError, match="gram_upper"):
        TaskStatistics.from_arrays({k: v for k, v in statistics.items() if k != "gram_upper"})
    with pytest.raises(RouterError, match="triangle"):
        TaskStatistics.from_arrays({**statistics, "gram_upper": statistics["gram_upper"][1:]})
    with pytest.raises(RouterError, match="do not fit together"):
        TaskStatistics.from_arrays({**statistics, "counts": statistics["counts"][1:]})
    with pytest.raises(RouterError, match="does not fit"):
        Snapshot.from_arrays({**snapshot, "bias": snapshot["bias"][1:]})
    with pytest.raises(RouterError, match="cannot be read"):
        Snapshot.from_arrays({**snapshot, "tasks": snapshot["tasks"][:-3]})
    with pytest.raises(RouterError, match="does not fit"):
        Router.from_arrays({**whole, "sizes": whole["sizes"][1:]})


def test_a_router_refuses_what_it_has_or_has_not() -> None:
    one = router(0)
    with pytest.raises(RouterError, match="already"):
        one.add("task-0", learn(*blobs(0)))
    with pytest.raises(RouterError, match="not among the router"):
        one.remove("task-1", learn(*blobs(1)))
    with pytest.raises(RouterError, match="not the statistics"):
        one.remove("task-0", learn(*blobs(1)))
    with pytest.raises(RouterError, match="both routers"):
        one.merge(router(0, 1))
    with pytest.raises(RouterError, match="routers differ"):
        one.merge(Router(DIM, RouterConfig(ridge=1.0)))
    with pytest.raises(RouterError, match="over 24 features"):
        Router(DIM + 1).add("task-0", learn(*blobs(0)))
    with pytest.raises(RouterError, match="no task yet"):
        Router(DIM).solve()
    with pytest.raises(RouterError, match=r"takes \[n, 24\]"):
        one.solve().route(np.zeros((2, 3), dtype=np.float32))


@pytest.mark.parametrize("name", ["ridge", "floor", "exponent"])
def test_the_config_is_validated(name: str) -> None:
    with pytest.raises(RouterError, match=name):
        RouterConfig(**{name: 0.0})
