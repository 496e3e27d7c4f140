"""What each way of learning costs and gains: the figures that the defaults of `sen learn` rest on.

    python -m benchmarks.families --data-dir data --out families.json

In one process and on one thread, each family learns the same task from all of its data and from
ten examples a class, without a source, and is timed when it predicts. Ways of learning take turns
at predicting, so that all meet the same noise.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.paper.tasks import TITLES, load_task
from pathways import (
    DataError,
    FrozenPathway,
    LearnConfig,
    PathwayId,
    StoredPathway,
    TaskData,
    TrainConfig,
    learn,
)

_SHOTS = 10
_BATCHES = (1, 256)
_PASSES = 30

WAYS: Mapping[str, Mapping[str, LearnConfig]] = {
    "digits": {
        "mlp": LearnConfig(family="mlp"),
        "mlp, varied": LearnConfig(family="mlp", train=TrainConfig(augment=True)),
        "cnn": LearnConfig(family="cnn"),
        "cnn, varied": LearnConfig(family="cnn", train=TrainConfig(augment=True)),
    },
    "spoken": {
        "lstm": LearnConfig(family="lstm", train=TrainConfig(batch_size=64, learning_rate=1e-3)),
        "melcnn": LearnConfig(family="melcnn", train=TrainConfig(batch_size=64)),
    },
}
"""Task → ways to learn it, with the epochs that `sen learn` has by default."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One way of learning one task."""

    task: str
    way: str
    parameters: int
    train_seconds: float
    """To learn from all examples."""
    predict_ms: dict[int, float]
    """Inputs in a batch → milliseconds for an input."""
    accuracy: float
    """Of test inputs, 0..1, learned from all examples."""
    few_shot_accuracy: float
    """Learned from ten a class."""


def measure(task: str, data_dir: Path | None) -> list[Cost]:
    """Every way of one task. Raises DataError."""
    train, test = load_task(task, data_dir, validation=False)
    learned = {
        way: _learned(train, replace(config, held_out_share=0.0))
        for way, config in track(WAYS[task].items(), f"learning {TITLES[task]}")
    }
    few = {
        way: _learned(train, replace(config, held_out_share=0.0, shots=_SHOTS))
        for way, config in track(WAYS[task].items(), f"{_SHOTS} examples a class")
    }
    models = {way: FrozenPathway.load(stored) for way, stored in learned.items()}
    times = {n: _predict_ms(models, test, n) for n in _BATCHES}
    return [
        Cost(
            task=task,
            way=way,
            parameters=stored.spec.parameters,
            train_seconds=stored.spec.training.seconds,
            predict_ms={n: times[n][way] for n in _BATCHES},
            accuracy=_accuracy(models[way], test),
            few_shot_accuracy=_accuracy(FrozenPathway.load(few[way]), test),
        )
        for way, stored in learned.items()
    ]


def _learned(data: TaskData, config: LearnConfig) -> StoredPathway:
    return learn(PathwayId("task"), data, [], config)


def _accuracy(model: FrozenPathway, test: TaskData) -> float:
    return float((model.probabilities(test.x).argmax(axis=1) == test.y).mean())


def _predict_ms(models: Mapping[str, FrozenPathway], test: TaskData, n: int) -> dict[str, float]:
    """Median milliseconds for an input in batches of n."""
    x = test.x[np.arange(n) % len(test)]
    taken: dict[str, list[float]] = {way: [] for way in models}
    for _ in range(_PASSES):
        for way, model in models.items():
            started = time.perf_counter()
            model.probabilities(x)
            taken[way].append(time.perf_counter() - started)
    return {way: 1e3 * median(times) / n for way, times in taken.items()}


def show(costs: list[Cost], console: Console) -> None:
    """As a table."""
    table = Table(title="What each way of learning costs and gains")
    table.add_column("task")
    table.add_column("way")
    for title in ("weights", "train s", "ms, 1", "ms, 256", "all %", f"{_SHOTS}-shot %"):
        table.add_column(title, justify="right")
    for cost in costs:
        table.add_row(
            TITLES[cost.task],
            cost.way,
            f"{cost.parameters:,}",
            f"{cost.train_seconds:.1f}",
            *(f"{cost.predict_ms[n]:.3f}" for n in _BATCHES),
            f"{100 * cost.accuracy:.1f}",
            f"{100 * cost.few_shot_accuracy:.1f}",
        )
    console.print(table)


def main(
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the real data; made-up data if left out.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the result as JSON here.")] = None,
) -> None:
    """Measure what each family costs in weights, training and prediction, and what it gains."""
    torch.set_num_threads(1)
    try:
        costs = [cost for task in WAYS for cost in measure(task, data_dir)]
    except DataError as error:
        raise typer.BadParameter(str(error), param_hint="--data-dir") from error
    show(costs, Console())
    if out:
        result = {
            "machine": {**machine(), "threads": 1},
            "real_data": data_dir is not None,
            "ways": {task: {w: asdict(c) for w, c in ways.items()} for task, ways in WAYS.items()},
            "costs": [asdict(cost) for cost in costs],
        }
        out.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
