"""Which simulated task derives from which: a random recursive forest, a tree a family.

Everything follows from the seed and a task's index, so that any task can be made anywhere without
the others; but for its ancestors, which are few: a tree of n tasks is about ln n deep.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pathways.simulated.kinds import Kind, kind_of

_NEW_FAMILY = 0.03  # share of tasks that begin a family of their own
_NEW_CLASS = 0.5  # share of derived tasks that have a class no earlier task had
_STREAM = 1


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The truth about one task."""

    index: int
    kind: Kind
    source: int | None
    """Index of the earlier task that it derives from; None begins a family."""
    classes: tuple[int | None, ...]
    """For each of its classes the source's class that it is another view of; None: a new one."""


def origin(seed: int, index: int) -> Origin:
    """Where a task comes from."""
    kind = kind_of(index)
    rng = _stream(seed, index)
    count = _class_count(rng)
    place = kind.place(index)
    if place == 0 or rng.random() < _NEW_FAMILY:
        return Origin(index=index, kind=kind, source=None, classes=(None,) * count)
    source = kind.index(int(rng.integers(place)))
    lent = _class_count(_stream(seed, source))
    kept = min(lent, count - int(rng.random() < _NEW_CLASS))
    classes = [*rng.permutation(lent)[:kept].tolist(), *[None] * (count - kept)]
    order = rng.permutation(count)
    return Origin(index=index, kind=kind, source=source, classes=tuple(classes[c] for c in order))


def ancestry(seed: int, index: int) -> list[Origin]:
    """A task's origin, its source's and so on, the family's first task in front."""
    line = [origin(seed, index)]
    while (source := line[-1].source) is not None:
        line.append(origin(seed, source))
    return line[::-1]


def _stream(seed: int, index: int) -> np.random.Generator:
    return np.random.default_rng((seed, _STREAM, index))


def _class_count(rng: np.random.Generator) -> int:
    """3 or 4. The first thing drawn of a task's stream."""
    return 3 + int(rng.integers(2))
