"""What each way of learning costs and gains: the figures that the defaults of `sen learn` rest on.

    python -m benchmarks.families --data-dir data --out families.json

In one process and on one thread, each family learns the same task from all of its data (or
`--per-class` examples) and from ten examples a class, without a source, and is timed when it
predicts. Ways of learning take turns at predicting, so that all meet the same noise. The
torchvision backbone stands for one that somebody has trained: it was fine-tuned on the small
letters before.
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
from torch import Tensor

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
_PASSES = 15
_BACKBONE = {"backbone": "resnet18", "size": 32}
PRETRAINING = LearnConfig(
    family="torchvision",
    options={**_BACKBONE, "finetune": True},
    held_out_share=0.0,
    train=TrainConfig(epochs=1, learning_rate=1e-3),
)
"""How the backbone was trained, on the task before."""
_PRETRAINED_ON = "lower"

WAYS: Mapping[str, Mapping[str, LearnConfig]] = {
    "digits": {
        "mlp": LearnConfig(family="mlp"),
        "mlp, varied": LearnConfig(family="mlp", train=TrainConfig(augment=True)),
        "cnn": LearnConfig(family="cnn"),
        "cnn, varied": LearnConfig(family="cnn", train=TrainConfig(augment=True)),
        "forest": LearnConfig(family="forest"),
        "svm": LearnConfig(family="svm"),
        "resnet18, frozen": LearnConfig(family="torchvision", options=_BACKBONE),
    },
    "spoken": {
        "lstm": LearnConfig(family="lstm", train=TrainConfig(batch_size=64, learning_rate=1e-3)),
        "melcnn": LearnConfig(family="melcnn", train=TrainConfig(batch_size=64)),
        "forest": LearnConfig(family="forest"),
        "svm": LearnConfig(family="svm"),
    },
}
"""Task → ways to learn it, with the epochs that `sen learn` has by default."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One way of learning one task."""

    task: str
    way: str
    parameters: int
    file_bytes: int
    """Of the weight file."""
    train_seconds: float
    """To learn from all examples."""
    predict_ms: dict[int, float]
    """Inputs in a batch → milliseconds for an input."""
    accuracy: float
    """Of test inputs, 0..1, learned from all examples."""
    few_shot_accuracy: float
    """Learned from ten a class."""


def backbone_weights(data_dir: Path | None, per_class: int | None) -> Mapping[str, Tensor]:
    """Weights as somebody might hand them over. Raises DataError."""
    train, _ = load_task(_PRETRAINED_ON, data_dir, validation=False)
    given = _learned(train, replace(PRETRAINING, shots=per_class), None).tensors()
    prefix = "body.net."
    return {n.removeprefix(prefix): t for n, t in given.items() if n.startswith(prefix)}


def measure(
    task: str, data_dir: Path | None, per_class: int | None, backbone: Mapping[str, Tensor]
) -> list[Cost]:
    """Every way of one task. Raises DataError."""
    train, test = load_task(task, data_dir, validation=False)
    learned = {
        way: _learned(train, replace(config, held_out_share=0.0, shots=per_class), backbone)
        for way, config in track(WAYS[task].items(), f"learning {TITLES[task]}")
    }
    few = {
        way: _learned(train, replace(config, held_out_share=0.0, shots=_SHOTS), backbone)
        for way, config in track(WAYS[task].items(), f"{_SHOTS} examples a class")
    }
    models = {way: FrozenPathway.load(stored) for way, stored in learned.items()}
    times = {n: _predict_ms(models, test, n) for n in _BATCHES}
    return [
        Cost(
            task=task,
            way=way,
            parameters=stored.spec.parameters,
            file_bytes=len(stored.weights),
            train_seconds=stored.spec.training.seconds,
            predict_ms={n: times[n][way] for n in _BATCHES},
            accuracy=_accuracy(models[way], test),
            few_shot_accuracy=_accuracy(FrozenPathway.load(few[way]), test),
        )
        for way, stored in learned.items()
    ]


def _learned(
    data: TaskData, config: LearnConfig, backbone: Mapping[str, Tensor] | None
) -> StoredPathway:
    initial = backbone if config.family == "torchvision" else None
    return learn(PathwayId("task"), data, [], config, initial=initial)


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
    for title in ("weights", "MB", "train s", "ms, 1", "ms, 256", "all %", f"{_SHOTS}-shot %"):
        table.add_column(title, justify="right")
    for cost in costs:
        table.add_row(
            TITLES[cost.task],
            cost.way,
            f"{cost.parameters:,}",
            f"{cost.file_bytes / 1e6:.1f}",
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
    per_class: Annotated[
        int | None, typer.Option(help="Examples a class at most; all if left out.", min=1)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the result as JSON here.")] = None,
) -> None:
    """Measure what each family costs in weights, training and prediction, and what it gains."""
    torch.set_num_threads(1)
    try:
        backbone = backbone_weights(data_dir, per_class)
        costs = [cost for task in WAYS for cost in measure(task, data_dir, per_class, backbone)]
    except DataError as error:
        raise typer.BadParameter(str(error), param_hint="--data-dir") from error
    show(costs, Console())
    if out:
        result = {
            "machine": {**machine(), "threads": 1},
            "real_data": data_dir is not None,
            "per_class": per_class,
            "pretraining": {"task": _PRETRAINED_ON, **asdict(PRETRAINING)},
            "ways": {task: {w: asdict(c) for w, c in ways.items()} for task, ways in WAYS.items()},
            "costs": [asdict(cost) for cost in costs],
        }
        out.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
