"""Which tasks might gain from a later one (§3.3, backward transfer): a guess, from what the router
knows, so that no data are needed. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cluster.registry import PathwayEntry, Registry

Likeness = Mapping[str, Sequence[tuple[str, float]]]
"""Task → others of its signature that its classes look like, with the share of them (0..1)."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A pair of which `sen improve TASK --from SOURCE` may make something."""

    task: str
    source: str
    likeness: float
    """How much of the task's classes the router takes for the source's, 0..1."""
    accuracy: float | None
    """Of the task on its held-out examples, 0..1."""
    promise: float
    """Likeness times the errors that could go; larger is better."""


def propose(registry: Registry, likeness: Likeness, most: int) -> list[Proposal]:
    """The pairs that promise most, best first; only sources that came after the task."""
    pairs = (
        _pair(registry.entry(task), registry.entry(source), share)
        for task, others in likeness.items()
        for source, share in others
        if _may_help(registry, task, source)
    )
    return sorted(pairs, key=lambda p: (-p.promise, p.task, p.source))[:most]


def _may_help(registry: Registry, task: str, source: str) -> bool:
    if task not in registry.current or source not in registry.current or task == source:
        return False
    reads = registry.entry(task).spec.source
    read_already = reads is not None and reads.task == source
    return registry.places[source] > registry.places[task] and not read_already


def _pair(entry: PathwayEntry, source: PathwayEntry, share: float) -> Proposal:
    accuracy = entry.spec.training.held_out_accuracy
    errors = 1.0 if accuracy is None else 1.0 - accuracy
    return Proposal(
        task=entry.id.task,
        source=source.id.task,
        likeness=share,
        accuracy=accuracy,
        promise=share * errors,
    )
