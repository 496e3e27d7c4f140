"""One answer from two inputs that show the same thing, an image and a sound (paper §3.4, Figure 3).

Given the concept, what is seen and what is heard are taken to be independent, so

    p(c | image, sound) ∝ p(c | image) · p(c | sound) / p(c)

over the concepts that both pathways know, with p(c) the same for all. Pathways are surer than they
are right, and where an input is noisy they are as sure as ever. So each is flattened a little (a
temperature), and believed only as far as its input is like what it learned: the router's test for
unknown inputs tells. Without that, one that is sure and wrong would often outvote the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dispatcher.dispatcher import Decision
from dispatcher.errors import DispatcherError
from dispatcher.merge import merge

NEAR = 0.1
"""A task that shares concepts with the other input's is preferred to the best one if it is at least
so many times as probable: both inputs show the same, so tasks that can name it are likelier."""


@dataclass(frozen=True, kw_only=True)
class EvidenceConfig:
    """How far pathways are believed. Chosen on validation data, see docs/modalities.md."""

    temperature: float = 1.5
    """Probabilities are taken to the power of 1 / temperature; 1 leaves them as they are."""

    doubt: float = 0.05
    """The share of every pathway's answer that is spread evenly over its concepts, 0..1."""

    slack: float = 1.1
    """An input says nothing any more where it is this many times as far beyond what is known as
    pure noise is: pathways are right by chance there."""

    def __post_init__(self) -> None:
        if not self.temperature >= 1.0:
            raise DispatcherError(f"temperature is {self.temperature}; give 1 or more")
        if not 0.0 < self.doubt < 1.0:
            raise DispatcherError(f"doubt is {self.doubt}; give a value above 0 and below 1")
        if not self.slack > 0.0:
            raise DispatcherError(f"slack is {self.slack}; give a value above 0")

    def trust(self, novelty: float, of_noise: float) -> float:
        """How far an input's pathway is believed: 1 up to the limit of what is known, from there
        falling evenly to 0.

        of_noise: the novelty that pure noise has to the same router. Where that counts as known,
        novelty tells little, and nothing that is unknown is believed.
        """
        if novelty <= 1.0:
            return 1.0
        span = self.slack * (of_noise - 1.0)
        return max(0.0, 1.0 - (novelty - 1.0) / span) if span > 0.0 else 0.0


@dataclass(frozen=True)
class Said:
    """What one pathway says of its input."""

    concepts: Sequence[str]
    probabilities: NDArray[np.floating]
    """p(concept | input) [C]."""
    trust: float = 1.0
    """How far it is believed, 0..1."""

    def __post_init__(self) -> None:
        if self.probabilities.shape != (len(self.concepts),):
            raise DispatcherError(
                f"{len(self.concepts)} concepts but probabilities of shape "
                f"{self.probabilities.shape}; give one probability a concept"
            )

    @property
    def first(self) -> str:
        """The most probable concept."""
        return self.concepts[int(self.probabilities.argmax())]


def combine(
    first: Said, second: Said, config: EvidenceConfig | None = None
) -> list[tuple[str, float]]:
    """p(concept | both inputs), most probable first, equals in the order of concepts; sums to 1.

    A concept that only one pathway knows keeps its place: of it the other says neither good nor
    ill, where of a shared one it says more or less than an even guess. Pathways that share nothing
    are mixed, half and half.
    """
    if set(first.concepts).isdisjoint(second.concepts):
        return merge([(0.5, said.concepts, said.probabilities) for said in (first, second)])
    one, other = (_ratios(said, config or EvidenceConfig()) for said in (first, second))
    belief = {c: one.get(c, 1.0) * other.get(c, 1.0) for c in {**one, **other}}
    total = sum(belief.values())
    given = ((concept, value / total) for concept, value in belief.items())
    return sorted(given, key=lambda item: (-item[1], item[0]))


def _ratios(said: Said, config: EvidenceConfig) -> dict[str, float]:
    """p(concept | input) / p(concept) of a pathway's concepts: above 1 speaks for it."""
    flat = np.asarray(said.probabilities, dtype=np.float64) ** (1.0 / config.temperature)
    believed = (1.0 - config.doubt) * said.trust
    ratios = believed * len(flat) * flat / flat.sum() + (1.0 - believed)
    return dict(zip(said.concepts, ratios.tolist(), strict=True))


def choose_pair(
    first: Decision, second: Decision, share: Callable[[str, str], bool]
) -> tuple[str, str]:
    """One task for each of two inputs: of those not much less probable than the best, a pair that
    shares concepts, the most probable one; else the best of each.

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
