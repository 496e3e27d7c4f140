"""Putting together what the active pathways answer (paper §3.4: output nodes are shared)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dispatcher.errors import DispatcherError

Part = tuple[float, Sequence[str], NDArray[np.floating]]
"""One pathway's answer to one input: p(task | x), its labels, p(class | task, x) [C]."""


NumberPart = tuple[float, str, float, float]
"""p(task | x), the number's name, its mean and its standard deviation."""


@dataclass(frozen=True)
class Blended:
    """What the active pathways say of one number together."""

    name: str
    value: float
    """Its mean."""
    deviation: float
    """Its standard deviation."""
    weight: float
    """p(task | x) of the pathways that tell of it, added up."""


def blend(parts: Sequence[NumberPart]) -> list[Blended]:
    """The numbers that pathways tell of one input, the most probable first.

    A number that two pathways share is one output node: mean and deviation are those of the mixture
    of what the two say, so that they are the less sure the more they differ.
    """
    by_name: dict[str, list[NumberPart]] = {}
    for part in parts:
        by_name.setdefault(part[1], []).append(part)
    blended = [_mixture(name, shared) for name, shared in by_name.items()]
    return sorted(blended, key=lambda number: (-number.weight, number.name))


def _mixture(name: str, parts: Sequence[NumberPart]) -> Blended:
    total = sum(weight for weight, *_ in parts)
    mean = sum(weight * value for weight, _, value, _ in parts) / total
    variance = sum(w * (deviation**2 + (v - mean) ** 2) for w, _, v, deviation in parts) / total
    return Blended(name, mean, math.sqrt(variance), total)


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
