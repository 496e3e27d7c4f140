"""What was changed to make inputs fit a signature: told for one input, or counted for many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Change:
    """One conversion of one input."""

    note: str
    """The whole story, for example `resized 56x56 to 28x28`."""

    verb: str
    """What was done, for example `resized`."""

    result: str
    """What came out, for example `28x28`; the same for all inputs of a task."""


def summarise(changes: Iterable[Change], total: int, noun: str) -> tuple[str, ...]:
    """Changes of `total` inputs counted, as in `resized 3 of 200 images to 28x28`."""
    counts = Counter((change.verb, change.result) for change in changes)
    return tuple(
        f"{verb} {count} of {total} {noun} to {result}" for (verb, result), count in counts.items()
    )
