"""Learn every task, then ask for its test inputs: told the task, and left to the dispatcher.

The product's own code in one process: what Ray and HTTP add changes no answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from benchmarks.inputs.splits import Split
from cluster.dispatch import features_for
from cluster.expansion import learn_routing
from dispatcher import Decision, Dispatcher, Router, TaskStatistics
from pathways import (
    FrozenPathway,
    LearnConfig,
    PathwayId,
    Signature,
    TaskData,
    TrainConfig,
    learn,
)
from pathways.held_out import NINETY

_NOISE = 200  # random inputs

HOW = LearnConfig(max_sources=0, train=TrainConfig(epochs=20))


@dataclass(frozen=True, kw_only=True)
class Found:
    """What came of one task; shares are 0..1, scores are accuracy, or R² of a number."""

    task: str
    signature: str
    output: str
    train: int
    test: int
    seconds: float
    """To learn it."""
    told: float
    """Score with the task told."""
    forest: float | None
    """Score of scikit-learn's random forest on the same data, with its defaults; None of text."""
    coverage: float | None
    """Of a number, told the task: share of values within the interval told to hold 90 %."""
    dispatched: float
    """Score of what is answered with the dispatcher deciding: of a number among those inputs that
    are answered with it."""
    first: float
    """The task's pathway is the more probable of those activated."""
    among_two: float
    unknown: float
    """Said to be like nothing learned."""
    unknown_if_new: float | None
    """The same of a network that has learned all the other tasks but not this one; None where no
    other task takes such inputs."""
    unknown_noise: float
    """Inputs drawn at random that are said to be unknown: normal numbers, uniform token ids."""


def measure(tasks: Mapping[str, Split], seed: int) -> list[Found]:
    """Every task of one network."""
    pathways = {name: _learned(name, train, seed) for name, (train, _) in tasks.items()}
    routing = {
        name: learn_routing(features_for(train.signature), train)
        for name, (train, _) in tasks.items()
    }
    whole = _dispatcher(tasks, routing)
    return [_found(name, tasks, pathways, routing, whole, seed) for name in tasks]


def _learned(name: str, train: TaskData, seed: int) -> FrozenPathway:
    how = LearnConfig(seed=seed, max_sources=HOW.max_sources, train=HOW.train)
    return FrozenPathway.load(learn(PathwayId(name), train, [], how))


def _dispatcher(tasks: Mapping[str, Split], routing: Mapping[str, TaskStatistics]) -> Dispatcher:
    """Of the tasks in `routing`."""
    routers: dict[str, Router] = {}
    signatures = {name: tasks[name][0].signature for name in routing}
    for name, statistics in routing.items():
        router = routers.setdefault(signatures[name].key, Router(statistics.dim))
        router.add(name, statistics)
    by_key = {signature.key: signature for signature in signatures.values()}
    return Dispatcher(
        {key: (features_for(by_key[key]), router.solve()) for key, router in routers.items()}
    )


def _found(
    name: str,
    tasks: Mapping[str, Split],
    pathways: Mapping[str, FrozenPathway],
    routing: Mapping[str, TaskStatistics],
    whole: Dispatcher,
    seed: int,
) -> Found:
    train, test = tasks[name]
    key, spec = test.signature.key, pathways[name].spec
    decisions = whole.decide(key, test.x)
    told = pathways[name].probabilities(test.x)
    return Found(
        task=name,
        signature=key,
        output=spec.output,
        train=len(train),
        test=len(test),
        seconds=spec.training.seconds,
        told=score(told, test),
        forest=None if test.signature.modality == "text" else forest(train, test, seed),
        coverage=coverage(told, test),
        dispatched=_dispatched(name, test, decisions, pathways),
        first=_share([not d.unknown and d.tasks[0] == name for d in decisions]),
        among_two=_share([not d.unknown and name in d.tasks for d in decisions]),
        unknown=_share([d.unknown for d in decisions]),
        unknown_if_new=_unknown_if_new(name, tasks, routing),
        unknown_noise=_share([d.unknown for d in whole.decide(key, _noise(test.signature, seed))]),
    )


def _noise(signature: Signature, seed: int) -> NDArray[Any]:
    rng, shape = np.random.default_rng(seed), (_NOISE, *signature.shape)
    if signature.modality == "text":
        return rng.integers(1, signature.vocabulary, shape, np.int32)
    return rng.normal(size=shape).astype(np.float32)


def score(answers: NDArray[np.float32], data: TaskData) -> float:
    """Accuracy of probabilities [n, classes], or R² of means and deviations [n, 2]."""
    if data.values is None:
        return float((answers.argmax(axis=1) == data.y).mean())
    return r2(answers[:, 0], data.values)


def r2(given: NDArray[np.floating], wanted: NDArray[np.floating]) -> float:
    """Share of the variance of `wanted` [n] that is explained, at most 1."""
    exact = wanted.astype(np.float64)
    return float(1 - ((given - exact) ** 2).mean() / exact.var())


def coverage(answers: NDArray[np.float32], data: TaskData) -> float | None:
    """Share of values within the interval told to hold 90 %; None of classes."""
    if data.values is None:
        return None
    return float((np.abs(answers[:, 0] - data.values) <= NINETY * answers[:, 1]).mean())


def forest(train: TaskData, test: TaskData, seed: int) -> float:
    """The score of a random forest on the same data."""
    if train.values is not None and test.values is not None:
        fitted = RandomForestRegressor(random_state=seed).fit(train.x, train.values)
        return r2(fitted.predict(test.x), test.values)
    fitted = RandomForestClassifier(random_state=seed).fit(train.x, train.y)
    return float((fitted.predict(test.x) == test.y).mean())


def _dispatched(
    name: str,
    test: TaskData,
    decisions: list[Decision],
    pathways: Mapping[str, FrozenPathway],
) -> float:
    """The best label of at most two pathways is right; or R² of the numbers that are told."""
    if test.values is not None:
        rows = [row for row, d in enumerate(decisions) if not d.unknown and name in d.tasks]
        return r2(pathways[name].probabilities(test.x[rows])[:, 0], test.values[rows])
    right = [
        _best_label(test.x[row : row + 1], decision, pathways) == test.labels[test.y[row]]
        for row, decision in enumerate(decisions)
    ]
    return _share(right)


def _best_label(
    x: NDArray[np.generic], decision: Decision, pathways: Mapping[str, FrozenPathway]
) -> str | None:
    total: dict[str, float] = {}
    for task, weight in zip(decision.tasks, decision.weights, strict=True):
        spec = pathways[task].spec
        if decision.unknown or spec.output == "number":
            continue
        said = pathways[task].probabilities(x)[0]  # type: ignore[arg-type]
        for label, probability in zip(spec.labels, said.tolist(), strict=True):
            total[label] = total.get(label, 0.0) + weight * probability
    return max(total, key=total.__getitem__) if total else None


def _unknown_if_new(
    name: str, tasks: Mapping[str, Split], routing: Mapping[str, TaskStatistics]
) -> float | None:
    test = tasks[name][1]
    others = {task: kept for task, kept in routing.items() if task != name}
    if test.signature.key not in {tasks[task][0].signature.key for task in others}:
        return None
    decisions = _dispatcher(tasks, others).decide(test.signature.key, test.x)
    return _share([decision.unknown for decision in decisions])


def _share(flags: list[bool]) -> float:
    return float(np.mean(flags))
