"""What every system of the experiments does: learn tasks in sequence, answer when told the task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.paper.profiles import Profile
from pathways import Progress, TaskData

Report = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Report to nobody."""


class System(ABC):
    """A continual learner that is told the task's index (task-incremental, §4).

    `copy.deepcopy` must give an independent learner in the same state: few-shot learning
    branches off the state in which all earlier tasks were learned in full.
    """

    def __init__(self, profile: Profile, seed: int) -> None:
        self.profile = profile
        self.seed = seed

    @abstractmethod
    def learn(self, task: str, data: TaskData, shots: int | None, report: Report = silent) -> None:
        """Learn `task` after all tasks learned before.

        shots: examples a class to train on, None for all, 0 to train on none (the task can be
        asked all the same). Seeds everything it draws from `seed` and the task.
        """

    @abstractmethod
    def probabilities(self, task: str, data: TaskData) -> NDArray[np.float32]:
        """p(class | x, task) float32 [n, classes] of a learned task."""

    @property
    def memory_bytes(self) -> int:
        """Bytes of examples of earlier tasks it keeps."""
        return 0


def accuracy(system: System, task: str, data: TaskData) -> float:
    """Share of `data` that `system` gets right, 0..1."""
    return float((system.probabilities(task, data).argmax(axis=1) == data.y).mean())
