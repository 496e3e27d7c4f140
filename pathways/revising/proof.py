"""What may be concluded from held-out examples, and whether they are held out at all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from pathways.data.task import TaskData


@dataclass(frozen=True, kw_only=True)
class Paired:
    """Two versions on the same examples."""

    examples: int
    before: float
    """Share that the earlier version got right, 0..1."""
    after: float
    """Share that the later version got right, 0..1."""
    gained: int
    """Examples that only the later version got right."""
    lost: int
    """Examples that only the earlier version got right."""

    @property
    def loss(self) -> float:
        """Accuracy given up, as a share of the examples; negative if it was won."""
        return (self.lost - self.gained) / self.examples

    def p_value(self) -> float:
        """How probable so clear a gain is if both versions are equally good, 0..1.

        McNemar's test, one-sided and exact: of the examples on which the versions differ, each
        would then be a coin toss.
        """
        from scipy.stats import binomtest  # takes a second to import, and slots never need it

        differing = self.gained + self.lost
        if not differing:
            return 1.0
        return float(binomtest(self.gained, differing, 0.5, alternative="greater").pvalue)


def compare(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> Paired:
    """Sum up which examples [n] two versions got right."""
    return Paired(
        examples=len(before),
        before=float(before.mean()),
        after=float(after.mean()),
        gained=int((after & ~before).sum()),
        lost=int((before & ~after).sum()),
    )


def needed_gains(significance: float) -> int:
    """Examples that must at least be put right, and none spoilt, for a gain to be proven."""
    return math.ceil(math.log(significance) / math.log(0.5))


def repeated(data: TaskData, among: TaskData) -> NDArray[np.bool_]:
    """Which inputs of `data` [n] are, byte for byte, also inputs of `among`."""
    known = {_digest(x) for x in among.x}
    return np.fromiter((_digest(x) in known for x in data.x), bool, len(data))


def _digest(x: NDArray[np.uint8] | NDArray[np.float32]) -> bytes:
    return blake2b(x.tobytes(), digest_size=16).digest()
