"""What tests of revisions share: settings, and what a pathway gets right."""

from __future__ import annotations

from pathways import (
    FrozenPathway,
    ImproveConfig,
    LearnConfig,
    PruneConfig,
    StoredPathway,
    TaskData,
    TrainConfig,
)

Stored = dict[str, StoredPathway]

SHORT = TrainConfig(epochs=1, min_steps=60, batch_size=64)
FEW = LearnConfig(shots=5, train=TrainConfig(epochs=1, min_steps=60, own_loss_weight=0.0))
IMPROVE = ImproveConfig(shots=5, train=SHORT)
PRUNE = PruneConfig(max_loss=0.05, train=TrainConfig(epochs=6, min_steps=0))
SHARE = LearnConfig(threshold=0.5, train=TrainConfig(epochs=8, min_steps=0))


def accuracy(given: StoredPathway, source: StoredPathway | None, data: TaskData) -> float:
    answers = FrozenPathway.load(given, source).probabilities(data.x)
    return float((answers.argmax(axis=1) == data.y).mean())


def bytes_of(stored: Stored) -> dict[str, tuple[str, bytes]]:
    return {name: (s.spec.to_json(), s.weights) for name, s in stored.items()}
