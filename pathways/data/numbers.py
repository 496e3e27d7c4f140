"""Numbers as what a task predicts: checked, and parted for what needs groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pathways.errors import DataError

_PARTS = 10
_EACH = 5  # examples that a part has about, at least, where there are few


def tenths(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Which of up to ten parts of about equally many examples each number lies in, [n].

    Parts are numbered by size, none is empty, and equal numbers lie in one part. Where there are
    few numbers, or few different ones, there are fewer parts.
    """
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        return np.zeros(len(values) if values.ndim else 0, np.int64)  # refused with its reason
    parts = min(_PARTS, max(2, len(values) // _EACH))
    edges = np.unique(np.quantile(values.astype(np.float64), np.arange(1, parts) / parts))
    found = np.searchsorted(edges, values.astype(np.float64), side="left")
    return np.unique(found, return_inverse=True)[1].astype(np.int64)


def check_numbers(
    values: NDArray[np.float32], y: NDArray[np.int64], labels: tuple[str, ...], n: int
) -> None:
    """Raises DataError if `n` inputs cannot be learned with these numbers."""
    if len(labels) != 1 or not labels[0]:
        raise DataError(
            f"a number to predict has one name, got {len(labels)} ({', '.join(labels)}); "
            "learn a task for each"
        )
    name = labels[0]
    if values.dtype != np.float32 or values.shape != (n,):
        raise DataError(
            f"{n} inputs need {n} values of {name} as float32 [n], got {values.dtype} "
            f"{list(values.shape)}"
        )
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise DataError(
            f"example {row} has {name} = {values[row]}, which is no finite float32; remove or "
            "scale it"
        )
    if n and values.min() == values.max():
        raise DataError(
            f"all {n} values of {name} are {values[0]:g}, so there is nothing to learn; add "
            "examples with other values"
        )
    if y.dtype != np.int64 or y.shape != (n,) or not np.array_equal(y, tenths(values)):
        raise DataError(f"y must hold the tenths of the values of {name}; use TaskData.of_numbers")
