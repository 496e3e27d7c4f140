"""A part of a task's examples, where all of them are more than is needed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sample(y: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    """Rows of at most about `most` examples of classes y [n], every class in proportion."""
    if len(y) <= most:
        return np.arange(len(y))
    rng = np.random.default_rng(seed)
    rows = []
    for c in np.unique(y):
        mine = rng.permutation(np.flatnonzero(y == c))
        rows.append(mine[: max(1, len(mine) * most // len(y))])
    return np.sort(np.concatenate(rows))
