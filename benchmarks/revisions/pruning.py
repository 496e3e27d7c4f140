"""Pruning: how many units of the paper's image pathways go at half a point, and what that saves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from benchmarks.paper.tasks import IMAGE_TASKS, TITLES
from benchmarks.revisions.setting import Row, Setting, test_accuracy
from pathways import (
    DataError,
    PathwayId,
    PruneConfig,
    StoredPathway,
    TaskData,
    learn,
    load_source,
    prune,
)

_HALF = 64  # of the paper's 128 units
COLUMNS: Mapping[str, str] = {
    "units_after": "units of 128",
    "parameters_before": "weights",
    "parameters_after": "after",
    "file_bytes_before": "bytes",
    "file_bytes_after": "after",
    "microseconds_before": "µs an input",
    "microseconds_after": "after",
    "accuracy_before": "held out %",
    "accuracy_after": "after",
    "test_before": "test %",
    "test_after": "after",
    "published": "published",
}


def config(setting: Setting, seed: int = 0) -> dict[str, Any]:
    """Every setting, plain."""
    return {
        "learning": {task: asdict(setting.learning(task, None, seed)) for task in IMAGE_TASKS},
        "prune": {way: asdict(how) for way, how in ways(setting, seed).items()},
    }


def ways(setting: Setting, seed: int) -> dict[str, PruneConfig]:
    """Way → how it is pruned: to half the units, and as far as the search finds."""
    # Made-up data are too few to judge half a point by.
    loss = 0.1 if setting.quick else PruneConfig().max_loss
    searched = PruneConfig(max_loss=loss, seed=seed, train=setting.budget(PruneConfig().train))
    return {"half": replace(searched, keep=_HALF), "searched": searched}


def run(setting: Setting, seed: int) -> list[Row]:
    """The four image tasks in the paper's order, each learned over links and then pruned."""
    stored: dict[str, StoredPathway] = {}
    rows: list[Row] = []
    for task in IMAGE_TASKS:
        train, test = setting.load(task)
        sources = [load_source(earlier) for earlier in stored.values()]
        learned = learn(PathwayId(task), train, sources, setting.learning(task, None, seed))
        source = stored[learned.spec.source.task] if learned.spec.source else None
        for way, how in ways(setting, seed).items():
            figures = _pruned(learned, source, train, test, how)
            rows.append({"way": f"{TITLES[task]}, {way}", "seed": seed, **figures})
        stored[task] = learned
    return rows


def _pruned(
    learned: StoredPathway,
    source: StoredPathway | None,
    train: TaskData,
    test: TaskData,
    how: PruneConfig,
) -> Row:
    row: Row = {"test_before": test_accuracy(learned, source, test)}
    try:
        revised = prune(learned, source, train, how, 2)
    except DataError as error:  # the loss cannot be kept to, which is a finding
        return row | {"published": 0, "refused": str(error)}
    smaller = revised.pathways[0]
    return row | {
        "published": 1,
        "test_after": test_accuracy(smaller, source, test),
        **revised.facts,
    }
