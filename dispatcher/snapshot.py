"""An immutable router, as dispatcher replicas hold it: features in, task probabilities out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dispatcher.arrays import Arrays, pack_ids, require, unpack_ids
from dispatcher.errors import RouterError
from dispatcher.novelty import VIEW_DIM, ClassCloud, view

_NUMBERS = ("weights", "bias", "class_task", "floor", "exponent", "whiteners", "means", "limits")

NOVELTY_CANDIDATES = 8
"""The novelty test is made for this many most probable tasks of an input, not for thousands."""


@dataclass(frozen=True, eq=False)
class Routes:
    """What the router says of n inputs."""

    task_probabilities: NDArray[np.float32]
    """[n, T] probability of each task, summing to 1 a row; 0 for tasks that may not be used."""

    novelty: NDArray[np.float32]
    """[n] distance from a task over that task's limit: of the most probable task that the input
    fits (then it is at most 1), else of the best fitting among the most probable."""

    @property
    def unknown(self) -> NDArray[np.bool_]:
        """[n] whether the input fits no task."""
        return np.asarray(self.novelty > 1.0)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The closed-form classifier over T tasks with K classes in all, of one signature."""

    tasks: tuple[str, ...]
    """[T] task ids, sorted."""

    weights: NDArray[np.float32]
    """[D, K] class scores are features @ weights + bias."""

    bias: NDArray[np.float32]
    """[K]"""

    class_task: NDArray[np.int64]
    """[K] position in `tasks` of each class's task; ascending."""

    floor: float
    """Added to every class score before they are added up over a task."""

    exponent: float
    """A task's probability is proportional to its added-up scores to this power."""

    whiteners: NDArray[np.float32]
    """[T, d, d] for each task's novelty test (see novelty.py)."""

    means: NDArray[np.float32]
    """[K, d] class means in their task's whitened coordinates."""

    limits: NDArray[np.float32]
    """[T] distance up to which an input fits the task."""

    def __post_init__(self) -> None:
        dim, n_classes = self.weights.shape if self.weights.ndim == 2 else (0, 0)
        n, d = len(self.tasks), min(dim, VIEW_DIM)
        found = [
            a.shape for a in (self.bias, self.class_task, self.whiteners, self.means, self.limits)
        ]
        if found != [(n_classes,), (n_classes,), (n, d, d), (n_classes, d), (n,)] or dim == 0:
            raise RouterError(
                f"a snapshot of {n} tasks and weights {self.weights.shape} does not fit bias, "
                f"class_task, whiteners, means, limits of shapes {found}"
            )
        in_turn = bool((np.diff(self.class_task) >= 0).all())
        if not (in_turn and np.array_equal(np.unique(self.class_task), np.arange(n))):
            raise RouterError(f"class_task does not give each of {n} tasks its classes in turn")

    @property
    def dim(self) -> int:
        """Length D of the features."""
        return int(self.weights.shape[0])

    def route(
        self, features: NDArray[np.float32], usable: NDArray[np.bool_] | None = None
    ) -> Routes:
        """Score features [n, D]; raises RouterError if they are of another length.

        usable [T]: the tasks that come into question, at least one; all by default.
        """
        if features.ndim != 2 or features.shape[1] != self.dim:
            raise RouterError(f"features are {features.shape}, the router takes [n, {self.dim}]")
        probabilities = self._task_probabilities(features, usable)
        return Routes(probabilities, self._novelty(view(features), probabilities))

    def shortlist(self, features: NDArray[np.float32], k: int) -> list[str]:
        """The k tasks most relevant to a new task's examples [n, D], most relevant first."""
        relevance = self.route(features).task_probabilities.mean(axis=0)
        return [self.tasks[i] for i in np.argsort(-relevance, kind="stable")[:k]]

    def to_arrays(self) -> Arrays:
        """Arrays for a file; nothing is lost."""
        numbers = {name: np.asarray(getattr(self, name)) for name in _NUMBERS}
        return {**numbers, "tasks": pack_ids(self.tasks)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Snapshot:
        """Read back what `to_arrays` gave; raises RouterError if it is damaged."""
        require(arrays, (*_NUMBERS, "tasks"), "a snapshot's arrays")
        return cls(
            tasks=unpack_ids(arrays["tasks"]),
            weights=np.asarray(arrays["weights"], dtype=np.float32),
            bias=np.asarray(arrays["bias"], dtype=np.float32),
            class_task=np.asarray(arrays["class_task"], dtype=np.int64),
            floor=float(arrays["floor"]),
            exponent=float(arrays["exponent"]),
            whiteners=np.asarray(arrays["whiteners"], dtype=np.float32),
            means=np.asarray(arrays["means"], dtype=np.float32),
            limits=np.asarray(arrays["limits"], dtype=np.float32),
        )

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """[T + 1] where each task's classes begin, and where the last one's end."""
        return np.searchsorted(self.class_task, np.arange(len(self.tasks) + 1))

    @cached_property
    def _tensors(self) -> tuple[Tensor, Tensor]:
        """Weights and bias over the same memory: for few rows torch multiplies twice as fast."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            return torch.from_numpy(self.weights), torch.from_numpy(self.bias)

    def _task_probabilities(
        self, features: NDArray[np.float32], usable: NDArray[np.bool_] | None
    ) -> NDArray[np.float32]:
        """[n, T]. A class score estimates p(class | x), so a task's is the sum over its classes.

        It errs by little in many classes, which the power makes harmless. Measured, this is
        several times better calibrated than a softmax over all classes.
        """
        weights, bias = self._tensors
        scores = torch.addmm(bias, torch.from_numpy(features), weights)
        positive = scores.clamp_(min=0.0).add_(self.floor).numpy()
        evidence = np.add.reduceat(positive, self._starts[:-1], axis=1)
        if usable is not None:
            evidence *= usable
        relative = (evidence / evidence.max(axis=1, keepdims=True)) ** self.exponent
        return np.asarray(relative / relative.sum(axis=1, keepdims=True), dtype=np.float32)

    def _novelty(
        self, viewed: NDArray[np.float32], probabilities: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """[n]; one task after another, the most probable first, until the input fits one."""
        novelty = np.full(len(viewed), np.inf, dtype=np.float32)
        rows, left = np.arange(len(viewed)), probabilities.copy()
        for _ in range(min(NOVELTY_CANDIDATES, len(self.tasks))):
            best = left[rows].argmax(axis=1)
            possible = left[rows, best] > 0.0
            rows, best = rows[possible], best[possible]
            for task in np.unique(best).tolist():
                own = rows[best == task]
                distance = self._cloud(task).distances(viewed[own]) / self.limits[task]
                novelty[own] = np.minimum(novelty[own], distance)
            left[rows, best] = 0.0
            rows = rows[novelty[rows] > 1.0]
            if not len(rows):
                break
        return novelty

    def _cloud(self, task: int) -> ClassCloud:
        first, last = self._starts[task : task + 2]
        return ClassCloud(self.whiteners[task], self.means[first:last])
