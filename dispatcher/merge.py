"""Putting together what the active pathways answer (paper §3.4: output nodes are shared)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dispatcher.errors import DispatcherError

Part = tuple[float, Sequence[str], NDArray[np.floating]]
"""One pathway's answer to one input: p(task | x), its labels, p(class | task, x) [C]."""


def merge(parts: Sequence[Part]) -> list[tuple[str, float]]:
    """Return p(label | x) of one input, most probable first, equals in the order of labels.

    p(label | x) = Σ over tasks of p(task | x) · p(label | task, x): a label that two pathways
    share is one output node, so both add to it. The result sums to the sum of the weights
    where each part's probabilities sum to 1. Raises DispatcherError.
    """
    if not parts:
        raise DispatcherError("no pathway answered; merge needs at least one part")
    total: dict[str, float] = {}
    for weight, labels, probabilities in parts:
        if probabilities.shape != (len(labels),):
            raise DispatcherError(
                f"{len(labels)} labels but probabilities of shape {probabilities.shape}; "
                "give one probability a label"
            )
        for label, probability in zip(labels, probabilities.tolist(), strict=True):
            total[label] = total.get(label, 0.0) + weight * probability
    return sorted(total.items(), key=lambda item: (-item[1], item[0]))
