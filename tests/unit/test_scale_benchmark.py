"""The scale benchmark: how rates are counted, what is compared with the truth, what was reached."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.scale import report
from benchmarks.scale.growing import Growth
from benchmarks.scale.inside import sources
from cluster.registry import PathwayEntry, Registry
from pathways.simulated import SimulatedTask, SimulatedTasks
from tests.unit.fakes import made_up_entry


def step(tasks: int, **changes: Any) -> dict[str, Any]:
    """A step's JSON, with round figures."""
    load = {"rps": 1_000.0, "p99_ms": 20.0, "failed": 0}
    traffics = [{**load, "load": {"traffic": traffic}} for traffic in ("uniform", "zipf")]
    return {
        "tasks": tasks,
        "growth": {"before": 0, "failed": 0, "samples": [[10.0, 1], [20.0, tasks]]},
        "first_rate": 8.0,
        "last_rate": 7.0,
        "window": min(1_000, tasks // 2),
        "learning_bytes": 3 * 2**30,
        "serving": {"ray::ControllerActor": {"processes": 1, "pss_bytes": 2**30 + tasks * 1024}},
        "resident": traffics,
        "crowded": [{**row, "rps": 600.0} for row in traffics],
        "asked": {"right": 0.98, "unknown": 0.01, "active_share": 2 / tasks, "pathways": 1.2},
        "cold_start_s": 20.0,
        "inside": {
            "routing": {
                "ms_per_input": {"1": 1.0, "16": 0.2, "256": 0.1 + tasks / 1e5},
                "first": 0.98,
                "among_two": 0.99,
                "exact_among_two": 0.995,
            },
            "wakes": {"p50_ms": 1.0, "p99_ms": 3.0},
            "sources": {"true": 0.8, "family": 0.9},
            "store_bytes": {"router/*.safetensors": tasks * 2048},
            "store_files": {"router/*.safetensors": tasks},
            "read_registry_s": 0.1,
            "read_routers_s": 1.0,
        },
        **changes,
    }


def test_a_rate_leaves_the_start_of_the_job_out() -> None:
    fast = [(30.0 + n / 10, n) for n in range(1, 2_001)]
    slow = [(230.0 + (n - 2_000) / 5, n) for n in range(2_001, 4_001)]
    growth = Growth(before=100, failed=0, samples=(*fast, *slow))
    assert (growth.learned, growth.window) == (4_000, 1_000)
    assert growth.first_s == pytest.approx(30.1)
    assert growth.first_rate == pytest.approx(10)
    assert growth.last_rate == pytest.approx(5)


def test_too_few_tasks_have_no_rate() -> None:
    assert Growth(before=5, failed=0, samples=()).first_rate is None
    assert Growth(before=5, failed=0, samples=((20.0, 1),)).last_rate is None


def test_chosen_sources_are_held_against_the_truth() -> None:
    tasks = SimulatedTasks(60, seed=1)
    derived = [task for task in tasks if task.source]

    def entry(task: SimulatedTask) -> PathwayEntry:
        """Learned from the truth; the last derived task from nothing, the first root wrongly."""
        wrong = {derived[-1].name: None, tasks[0].name: tasks[1].name}
        source = wrong.get(task.name, task.source)
        return made_up_entry(f"{task.name}@1", source=f"{source}@1" if source else None)

    found = sources(Registry().publish([entry(task) for task in tasks]), tasks)
    assert found.derived == len(derived)
    assert found.true == found.family == pytest.approx(1 - 1 / len(derived))
    assert found.none == pytest.approx(1 / len(derived))
    assert found.roots_linked == pytest.approx(1 / (60 - len(derived)))


def test_targets_compare_the_most_tasks_with_fewer() -> None:
    steps = [step(10), step(100), step(1_000), step(10_000, last_rate=4.0, cold_start_s=70.0)]
    found = {target.what: target for target in report.targets(steps)}
    assert found["expansions a second, the last thousand"].met is False
    assert found["the last thousand's over the first's"].reached == pytest.approx(0.5)
    assert found["GiB of all processes, learning"].reached == pytest.approx(3)
    assert found["Zipf rps with a tenth resident over everything resident"].reached == 0.6
    assert found["rps over that at 10 tasks"].met is True
    assert found["s from start to the first right answer"].met is False
    assert found["active share times tasks"].reached == pytest.approx(2)
    routing = found["routing time over that at 100 tasks, 256 inputs at once"]
    assert routing.reached == pytest.approx(0.2 / 0.101)
    recall = found["points of top-two recall below exact scoring"]
    assert recall.reached == pytest.approx(0.5)


def test_what_was_not_measured_is_said_so() -> None:
    found = {target.what: target for target in report.targets([step(2_000)])}
    assert found["the last thousand's over the first's"].met is None
    assert "not measured" in report.text([step(2_000)])


def test_results_are_written_as_numbers_tables_and_pictures(tmp_path: Path) -> None:
    for tasks in (100, 10):
        report.step_path(tmp_path, tasks).write_text(json.dumps(step(tasks)), encoding="utf-8")
    steps = report.read(tmp_path)
    assert [s["tasks"] for s in steps] == [10, 100]
    results, tables, *pictures = report.write(tmp_path, steps, {"machine": {"cores": 2}})
    written = json.loads(results.read_text(encoding="utf-8"))
    assert (written["machine"], len(written["steps"])) == ({"cores": 2}, 2)
    text = tables.read_text(encoding="utf-8")
    assert "| ray::ControllerActor (1) | 1,024 | 1,024 | 1.0 |" in text
    assert "| router/*.safetensors | 0.0 | 0.2 | 2.00 |" in text
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in pictures)
