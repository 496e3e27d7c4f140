"""Learning both tasks from a few labelled pairs and many without labels, with the term that makes
the two pathways agree on them, and without: the product's own learning code, in one process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.modalities.data import TASKS, Digits, pair_rows
from pathways import FrozenPathway, LearnConfig, PathwayId, StoredPathway, TaskData
from pathways.data.paired import PairedData
from pathways.pairing import Beside, PairConfig, Side, halves, learn_together


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What is learned from."""

    shots: Sequence[int] = (5, 10)
    """Labelled examples a class of each task."""
    pairs: int = 2000
    """Pairs without labels; every sound is in one at most."""
    seeds: int = 3
    """Times it is done, with other examples and pairs."""


@dataclass(frozen=True, kw_only=True)
class Learned:
    """Accuracy of each pathway alone on the test parts, a value a seed."""

    shots: int
    agreement: float
    image: list[float] = field(default_factory=list)
    sound: list[float] = field(default_factory=list)


def compare(digits: Digits, how: LearnConfig, budget: Budget) -> list[Learned]:
    """Without agreement and with it, from as many labels each."""
    found = []
    for shots in budget.shots:
        for pairing in (PairConfig(agreement=0.0), PairConfig()):
            result = Learned(shots=shots, agreement=pairing.agreement)
            for seed in range(budget.seeds):
                data = few_labels(digits, shots, budget.pairs, seed)
                stored = _learn(data, replace(how, seed=seed), pairing)
                result.image.append(_accuracy(stored[0], digits.test_images))
                result.sound.append(_accuracy(stored[1], digits.test_sounds))
            found.append(result)
    return found


def few_labels(digits: Digits, shots: int, pairs: int, seed: int) -> PairedData:
    """So many labelled examples a class of each task, and pairs of which no label is told."""
    rng = np.random.default_rng(seed)
    images, sounds = pair_rows(digits.images.y, digits.sounds.y, 1, seed)
    images, sounds = images[:pairs], sounds[:pairs]
    return PairedData(
        first=digits.images.shots(shots, rng),
        second=digits.sounds.shots(shots, rng),
        x_first=digits.images.x[images],
        x_second=digits.sounds.x[sounds],
    )


def _learn(
    data: PairedData, how: LearnConfig, pairing: PairConfig
) -> tuple[StoredPathway, StoredPathway]:
    ids = (PathwayId(TASKS[0]), PathwayId(TASKS[1]))
    first, second = halves(ids, data, (how, how), pairing)
    return learn_together(Side(first), Beside(Side(second)))


def _accuracy(stored: StoredPathway, test: TaskData) -> float:
    given = FrozenPathway.load(stored).probabilities(test.x)
    return float((given.argmax(axis=1) == test.y).mean())
