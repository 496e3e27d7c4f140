"""One answer from two inputs that show the same thing, an image and a sound (paper §3.4, Figure 3).

Given the concept, what is seen and what is heard are taken to be independent, so

    p(c | image, sound) ∝ p(c | image) · p(c | sound) / p(c)

over the concepts that both pathways know, with p(c) the same for all. Pathways are surer than they
are right, most of all where an input is noisy: each is flattened (a temperature) and left a little
doubt (a floor), or one that is sure and wrong would veto the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dispatcher.dispatcher import Decision
from dispatcher.errors import DispatcherError
from dispatcher.merge import merge

NEAR = 0.5
"""A task counts as nearly as good as the best one if it is at least so many times as probable."""


@dataclass(frozen=True, kw_only=True)
class EvidenceConfig:
    """How far a pathway is believed. Chosen on validation data, see docs/modalities.md."""

    temperature: float = 2.0
    """Probabilities are taken to the power of 1 / temperature; 1 leaves them as they are."""

    doubt: float = 0.02
    """The share of every pathway's answer that is spread evenly over its concepts, 0..1."""

    def __post_init__(self) -> None:
        if not self.temperature >= 1.0:
            raise DispatcherError(f"temperature is {self.temperature}; give 1 or more")
        if not 0.0 < self.doubt < 1.0:
            raise DispatcherError(f"doubt is {self.doubt}; give a value above 0 and below 1")


Said = tuple[Sequence[str], NDArray[np.floating]]
"""What one pathway says of its input: its concepts, p(concept | input) [C]."""


def combine(
    first: Said, second: Said, config: EvidenceConfig | None = None
) -> list[tuple[str, float]]:
    """p(concept | both inputs), most probable first, equals in the order of concepts; sums to 1.

    A concept that only one pathway knows keeps its place: of it the other says neither good nor
    ill, where of a shared one it says more or less than an even guess. Pathways that share nothing
    are mixed, half and half. Raises DispatcherError.
    """
    shared = set(first[0]) & set(second[0])
    if not shared:
        return merge([(0.5, *first), (0.5, *second)])
    how = config or EvidenceConfig()
    ratios = [_ratios(said, how) for said in (first, second)]
    belief = {c: ratios[0].get(c, 1.0) * ratios[1].get(c, 1.0) for c in {**ratios[0], **ratios[1]}}
    total = sum(belief.values())
    given = ((concept, value / total) for concept, value in belief.items())
    return sorted(given, key=lambda item: (-item[1], item[0]))


def _ratios(said: Said, config: EvidenceConfig) -> dict[str, float]:
    """p(concept | input) / p(concept) of a pathway's concepts: above 1 speaks for it."""
    concepts, probabilities = said
    if probabilities.shape != (len(concepts),):
        raise DispatcherError(
            f"{len(concepts)} concepts but probabilities of shape {probabilities.shape}; "
            "give one probability a concept"
        )
    flat = np.asarray(probabilities, dtype=np.float64) ** (1.0 / config.temperature)
    believed = (1.0 - config.doubt) * flat / flat.sum() + config.doubt / len(concepts)
    return dict(zip(concepts, (believed * len(concepts)).tolist(), strict=True))


def choose_pair(
    first: Decision, second: Decision, share: Callable[[str, str], bool]
) -> tuple[str, str]:
    """One task for each of two inputs: of those nearly as good as the best, a pair that shares
    concepts, the most probable one; else the best of each.

    share: whether two tasks have a concept in common.
    """
    pairs = [
        (-p * q, a, b) for a, p in _near_best(first) for b, q in _near_best(second) if share(a, b)
    ]
    if not pairs:
        return first.tasks[0], second.tasks[0]
    _, a, b = min(pairs)
    return a, b


def _near_best(decision: Decision) -> list[tuple[str, float]]:
    best = decision.weights[0]
    listed = zip(decision.tasks, decision.weights, strict=True)
    return [(task, weight) for task, weight in listed if weight >= NEAR * best]
