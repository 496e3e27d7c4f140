"""Answering without the task's index: the dispatcher decides, beside joint training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.paper.profiles import Dispatching
from benchmarks.paper.systems.joint import JointTraining
from cluster.expansion import learn_routing
from dispatcher import Dispatcher, Router, make_features, merge, rows_by_task
from pathways import FrozenPathway, TaskData
from pathways.sampling import sample

Data = Mapping[str, tuple[TaskData, TaskData]]
"""Task → (train, test)."""

ROUTER_EXAMPLES = 20_000
"""Of a task, at most: the product's default (`expansion.router_examples`)."""

_CASED = ("lower", "upper")


@dataclass(frozen=True, kw_only=True)
class Untold:
    """Shares of inputs, 0..1, nobody having said which task they belong to."""

    examples: int
    told: float
    """Label right if the task is told: within-task accuracy."""
    first: float
    """The right task first: task identification."""
    among_two: float | None
    """The right task among the two most probable."""
    unknown: float | None
    """Held to belong to no task, and so not answered; counts as wrong."""
    right: float
    """Label right."""
    right_ignoring_case: float | None
    """The same for letters, either case allowed."""


def sen_untold(
    pathways: Mapping[str, FrozenPathway], data: Data, seed: int, how: Dispatching
) -> dict[str, Any]:
    """What the dispatcher reaches over tasks of one signature, as JSON values."""
    dispatcher = _learn_to_dispatch(data, seed, how)
    return _summary(
        {task: _ask(dispatcher, pathways, task, test) for task, (_, test) in data.items()}
    )


def joint_extras(joint: JointTraining, data: Data) -> dict[str, Any]:
    """What joint training reaches on the same tasks, as JSON values."""
    return {
        "untold": _summary({task: _ask_joint(joint, task, data) for task in data}),
    }


def _learn_to_dispatch(data: Data, seed: int, how: Dispatching) -> Dispatcher:
    """A dispatcher that learned the tasks one after another, keeping none of their examples."""
    signature = next(iter(data.values()))[0].signature
    features = make_features(signature.modality, signature.shape, dim=how.features)
    router = Router(features.dim, how.router)
    for task, (train, _) in data.items():
        routed = train.take(sample(train.y, ROUTER_EXAMPLES, seed))
        router.add(task, learn_routing(features, routed))
    return Dispatcher({signature.key: (features, router.solve())}, how.select)


def _ask(
    dispatcher: Dispatcher, pathways: Mapping[str, FrozenPathway], task: str, test: TaskData
) -> Untold:
    decisions = dispatcher.decide(test.signature.key, test.x)
    parts: list[list[Any]] = [[] for _ in decisions]
    for active, rows in rows_by_task(decisions).items():
        pathway = pathways[active]
        for row, given in zip(rows, pathway.probabilities(test.x[rows]), strict=True):
            weight = decisions[row].weights[decisions[row].tasks.index(active)]
            parts[row].append((weight, pathway.spec.labels, given))
    labels = [merge(answers)[0][0] if answers else None for answers in parts]
    told = pathways[task].probabilities(test.x).argmax(axis=1) == test.y
    return Untold(
        examples=len(test),
        told=float(told.mean()),
        first=_share(decision.tasks[0] == task for decision in decisions),
        among_two=_share(task in decision.tasks for decision in decisions),
        unknown=_share(decision.unknown for decision in decisions),
        right=_right(labels, test),
        right_ignoring_case=_right(labels, test, str.lower) if task in _CASED else None,
    )


def _ask_joint(joint: JointTraining, task: str, data: Data) -> Untold:
    test = data[task][1]
    best = [joint.classes[i] for i in joint.joint_probabilities(test).argmax(axis=1)]
    labels = [data[given][1].labels[c] for given, c in best]
    told = joint.probabilities(task, test).argmax(axis=1) == test.y
    return Untold(
        examples=len(test),
        told=float(told.mean()),
        first=_share(given == task for given, _ in best),
        among_two=None,
        unknown=None,
        right=_right(labels, test),
        right_ignoring_case=_right(labels, test, str.lower) if task in _CASED else None,
    )


def _right(labels: Iterable[str | None], test: TaskData, read: Callable[[str], str] = str) -> float:
    wanted = [read(test.labels[c]) for c in test.y]
    pairs = zip(labels, wanted, strict=True)
    return _share(given is not None and read(given) == true for given, true in pairs)


def _share(truths: Iterable[bool]) -> float:
    return float(np.mean(list(truths)))


def _summary(tasks: Mapping[str, Untold]) -> dict[str, Any]:
    weights = np.array([each.examples for each in tasks.values()], dtype=float)
    return {
        "tasks": {task: asdict(each) for task, each in tasks.items()},
        "overall": _mean(tasks, weights),
        "mean": _mean(tasks, np.ones(len(tasks))),
    }


def _mean(tasks: Mapping[str, Untold], weights: NDArray[np.float64]) -> dict[str, Any]:
    """Every figure over the tasks; over those that have it."""
    result: dict[str, Any] = {}
    for field in fields(Untold):
        values = [getattr(each, field.name) for each in tasks.values()]
        known = np.array([value is not None for value in values])
        result[field.name] = (
            float(np.average(np.array(values)[known].astype(float), weights=weights[known]))
            if known.any()
            else None
        )
    return {**result, "examples": sum(each.examples for each in tasks.values())}
