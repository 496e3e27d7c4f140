"""Removing: what the router still knows of the paper's image tasks, and what re-rooting costs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.paper.tasks import IMAGE_TASKS, TITLES
from benchmarks.revisions.setting import Row, Setting
from benchmarks.routing import router_of
from cluster.dispatch import features_for
from cluster.expansion import learn_routing
from dispatcher import Decision, Dispatcher, Router, TaskStatistics
from pathways import (
    FrozenPathway,
    PathwayId,
    StoredPathway,
    TaskData,
    learn,
    load_source,
    reroot,
)
from pathways.revising.measuring import microseconds

COLUMNS: Mapping[str, str] = {
    "milliseconds": "router, ms",
    "weight_difference": "weights differ by, 10⁻⁶",
    "decided_otherwise": "decided otherwise",
    "inputs": "of inputs",
    "others_before": "right first, others %",
    "others_after": "after",
    "file_bytes_freed": "bytes freed",
    "copied_parameters": "weights copied",
    "microseconds_before": "µs an input",
    "microseconds_after": "after",
    "answers_changed": "answers changed",
}


def config(setting: Setting, seed: int = 0) -> dict[str, Any]:
    """Every setting, plain."""
    return {"learning": {task: asdict(setting.learning(task, None, seed)) for task in IMAGE_TASKS}}


def run(setting: Setting, seed: int) -> list[Row]:
    """The four image tasks, learned in the paper's order; each is then removed from all four."""
    stored: dict[str, StoredPathway] = {}
    routing: dict[str, TaskStatistics] = {}
    tests: dict[str, TaskData] = {}
    for task in IMAGE_TASKS:
        train, tests[task] = setting.load(task)
        sources = [load_source(earlier) for earlier in stored.values()]
        stored[task] = learn(PathwayId(task), train, sources, setting.learning(task, None, seed))
        routing[task] = learn_routing(features_for(train.signature), train)
    rows: list[Row] = []
    for task in IMAGE_TASKS:
        unrouted = _unrouted(task, routing, tests)
        freed = {"file_bytes_freed": len(stored[task].weights)}
        rows.append({"way": TITLES[task], "seed": seed, **freed, **unrouted})
        for reader, test in tests.items():
            if (source := stored[reader].spec.source) is not None and source.task == task:
                cost = _rerooted(stored[reader], stored[task], test)
                rows.append({"way": f"{TITLES[reader]} without it", "seed": seed, **cost})
    return rows


def _unrouted(
    task: str, routing: Mapping[str, TaskStatistics], tests: Mapping[str, TaskData]
) -> Row:
    """The router that a task was removed from, beside one that it never came to."""
    others = {name: kept for name, kept in routing.items() if name != task}
    router, never = router_of(routing), router_of(others)
    before = _decisions(router, others, tests)
    started = time.perf_counter()
    router.remove(task, routing[task])
    router.solve()
    took = time.perf_counter() - started
    after, wanted = _decisions(router, others, tests), _decisions(never, others, tests)
    pairs = [(a, b) for name in others for a, b in zip(after[name], wanted[name], strict=True)]
    same = [(a, b) for a, b in pairs if a.tasks == b.tasks and a.unknown == b.unknown]
    return {
        "milliseconds": 1e3 * took,
        "weight_difference": max(abs(a.weights[0] - b.weights[0]) for a, b in same),
        "decided_otherwise": len(pairs) - len(same),
        "inputs": len(pairs),
        "others_before": _right_first(before),
        "others_after": _right_first(after),
    }


def _decisions(
    router: Router, tasks: Mapping[str, TaskStatistics], tests: Mapping[str, TaskData]
) -> dict[str, list[Decision]]:
    """Task → what is decided of its test inputs."""
    signature = next(iter(tests.values())).signature
    decide = Dispatcher({signature.key: (features_for(signature), router.solve())}).decide
    return {task: decide(signature.key, tests[task].x) for task in tasks}


def _right_first(decisions: Mapping[str, list[Decision]]) -> float:
    """Share of inputs whose task comes first, 0..1."""
    right = [d.tasks[0] == task and not d.unknown for task, its in decisions.items() for d in its]
    return float(np.mean(right))


def _rerooted(reader: StoredPathway, source: StoredPathway, test: TaskData) -> Row:
    """A pathway that reads the removed one, and its version that does not."""
    made = reroot(reader, source, version=2)
    before, after = FrozenPathway.load(reader, source), FrozenPathway.load(made)
    times = microseconds([before, after], test.x)
    return {
        "file_bytes_freed": len(reader.weights) - len(made.weights),
        "copied_parameters": made.spec.parameters - reader.spec.parameters,
        "microseconds_before": times[0],
        "microseconds_after": times[1],
        "answers_changed": int(
            (before.probabilities(test.x) != after.probabilities(test.x)).any(axis=1).sum()
        ),
        "inputs": len(test),
    }
