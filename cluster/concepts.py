"""Concepts over the tasks of a network: whether declared ones are known, and how they are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from cluster.messages import NewPair, NewTask
from cluster.registry import Registry
from pathways import PathwayId, PathwaySpec, full_names
from pathways.concepts import check_known, full_name


def known_concepts(registry: Registry) -> frozenset[str]:
    """The concepts, in full, of all tasks in service."""
    entries = (registry.pathways[PathwayId(*task)] for task in registry.current.items())
    return frozenset(concept for entry in entries for concept in entry.spec.concepts)


def check_concepts(tasks: Sequence[NewTask], registry: Registry) -> None:
    """Raises DataError if a new task declares a concept of no task in service, or for a label that
    it does not have."""
    declaring = [task for task in tasks if task.config.concepts]
    known = known_concepts(registry) if declaring else frozenset()
    for task in declaring:
        how = task.config
        full_names(task.data.labels, how.concepts, how.namespace)
        check_known(how.concepts, how.namespace, known)


def check_pair_concepts(pair: NewPair, registry: Registry) -> None:
    """The same for two tasks that are learned together: one may declare concepts of the other.

    Raises DataError also where they share too little to agree on.
    """
    pair.halves()
    data = (pair.data.first, pair.data.second)
    own = [
        {full_name(label, how.namespace) for label in task.labels if label not in how.concepts}
        for task, how in zip(data, pair.configs, strict=True)
    ]
    known = known_concepts(registry)
    for how, others in zip(pair.configs, reversed(own), strict=True):
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
