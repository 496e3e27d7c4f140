"""Class names in order, and labels as indices into them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from pathways.errors import DataError

Classes = tuple[NDArray[np.int64], tuple[str, ...]]
"""(y [n], an index into the class names; the class names)."""

_NUMBER = re.compile(r"-?[0-9]+")


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Different names in order: numbers by value, then all others by name."""
    return tuple(sorted(set(names), key=_rank))


def _rank(name: str) -> tuple[bool, int, str]:
    number = _NUMBER.fullmatch(name) is not None
    return not number, int(name) if number else 0, name


def from_strings(values: Sequence[str], names: tuple[str, ...] | None, source: str) -> Classes:
    """Classes of string labels [n]; `names`, if given, sets their order.

    Raises DataError naming `source` for a label that is not among `names`.
    """
    labels = ordered(values) if names is None else names
    index = {label: c for c, label in enumerate(labels)}
    unknown = ordered(set(values) - set(index))
    if unknown:
        raise DataError(
            f"{source}: label {unknown[0]!r} is not among the class names {', '.join(labels)}; "
            "add it to them"
        )
    return np.array([index[value] for value in values], np.int64), labels


def from_integers(values: NDArray[np.int64], names: tuple[str, ...] | None, source: str) -> Classes:
    """Classes of integer labels [n]: indices into `names`, or else named by their digits.

    Raises DataError naming `source` for a label outside of `names`.
    """
    if names is None:
        numbers, y = np.unique(values, return_inverse=True)
        return y.astype(np.int64), tuple(map(str, numbers.tolist()))
    if values.size and (values.min() < 0 or values.max() >= len(names)):
        raise DataError(
            f"{source}: labels run from {values.min()} to {values.max()}, but there are "
            f"{len(names)} class names, so they must lie in 0..{len(names) - 1}"
        )
    return values, names
