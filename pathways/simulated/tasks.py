"""Thousands of simulated tasks, each made when it is asked for."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

import numpy as np

from pathways.data.task import TaskData
from pathways.errors import DataError
from pathways.learning import LearnConfig
from pathways.simulated.lineage import Origin, ancestry
from pathways.simulated.patterns import class_patterns
from pathways.simulated.rendering import examples

_TRAIN, _TEST = 3, 4  # streams


@dataclass(frozen=True)
class SimulatedTask:
    """One task: its data, and the truth about it. The same in every process."""

    seed: int
    index: int
    train_per_class: int
    test_per_class: int

    @property
    def name(self) -> str:
        """Name of the task, for example `sim-00042`."""
        return task_name(self.index)

    @property
    def labels(self) -> tuple[str, ...]:
        """No two tasks share a label: an answer is right only if task and class are."""
        return tuple(f"{self.index}{c}" for c in string.ascii_lowercase[: len(self.origin.classes)])

    @property
    def how(self) -> LearnConfig:
        """How it is learned."""
        return self.origin.kind.how

    @property
    def origin(self) -> Origin:
        """What it derives from."""
        return self.line[-1]

    @cached_property
    def line(self) -> list[Origin]:
        """Its ancestry: the family's first task, ..., its source, itself."""
        return ancestry(self.seed, self.index)

    @property
    def source(self) -> str | None:
        """Name of the task that it derives from."""
        source = self.origin.source
        return None if source is None else task_name(source)

    @property
    def family(self) -> str:
        """Name of the first task of its family."""
        return task_name(self.line[0].index)

    @property
    def train(self) -> TaskData:
        """Examples to learn from."""
        return self._data(self.train_per_class, _TRAIN)

    @property
    def test(self) -> TaskData:
        """Further examples, to ask with."""
        return self._data(self.test_per_class, _TEST)

    def _data(self, per_class: int, stream: int) -> TaskData:
        rng = np.random.default_rng((self.seed, stream, self.index))
        patterns = class_patterns(self.seed, self.line)
        y = np.repeat(np.arange(len(patterns)), per_class)
        signature = self.origin.kind.signature
        x = examples(signature, patterns, y, rng)
        return TaskData(x=x, y=y, labels=self.labels, signature=signature)


class SimulatedTasks(Sequence[SimulatedTask]):
    """The first `n` tasks of a seed. A task stays the same however many there are.

    tasks = SimulatedTasks(10_000, seed=0)
    sen.learn(tasks[42].name, tasks[42].train, tasks[42].how)
    """

    def __init__(
        self, n: int, *, seed: int = 0, train_per_class: int = 16, test_per_class: int = 8
    ) -> None:
        for name, value in (
            ("train_per_class", train_per_class),
            ("test_per_class", test_per_class),
        ):
            if value < 1:
                raise DataError(f"{name} must be at least 1, got {value}")
        if n < 0 or seed < 0:
            raise DataError(f"n and seed must not be negative, got {n} and {seed}")
        self._indices = range(n)
        self._seed, self._per_class = seed, (train_per_class, test_per_class)

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> SimulatedTask: ...
    @overload
    def __getitem__(self, index: slice) -> list[SimulatedTask]: ...
    def __getitem__(self, index: int | slice) -> SimulatedTask | list[SimulatedTask]:
        """Nothing is made before it is asked of the task."""
        if isinstance(index, slice):
            return [self._task(i) for i in self._indices[index]]
        return self._task(self._indices[index])

    def _task(self, index: int) -> SimulatedTask:
        return SimulatedTask(self._seed, index, *self._per_class)


def task_name(index: int) -> str:
    """Name of the task with this index."""
    return f"sim-{index:05d}"
