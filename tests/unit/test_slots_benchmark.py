"""The simulation of slots: its traffic, its bookkeeping, and what is reckoned beside it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.slots import report
from benchmarks.slots.costs import Costs, measured
from benchmarks.slots.reckoning import Cluster, Units, controller_calls, lru_hit_share, walls
from benchmarks.slots.scenarios import Scenario, figures, scenarios, simulate
from benchmarks.slots.simulation import Outcome
from benchmarks.slots.traffic import Traffic, by_popularity, popularity, trace

STILL = Traffic(tasks=500, rps=200, seconds=60, drift=0.0, day_s=0.0, bursts_per_minute=0.0, seed=1)
CLUSTER = Scenario(title="small", traffic=STILL, nodes=4, slots=2, pathways_per_slot=10)
UNITS = Units(dispatcher_bytes=40e3, store_files=3, add_s=1e-3)


def run(scenario: Scenario, costs: Costs | None = None) -> Outcome:
    return simulate(scenario, costs or Costs())


def test_traffic_is_the_same_again_and_follows_zipf() -> None:
    once, again = ([s.tasks for s in trace(STILL)] for _ in range(2))
    for a, b in zip(once, again, strict=True):
        np.testing.assert_array_equal(a, b)
    tasks = np.concatenate(once)
    assert len(tasks) == pytest.approx(200 * 60, rel=0.05)
    best = by_popularity(STILL)[0]
    assert (tasks == best).mean() == pytest.approx(popularity(500, 1.0)[0], rel=0.15)


def test_times_ascend_within_their_second() -> None:
    for number, second in enumerate(trace(replace(STILL, bursts_per_minute=60, seconds=5))):
        assert (np.diff(second.times) >= 0).all()
        assert number <= second.times[0] and second.times[-1] < number + 1


def test_what_is_wanted_drifts_and_bursts_and_the_day_goes_round() -> None:
    def top(seconds: slice, traffic: Traffic) -> set[int]:
        tasks = np.concatenate([s.tasks for s in list(trace(traffic))[seconds]])
        return set(np.argsort(-np.bincount(tasks, minlength=500))[:20].tolist())

    first, last = slice(0, 20), slice(100, 120)
    still = replace(STILL, seconds=120)
    moving = replace(still, drift=0.01)
    assert len(top(first, still) & top(last, still)) > len(top(first, moving) & top(last, moving))

    burst = replace(STILL, bursts_per_minute=6.0, burst_rps=400.0)
    assert max(np.bincount(s.tasks).max() for s in trace(burst)) > 300

    day = replace(STILL, seconds=60, day_s=60.0)
    seconds = list(trace(day))
    regions = [sum((s.tasks % 3 == 0).sum() for s in seconds[a : a + 15]) for a in (7, 37)]
    assert regions[0] > 3 * regions[1]
    assert sum(len(s.tasks) for s in seconds) == pytest.approx(200 * 60, rel=0.1)


def test_every_request_is_answered_and_counted_once() -> None:
    seen = run(CLUSTER)
    assert seen.requests == len(seen.latencies) == sum(len(s.tasks) for s in trace(STILL))
    assert seen.hits + seen.joined + seen.wakes == seen.requests
    assert seen.evictions == seen.wakes > 0  # it began full
    assert min(seen.latencies) >= Costs().hop_s + Costs().run_s - 1e-12


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_the_policy_hits_as_often_as_lru_is_reckoned_to(exponent: float) -> None:
    traffic = replace(STILL, rps=20, exponent=exponent, seconds=600)
    scenario = replace(CLUSTER, traffic=traffic)
    assert run(scenario).hit_share == pytest.approx(scenario.reckoned_hit_share, abs=0.03)


def test_what_ran_is_told_late_and_still_early_enough() -> None:
    """Half a second of requests fills half of the places anew: what ran most has to stay."""
    assert abs(run(CLUSTER).hit_share - CLUSTER.reckoned_hit_share) < 0.03


def test_with_room_for_all_nothing_is_woken() -> None:
    seen = run(replace(CLUSTER, pathways_per_slot=100))
    assert (seen.wakes, seen.hit_share) == (0, 1.0)


def test_slow_wakes_make_requests_wait_behind_each_other() -> None:
    fast, slow = run(CLUSTER), run(CLUSTER, Costs(wake_s=0.02))
    assert np.percentile(slow.latencies, 99) > np.percentile(fast.latencies, 99) + 0.02
    assert slow.requests == fast.requests


def test_a_lost_node_costs_wakes_and_no_answer() -> None:
    seen, whole = run(replace(CLUSTER, leaving=1)), run(CLUSTER)
    assert seen.requests == len(seen.latencies) == whole.requests
    assert seen.hits < whole.hits and seen.wakes > whole.wakes


def test_slots_move_to_a_node_that_joins() -> None:
    seen = run(replace(CLUSTER, leaving=1, joining=1))
    assert seen.moves > 0 and seen.requests == len(seen.latencies)


def test_a_pathway_that_many_want_gets_a_copy() -> None:
    traffic = replace(STILL, rps=20, bursts_per_minute=6.0, burst_rps=2_000.0, seconds=40)
    assert run(replace(CLUSTER, traffic=traffic)).copies > 0


def test_che_is_exact_where_all_are_wanted_alike() -> None:
    assert lru_hit_share(popularity(1_000, 0.0), 100) == pytest.approx(0.1, abs=0.01)
    assert lru_hit_share(popularity(1_000, 1.0), 1_000) == 1.0
    shares = [lru_hit_share(popularity(1_000, 1.0), places) for places in (10, 100, 500)]
    assert shares == sorted(shares)


def test_the_nearest_wall_is_the_fullest_resource() -> None:
    cluster = Cluster(tasks=100_000, nodes=100, rps=10_000, expansions_per_s=5, miss_share=0.02)
    calls = controller_calls(UNITS, cluster)
    assert calls["to tell what ran"] == 800 and calls["to wake"] == 200
    found = walls(UNITS, cluster)
    assert [wall.load for wall in found] == sorted((w.load for w in found), reverse=True)
    controller = next(wall for wall in found if wall.what == "controller")
    assert controller.needs == pytest.approx(sum(calls.values()) * UNITS.call_s)
    start = next(wall for wall in found if wall.what == "start from the store")
    assert start.load == pytest.approx(100 / 60)
    more = replace(cluster, tasks=round(cluster.tasks * start.times_tasks))
    again = next(w for w in walls(UNITS, more) if w.what == start.what)
    assert again.load == pytest.approx(1, rel=1e-4)


def test_unit_costs_are_read_from_what_was_measured(tmp_path: Path) -> None:
    def step(tasks: int) -> dict[str, object]:
        held = {"processes": 2, "pss_bytes": 2 * (10**8 + tasks * 50_000)}
        inside = {
            "wakes": {"p50_ms": 2.5},
            "store_files": {"a": 3 * tasks},
            "read_routers_s": tasks * 0.002,
        }
        return {
            "tasks": tasks,
            "serving": {"ray::ServeReplica:sen:ingress": held},
            "inside": inside,
        }

    results = tmp_path / "results.json"
    results.write_text(json.dumps({"steps": [step(10), step(1_000)]}), encoding="utf-8")
    assert measured(results).wake_s == pytest.approx(0.0025)
    found = report.units(results)
    assert found.dispatcher_bytes == pytest.approx(50_000)
    assert (found.store_files, found.add_s) == (3, pytest.approx(0.002))


def test_results_are_written_as_numbers_tables_and_a_picture(tmp_path: Path) -> None:
    few = scenarios(tasks=200, nodes=10, slots=1, pathways_per_slot=3, rps=50, seconds=61)[-1:]
    found = {}
    for scenario in few:
        outcome = run(scenario)
        found[scenario.title] = (scenario, figures(scenario, outcome), outcome.minutes)
    cluster = Cluster(tasks=200, nodes=10, rps=50, expansions_per_s=5, miss_share=0.5)
    results, tables, picture = report.write(tmp_path, found, Costs(), cluster, UNITS)
    assert len(json.loads(results.read_text(encoding="utf-8"))["scenarios"]) == 1
    assert "one node in ten lost, then replaced" in tables.read_text(encoding="utf-8")
    assert picture.read_bytes().startswith(b"\x89PNG")
