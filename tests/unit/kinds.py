"""Small made-up tasks of every kind of input that is neither image nor sound, from a seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pathways import (
    LearnConfig,
    PathwayId,
    TaskData,
    TrainConfig,
    learn,
    table_signature,
    text_signature,
)
from tests.unit.networks import LearnedNetwork, publish_all

Split = tuple[TaskData, TaskData]
"""(train, test)"""

COLUMNS, TOKENS, VOCABULARY = 6, 24, 400
PRICE = "price"
_TEST_SHARE = 0.25


def kinds(n: int = 240, seed: int = 0) -> dict[str, Split]:
    """Two tables of one width, one of them with a price to predict, and two kinds of texts."""
    rng = np.random.default_rng(seed)
    made = {"wines": wines(n, rng), "houses": houses(n, rng)}
    for name, first in (("mail", 1), ("recipes", 200)):
        made[name] = texts(n, first, name, rng)
    return {name: parted(data, rng) for name, data in made.items()}


def parted(data: TaskData, rng: np.random.Generator) -> Split:
    """A task's data, some of them set aside."""
    train, test = data.split(_TEST_SHARE, rng)
    assert test is not None
    return train, test


def wines(n: int, rng: np.random.Generator) -> TaskData:
    """Three classes of rows whose columns have scales of their own; one is constant."""
    y = np.arange(n) % 3
    x = rng.normal(size=(n, COLUMNS)) + np.eye(3, COLUMNS)[y] * 4
    x = x * [0.01, 1, 50, 700, 0.2, 0] + [0.1, 13, 100, 2_000, 3, 7]
    return TaskData(
        x=x.astype(np.float32),
        y=y.astype(np.int64),
        labels=("barolo", "barbera", "grignolino"),
        signature=table_signature(COLUMNS),
    )


def houses(n: int, rng: np.random.Generator) -> TaskData:
    """Rows with a price that follows from them but for noise of 10,000."""
    x = rng.uniform(size=(n, COLUMNS)) * [200, 5, 1e6, 3, 50, 1]
    price = 1_000 * x[:, 0] + 30_000 * x[:, 1] - 20_000 * (x[:, 3] > 1.5)
    return TaskData.of_numbers(
        x=x.astype(np.float32),
        values=price + rng.normal(size=n) * 10_000,
        name=PRICE,
        signature=table_signature(COLUMNS),
    )


def texts(n: int, first: int, name: str, rng: np.random.Generator) -> TaskData:
    """Two classes of token ids from `first` on: each has words of its own beside common ones."""
    y = (np.arange(n) % 2).astype(np.int64)
    x = np.zeros((n, TOKENS), np.int32)
    for row in range(n):
        length = rng.integers(TOKENS // 2, TOKENS + 1)
        common = rng.integers(first, first + 100, length)
        own = rng.integers(first + 100 + 40 * y[row], first + 140 + 40 * y[row], length)
        x[row, :length] = np.where(rng.random(length) < 0.6, common, own)
    return TaskData(
        x=x,
        y=y,
        labels=(f"good {name}", f"bad {name}"),
        signature=text_signature(TOKENS, VOCABULARY),
    )


def noise(signature_key: str, n: int = 40) -> NDArray[np.float32] | NDArray[np.int32]:
    """Inputs of these shapes that are like none of the tasks."""
    rng = np.random.default_rng(9)
    if signature_key.startswith("table"):
        return (rng.normal(size=(n, COLUMNS)) * 30_000 - 90_000).astype(np.float32)
    return rng.integers(380, VOCABULARY, (n, TOKENS), np.int32)


def learned_kinds(root: Path, made: dict[str, Split]) -> LearnedNetwork:
    """A network that learned them in a store there."""
    how = LearnConfig(train=TrainConfig(epochs=20))
    stored = {name: learn(PathwayId(name), made[name][0], [], how) for name in made}
    return publish_all(root, stored, {name: made[name][0] for name in made})
