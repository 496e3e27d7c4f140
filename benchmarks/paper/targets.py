"""Whether SEN reached what was asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.paper import aggregate
from benchmarks.paper.aggregate import Systems
from benchmarks.paper.paper_figures import TARGETS, Target
from benchmarks.paper.record import Record


@dataclass(frozen=True)
class Reached:
    """A target and what came of it."""

    target: Target
    bound: float
    figure: float | None
    """None if the runs it takes were not made."""
    by_example: float | None = None
    """The same over all examples of the image tasks together, where it is a mean over tasks."""

    @property
    def met(self) -> bool | None:
        """None if it was not measured."""
        if self.figure is None:
            return None
        return self.figure <= self.bound if self.target.at_most else self.figure >= self.bound


def judge(profile: str, systems: Systems) -> list[Reached]:
    """Every target that is set for `profile`."""
    return [
        Reached(
            target,
            target.bounds[profile],
            _figure(target, systems, "mean"),
            _figure(target, systems, "overall") if target.of_tasks else None,
        )
        for target in TARGETS
        if profile in target.bounds
    ]


def _figure(target: Target, systems: Systems, scope: str) -> float | None:
    """What SEN reached, in the target's unit; `scope` as in `aggregate.untold`."""
    sen = systems.get("sen", ())
    match target.measure:
        case "accuracy":
            return _accuracy(sen, target)
        case "above single":
            return _minus(_accuracy(sen, target), _accuracy(systems.get("single", ()), target))
        case "forgetting":
            return _worst_forgetting(sen)
        case "changed answers":
            return _changed_answers(sen)
        case "right among two":
            return _untold(sen, "among_two", scope)
        case "behind joint":
            joint = _untold(systems.get("joint", ()), "right", scope)
            return _minus(joint, _untold(sen, "right", scope))


def _accuracy(runs: Sequence[Record], target: Target) -> float | None:
    assert target.task is not None, f"{target.measure} is of a task"
    spread = aggregate.accuracy(runs, target.shots, target.task)
    return 100 * spread.mean if spread else None


def _untold(runs: Sequence[Record], figure: str, scope: str) -> float | None:
    spread = aggregate.untold(runs, figure, scope)
    return 100 * spread.mean if spread else None


def _worst_forgetting(runs: Sequence[Record]) -> float | None:
    """The largest change of any task with any seed: exactly 0 leaves nothing to average."""
    changes = [
        abs(row[task] - run.last[task])
        for run in runs
        for task, row in zip(run.tasks, run.matrix, strict=True)
    ]
    return 100 * max(changes) if changes else None


def _changed_answers(runs: Sequence[Record]) -> float | None:
    changed = [run.extra["changed_answers"] for run in runs if "changed_answers" in run.extra]
    return float(sum(sum(tasks.values()) for tasks in changed)) if changed else None


def _minus(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other
