"""Concepts over the tasks of a network: whether declared ones are known, and how they are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from cluster.messages import NewTask
from cluster.orders import Pair, Share
from cluster.registry import Registry
from pathways import LearnConfig, PathwayId, PathwaySpec, full_names
from pathways.concepts import check_known, full_name
from pathways.pairing import halves


def known_concepts(registry: Registry) -> frozenset[str]:
    """The concepts, in full, of all tasks in service."""
    entries = (registry.pathways[PathwayId(*task)] for task in registry.current.items())
    return frozenset(concept for entry in entries for concept in entry.spec.concepts)


def check_concepts(tasks: Iterable[NewTask], registry: Registry) -> None:
    """Raises DataError if a new task declares a concept of no task in service, or for a label that
    it does not have; of a pair also where the two share too little to agree on."""
    for task in tasks:
        match task.config:
            case LearnConfig() as how:
                _check_one(task, how, registry)
            case Share(learn=how):
                _check_one(task, how, registry)
            case Pair() as order:
                _check_pair(task, order, registry)


def _check_one(task: NewTask, how: LearnConfig, registry: Registry) -> None:
    if how.concepts:
        full_names(task.data.labels, how.concepts, how.namespace)
        check_known(how.concepts, how.namespace, known_concepts(registry))


def _check_pair(task: NewTask, order: Pair, registry: Registry) -> None:
    """One of the two may declare concepts of the other."""
    ids, configs = (PathwayId(task.task), PathwayId(order.partner)), (order.first, order.second)
    halves(ids, task.paired, configs, order.pairing)
    data = (task.paired.first, task.paired.second)
    own = [
        {full_name(label, how.namespace) for label in one.labels if label not in how.concepts}
        for one, how in zip(data, configs, strict=True)
    ]
    known = known_concepts(registry)
    for how, others in zip(configs, reversed(own), strict=True):
        check_known(how.concepts, how.namespace, known | others)


def as_shown(
    given: Iterable[tuple[str, float]], specs: Sequence[PathwaySpec]
) -> tuple[tuple[str, float], ...]:
    """Probabilities of concepts under the names that users read: without the namespace, but for
    those that another concept of the same answer shares its name with."""
    if not any(spec.namespace for spec in specs):
        return tuple(given)
    shown = {c: name for spec in specs for c, name in zip(spec.concepts, spec.shown, strict=True)}
    times = Counter(shown.values())
    return tuple((shown[c] if times[shown[c]] == 1 else c, p) for c, p in given)
