"""Runs of one profile over seeds: mean and standard deviation of every figure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any

from benchmarks.paper import metrics
from benchmarks.paper.record import Record
from benchmarks.paper.tasks import IMAGE_TASKS, TASKS

Systems = Mapping[str, Sequence[Record]]
"""System → its runs of one profile, one for each seed."""

METRICS: Mapping[str, Callable[[Record], float | None]] = {
    "ACC": metrics.average_accuracy,
    "ACC by example": metrics.stream_accuracy,
    "BWT": metrics.backward_transfer,
    "FWT": metrics.forward_transfer,
    "forgetting": metrics.forgetting,
}

UNTOLD = ("told", "first", "among_two", "right", "right_ignoring_case")
"""Figures of being asked without a task index, as `extra` has them."""


@dataclass(frozen=True)
class Spread:
    """A figure over seeds."""

    mean: float
    std: float | None
    """Sample standard deviation; None for a single seed."""
    seeds: int

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Spread | None:
        """Of the values that are there; None if none is."""
        there = [value for value in values if value is not None]
        if not there:
            return None
        return cls(fmean(there), stdev(there) if len(there) > 1 else None, len(there))


@dataclass(frozen=True, kw_only=True)
class FoundLink:
    """A transfer link, over the seeds in which it was found."""

    source_task: str
    source_label: str
    target_task: str
    target_label: str
    similarity: Spread


def by_system(records: Iterable[Record]) -> Systems:
    """Group runs, in the order given."""
    systems: dict[str, list[Record]] = {}
    for record in records:
        systems.setdefault(record.system, []).append(record)
    return systems


def accuracy(runs: Sequence[Record], shots: int | None, task: str) -> Spread | None:
    """Right after learning `task` from `shots` examples a class (None for all), 0..1."""
    return Spread.of(run.shots(shots, task) for run in runs)


def curve(runs: Sequence[Record], task: str) -> dict[str, Spread]:
    """After each task from `task` on, the accuracy of `task` (Figure 4); joint has no curve."""
    spreads = {}
    for position, after in enumerate(runs[0].tasks if runs else ()):
        rows = [run.matrix[position] for run in runs if len(run.matrix) == len(run.tasks)]
        if spread := Spread.of(row.get(task) for row in rows):
            spreads[after] = spread
    return spreads


def links(runs: Sequence[Record]) -> list[FoundLink]:
    """Every link found with any seed, by target task, the surest first."""
    found: dict[tuple[str, str, str, str], list[float]] = {}
    for run in runs:
        for target, its_links in run.extra.get("links", {}).items():
            for link in its_links:
                key = (link["source_task"], link["source_label"], target, link["target_label"])
                found.setdefault(key, []).append(link["similarity"])
    spreads = [
        FoundLink(
            source_task=source,
            source_label=source_label,
            target_task=target,
            target_label=target_label,
            similarity=spread,
        )
        for (source, source_label, target, target_label), values in found.items()
        if (spread := Spread.of(values))
    ]
    return sorted(spreads, key=_by_target)


def _by_target(link: FoundLink) -> tuple[int, float]:
    return TASKS.index(link.target_task), -link.similarity.mean


def active_shares(runs: Sequence[Record]) -> dict[str, Spread]:
    """Task → share of the network's weights touched in a forward pass, 0..1."""
    shares = [run.extra.get("active_share", {}) for run in runs]
    spreads = {task: Spread.of(share.get(task) for share in shares) for task in TASKS}
    return {task: spread for task, spread in spreads.items() if spread}


def untold(runs: Sequence[Record], figure: str, scope: str) -> Spread | None:
    """One of UNTOLD for a task, or for `overall` (by example) or `mean` (of image tasks)."""
    return Spread.of(_untold(run, scope).get(figure) for run in runs)


def _untold(run: Record, scope: str) -> Mapping[str, float | None]:
    told = run.extra.get("untold", {})
    figures: Mapping[str, float | None] = (
        told.get(scope) if scope in ("overall", "mean") else told.get("tasks", {}).get(scope)
    ) or {}
    return figures


def metric(runs: Sequence[Record], name: str, tasks: tuple[str, ...]) -> Spread | None:
    """One of METRICS on `tasks` alone, so that systems that skip a task compare with others."""
    return Spread.of(METRICS[name](run.restricted(tasks)) for run in runs)


def seconds(runs: Sequence[Record], tasks: tuple[str, ...]) -> Spread | None:
    """To learn `tasks` in full."""
    return Spread.of(sum(_chosen(run.seconds, tasks).values()) for run in runs)


def parameters(runs: Sequence[Record], tasks: tuple[str, ...]) -> Spread | None:
    """Weights kept after the last of `tasks`."""
    return Spread.of(max(_chosen(run.parameters, tasks).values(), default=None) for run in runs)


def _chosen(figures: Mapping[str, float], tasks: tuple[str, ...]) -> dict[str, float]:
    return {task: value for task, value in figures.items() if task in (*tasks, "all")}


def summary(systems: Systems, shots: Sequence[int]) -> dict[str, Any]:
    """Every figure above as JSON values; shares, not %."""
    return {name: _summary_of(runs, shots) for name, runs in systems.items()}


def _summary_of(runs: Sequence[Record], shots: Sequence[int]) -> dict[str, Any]:
    budgets: list[int | None] = [*shots, None]
    scopes = (*IMAGE_TASKS, "overall", "mean")
    image_tasks = {name: _plain(metric(runs, name, IMAGE_TASKS)) for name in METRICS}
    return {
        "accuracy": {
            "all" if budget is None else str(budget): {
                task: _plain(accuracy(runs, budget, task)) for task in TASKS
            }
            for budget in budgets
        },
        "curves": {
            task: {after: _plain(spread) for after, spread in curve(runs, task).items()}
            for task in TASKS
        },
        "image_tasks": {
            **image_tasks,
            "seconds": _plain(seconds(runs, IMAGE_TASKS)),
            "parameters": _plain(parameters(runs, IMAGE_TASKS)),
            "memory_bytes": _plain(Spread.of(run.memory_bytes for run in runs)),
        },
        "all_tasks": {name: _plain(metric(runs, name, TASKS)) for name in METRICS},
        "links": [asdict(link) for link in links(runs)],
        "active_share": {task: _plain(spread) for task, spread in active_shares(runs).items()},
        "untold": {
            scope: {figure: _plain(untold(runs, figure, scope)) for figure in UNTOLD}
            for scope in scopes
        },
    }


def _plain(spread: Spread | None) -> dict[str, Any] | None:
    return asdict(spread) if spread else None
