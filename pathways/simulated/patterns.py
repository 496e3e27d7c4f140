"""What simulated classes look like: smooth patterns, inherited with a part of them renewed.

A pattern is a sum of cosine waves over a square, its coefficients drawn from a normal distribution.
Waves so long that they look like a change of the light belong to no pattern.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pathways.simulated.lineage import Origin

_WAVES = 6  # in each direction
_LONG = 1  # half waves in both directions together up to which it is light, not pattern
_KEPT = 0.8  # correlation of a class with its source's class
_STREAM = 2

FREQUENCIES = tuple((u, v) for u in range(_WAVES) for v in range(_WAVES) if u + v > _LONG)


def class_patterns(seed: int, line: Sequence[Origin]) -> NDArray[np.float64]:
    """Coefficients [classes, waves] of the last task of an ancestry, each of unit variance."""
    patterns = np.zeros((0, len(FREQUENCIES)))
    for origin in line:
        rng = np.random.default_rng((seed, _STREAM, origin.index))
        fresh = rng.standard_normal((len(origin.classes), len(FREQUENCIES)))
        for c, source in enumerate(origin.classes):
            if source is not None:
                fresh[c] = _KEPT * patterns[source] + math.sqrt(1 - _KEPT**2) * fresh[c]
        patterns = fresh
    return patterns


@lru_cache(maxsize=8)
def waves(height: int, width: int) -> NDArray[np.float64]:
    """Every wave on a grid [waves, height, width], scaled so that patterns have unit variance."""
    down, across = (
        [np.cos(np.pi * f * (np.arange(n) + 0.5) / n) for f in range(_WAVES)]
        for n in (height, width)
    )
    basis = np.array([np.outer(down[u], across[v]) for u, v in FREQUENCIES])
    return np.asarray(basis / math.sqrt((basis**2).sum(axis=0).mean()))
