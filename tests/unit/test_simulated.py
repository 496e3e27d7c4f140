"""Simulated tasks: the same everywhere, learnable, related as they say, and told apart."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cluster.dispatch import features_for
from cluster.expansion import learn_routing
from dispatcher import Dispatcher, Router
from pathways import DataError, FrozenPathway, PathwayId, Source, StoredPathway, learn, load_source
from pathways.simulated import KINDS, SimulatedTask, SimulatedTasks
from pathways.transfer import choose_source

ROOT = Path(__file__).parents[2]
TASKS = SimulatedTasks(10_000, seed=3)
IMAGES, _, SOUNDS = KINDS
DERIVED = [i for i in range(200, 240) if TASKS[i].source and TASKS[i].origin.kind is IMAGES][:12]


def digest(tasks: SimulatedTasks, indices: list[int]) -> str:
    data = [part for i in indices for part in (tasks[i].train, tasks[i].test)]
    return hashlib.sha256(b"".join(d.x.tobytes() + d.y.tobytes() for d in data)).hexdigest()


def learned(task: SimulatedTask, *sources: Source, shots: int | None = None) -> StoredPathway:
    return learn(PathwayId(task.name), task.train, sources, replace(task.how, shots=shots))


def accuracy(
    task: SimulatedTask, stored: StoredPathway, source: StoredPathway | None = None
) -> float:
    test = task.test
    return float(
        (FrozenPathway.load(stored, source).probabilities(test.x).argmax(1) == test.y).mean()
    )


def test_another_process_makes_the_same_tasks_in_any_order() -> None:
    wanted = [9_999, 3, 4, 19, 20]
    code = (
        "from tests.unit.test_simulated import SimulatedTasks, digest;"
        f"print(digest(SimulatedTasks(10_000, seed=3), {wanted}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == digest(TASKS, wanted), done.stderr
    assert digest(SimulatedTasks(21, seed=3), [20]) == digest(TASKS, [20])
    assert digest(SimulatedTasks(21, seed=4), [20]) != digest(TASKS, [20])


def test_every_signature_has_its_share() -> None:
    kinds = [task.origin.kind for task in TASKS[:200]]
    assert [kinds.count(kind) for kind in KINDS] == [160, 30, 10]
    for task in TASKS[:20]:
        assert task.train.signature == task.origin.kind.signature
        assert task.train.counts().tolist() == [16] * len(task.labels)
        assert task.test.counts().tolist() == [8] * len(task.labels)


def test_a_source_is_an_earlier_task_of_the_same_family() -> None:
    for task in TASKS[:400]:
        origin, source = task.origin, task.origin.source
        inherited = [c for c in origin.classes if c is not None]
        assert len(inherited) == len(set(inherited))
        if source is None:
            assert not inherited and task.source is None and task.family == task.name
        else:
            assert source < task.index and task.source == TASKS[source].name
            assert origin.kind is TASKS[source].origin.kind
            assert task.family == TASKS[source].family
            assert len(inherited) >= 2 and max(inherited) < len(TASKS[source].labels)


def test_families_and_classes_begin_now_and_then() -> None:
    origins = [task.origin for task in TASKS[1_000:1_400]]
    roots = sum(origin.source is None for origin in origins)
    new = sum(None in origin.classes for origin in origins if origin.source is not None)
    assert 2 <= roots <= 30
    assert 0.4 < new / (len(origins) - roots) < 0.8


def test_no_two_tasks_share_a_label() -> None:
    labels = [label for task in TASKS[:300] for label in task.labels]
    assert len(labels) == len(set(labels))


@pytest.mark.parametrize("indices", [range(101, 109), (4, 9, 14, 24), (19, 39, 59)])
def test_a_task_is_learned_from_its_few_examples(indices: range | tuple[int, ...]) -> None:
    reached = [accuracy(TASKS[i], learned(TASKS[i])) for i in indices]
    assert np.mean(reached) >= 0.9


def test_the_true_source_is_found_among_its_relatives() -> None:
    found = 0
    for i in DERIVED:
        task = TASKS[i]
        others = [t for t in TASKS[:i] if t.origin.kind is IMAGES and t.name != task.source]
        relatives = [t for t in others if t.family == task.family][-2:]
        asked = [TASKS[task.origin.source or 0], *relatives, *others[-2:]]
        sources = [load_source(learned(other)) for other in asked]
        transfer = choose_source(task.train, sources, task.how.threshold)
        found += transfer is not None and transfer.source.id.task == task.source
    assert found >= 0.75 * len(DERIVED)


def test_the_true_source_helps_where_examples_are_few() -> None:
    gains, zero = [], []
    for i in DERIVED:
        task, source = TASKS[i], learned(TASKS[TASKS[i].origin.source or 0])
        zero.append(accuracy(task, learned(task, load_source(source), shots=0), source))
        with_source = accuracy(task, learned(task, load_source(source), shots=1), source)
        gains.append(with_source - accuracy(task, learned(task, shots=1)))
    assert np.mean(zero) > 0.65  # of at most 1, or 0.75 where one of four classes is new
    assert np.mean(gains) > 0.03


def test_a_router_tells_relatives_apart() -> None:
    among = [task for task in TASKS[:25] if task.origin.kind is IMAGES]
    features = features_for(IMAGES.signature)
    router = Router(features.dim)
    for task in among:
        router.add(task.name, learn_routing(features, task.train))
    key = IMAGES.signature.key
    dispatcher = Dispatcher({key: (features, router.solve())})
    right = [
        decision.tasks[0] == task.name
        for task in among
        for decision in dispatcher.decide(key, task.test.x)
    ]
    assert np.mean(right) >= 0.97


def test_what_cannot_be_made_is_refused() -> None:
    with pytest.raises(DataError, match="must not be negative, got -1"):
        SimulatedTasks(-1)
    with pytest.raises(DataError, match="train_per_class must be at least 1, got 0"):
        SimulatedTasks(5, train_per_class=0)
    with pytest.raises(IndexError):
        SimulatedTasks(5)[5]
