"""The models that every system serves: a store of tasks, made with the product's own code.

Task k is image set k mod 4 with its pixels in an order of its own ("permuted MNIST" of the
continual-learning literature, Goodfellow et al. 2014), each with the paper's MLP.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from benchmarks.paper.tasks import IMAGE_TASKS, load_task
from cluster.bodies import read_pathway
from cluster.dispatch import features_for
from cluster.expansion import learn_routing, write
from cluster.registry import PathwayEntry
from cluster.registry_log import RegistryLog
from cluster.store import Store
from pathways import FrozenPathway, LearnConfig, PathwayId, TaskData, TrainConfig, learn

HOW = LearnConfig(
    family="mlp", max_sources=0, held_out_share=0.0, train=TrainConfig(epochs=2, min_steps=150)
)
_EXAMPLES = 60  # a class, of training


@dataclass(frozen=True, kw_only=True)
class Served:
    """A store with tasks in it, and inputs to ask them."""

    store: Path
    tasks: tuple[str, ...]
    inputs: dict[str, np.ndarray]
    """Task → held-out images uint8 [n, 28, 28, 1]."""


def tasks(count: int, data_dir: Path | None) -> Iterator[tuple[str, TaskData, TaskData]]:
    """(name, train, test) of each task, the same on every call."""
    sets = [load_task(name, data_dir, validation=False) for name in IMAGE_TASKS]
    for number in range(count):
        rng = np.random.default_rng(number)
        train, test = sets[number % len(sets)]
        order = rng.permutation(784) if number >= len(sets) else np.arange(784)
        name = f"{IMAGE_TASKS[number % len(sets)]}-{number:03d}"
        yield name, _permuted(train.shots(_EXAMPLES, rng), order), _permuted(test, order)


def _permuted(data: TaskData, order: np.ndarray) -> TaskData:
    flat: Any = np.ascontiguousarray(data.x.reshape(len(data), -1)[:, order])
    return replace(data, x=flat.reshape(data.x.shape))


def make_store(root: Path, count: int, data_dir: Path | None, bars: Progress) -> Served:
    """Learn the tasks into a store at `root`, but for those that are in it already."""
    store = Store.open(root, create=True)
    log = RegistryLog(store)
    registry = log.load()
    bar = bars.add_task(f"learn {count} tasks", total=count)
    inputs: dict[str, np.ndarray] = {}
    for number, (name, train, test) in enumerate(tasks(count, data_dir), start=1):
        if name not in registry.current:
            pathway = learn(PathwayId(name), train, [], HOW)
            routing = learn_routing(features_for(train.signature), train)
            learned = write(store, pathway, routing)
            entry = learned.entry(f"{number:08d}-{name}", datetime.now(UTC))
            registry = log.publish(registry, [entry])
        inputs[name] = np.asarray(test.x[:64])
        bars.update(bar, advance=1)
    return Served(store=root, tasks=tuple(inputs), inputs=inputs)


def entries(root: Path) -> dict[str, PathwayEntry]:
    """Task → its entry, for systems that load the models themselves."""
    return {entry.id.task: entry for entry in RegistryLog(Store.open(root)).load().entries()}


def load(root: Path, entry: PathwayEntry) -> FrozenPathway:
    """A model from the store."""
    return FrozenPathway.load(read_pathway(Store.open(root), entry))


def npy(x: np.ndarray) -> bytes:
    """A request's body: images as a NumPy array file."""
    out = io.BytesIO()
    np.save(out, x)
    return out.getvalue()


def answers(model: FrozenPathway, x: NDArray[np.uint8]) -> list[dict[str, Any]]:
    """For each image the five most probable labels, as our own replies have them."""
    labels, given = model.spec.labels, model.probabilities(x)
    best = np.argsort(-given, axis=1)[:, :5].tolist()
    return [_answer(labels, row.tolist(), order) for row, order in zip(given, best, strict=True)]


def _answer(labels: tuple[str, ...], row: list[float], best: list[int]) -> dict[str, Any]:
    return {
        "label": labels[best[0]],
        "probability": row[best[0]],
        "probabilities": [{"label": labels[i], "probability": row[i]} for i in best],
    }
