"""A part of a router snapshot: the class weights and novelty tests of some of its tasks.

A whole snapshot is one part; tasks that were learned since then come as parts of their own, which
are small and are sent to replicas as they are.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dispatcher.arrays import Arrays, pack_ids, require, unpack_ids
from dispatcher.errors import RouterError
from dispatcher.novelty import ClassCloud, view_dim

_ROWS = ("weights", "bias", "class_task", "vectors", "whiteners", "means", "limits")

_DENSE = 8
"""Multiplying everything by everything does so many times the work of single products in the
same time, for a batch (measured: 100 and 8 to 15 billion multiplications a second)."""

_BATCH = 8  # rows from which that holds: a lone row has to read all weights for nothing else

_SMALL_VIEW = 32
"""Up to so many numbers an input, all inputs are tested at once, each with its own task's matrix;
larger matrices are read once for all inputs of a task (measured: 1 against 7 µs an input where 256
inputs belong to four tasks)."""


@dataclass(frozen=True, eq=False)
class Part:
    """T tasks with K classes in all, over features of length D."""

    tasks: tuple[str, ...]
    """[T] task ids."""

    weights: NDArray[np.float32]
    """[K, D] class scores are weights @ feature + bias."""

    bias: NDArray[np.float32]
    """[K]"""

    class_task: NDArray[np.int64]
    """[K] position in `tasks` of each class's task; ascending."""

    vectors: NDArray[np.float32]
    """[T, r + 1] what the coarse scores are made with: a task's vector, then its bias."""

    whiteners: NDArray[np.float32]
    """[T, d, d] for each task's novelty test (see novelty.py)."""

    means: NDArray[np.float32]
    """[K, d] class means in their task's whitened coordinates."""

    limits: NDArray[np.float32]
    """[T] distance up to which an input fits the task."""

    def __post_init__(self) -> None:
        n_classes, dim = self.weights.shape if self.weights.ndim == 2 else (0, 0)
        n, d = len(self.tasks), view_dim(dim)
        found = [getattr(self, name).shape for name in _ROWS[1:]]
        width = self.vectors.shape[1] if self.vectors.ndim == 2 else 0
        wanted = [(n_classes,), (n_classes,), (n, width), (n, d, d), (n_classes, d), (n,)]
        if found != wanted or dim == 0 or width == 0:
            raise RouterError(
                f"a snapshot of {n} tasks and weights {self.weights.shape} does not fit "
                f"{', '.join(_ROWS[1:])} of shapes {found}"
            )
        in_turn = bool((np.diff(self.class_task) >= 0).all())
        if not (in_turn and np.array_equal(np.unique(self.class_task), np.arange(n))):
            raise RouterError(f"class_task does not give each of {n} tasks its classes in turn")

    @property
    def dim(self) -> int:
        """Length D of the features."""
        return int(self.weights.shape[1])

    def coarse(self, projected: Tensor) -> Tensor:
        """[n, T] about the sum of each task's class scores, of projected features [n, r]."""
        vectors, bias = self._coarse
        return torch.addmm(bias, projected, vectors)

    def evidence(
        self, features: Tensor, rows: NDArray[np.int64], tasks: NDArray[np.int64], floor: float
    ) -> NDArray[np.float32]:
        """[p] for each pair of a row of features [n, D] and a task: its class scores added up.

        rows [p], ascending; tasks [p]. A class score estimates p(class | x), so a task's is the
        sum over its classes; negative ones count as 0, and `floor` is added to each.
        """
        everything, wanted = len(features) * len(self.bias), int(self.sizes[tasks].sum())
        if everything > wanted * (_DENSE if len(features) >= _BATCH else 1):
            return self._of_pairs(features, rows, tasks, floor)
        scores = torch.addmm(self._bias, features, self._weights.t())
        positive = scores.clamp_(min=0.0).add_(floor).numpy()
        return np.asarray(np.add.reduceat(positive, self._starts[:-1], axis=1)[rows, tasks])

    def _of_pairs(
        self, features: Tensor, rows: NDArray[np.int64], tasks: NDArray[np.int64], floor: float
    ) -> NDArray[np.float32]:
        """The same, reading the weights of these tasks alone."""
        classes, sizes = self._classes_of(tasks)
        _use_sparse_tensors()
        of_row = np.bincount(rows, weights=sizes, minlength=len(features)).astype(np.int64)
        wanted = torch.sparse_csr_tensor(
            torch.from_numpy(np.concatenate([[0], np.cumsum(of_row)])),
            torch.from_numpy(classes),
            self._bias[classes],
            size=(len(features), len(self.bias)),
            check_invariants=False,
        )
        scores = torch.sparse.sampled_addmm(wanted, features, self._weights.t()).values()
        positive = scores.clamp_(min=0.0).add_(floor).numpy()
        return np.asarray(np.add.reduceat(positive, np.cumsum(sizes) - sizes))

    def _classes_of(self, tasks: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions of the classes of these tasks in turn, and how many each task has."""
        sizes = self.sizes[tasks]
        ends = np.cumsum(sizes)
        within = np.arange(ends[-1]) - np.repeat(ends - sizes, sizes)
        return np.repeat(self._starts[tasks], sizes) + within, sizes

    def distances(
        self, viewed: NDArray[np.float32], tasks: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """[n] distance of each input [n, d] from its task [n], over that task's limit."""
        if self.whiteners.shape[1] <= _SMALL_VIEW:
            white = np.matmul(viewed[:, None], self.whiteners[tasks])[:, 0]
            classes, sizes = self._classes_of(tasks)
            squares = (np.repeat(white, sizes, axis=0) - self.means[classes]) ** 2
            nearest = np.minimum.reduceat(squares.mean(axis=1), np.cumsum(sizes) - sizes)
            return np.asarray(np.sqrt(nearest) / self.limits[tasks])
        distances = np.empty(len(tasks), dtype=np.float32)
        for task in np.unique(tasks):
            own = np.flatnonzero(tasks == task)
            first, last = self._starts[task : task + 2]
            cloud = ClassCloud(self.whiteners[task], self.means[first:last])
            distances[own] = cloud.distances(viewed[own])
        return np.asarray(distances / self.limits[tasks])

    def joined(self, other: Part) -> Part:
        """This part with the tasks of another behind its own."""
        shifted = other.class_task + len(self.tasks)
        joined = {
            name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in _ROWS
        }
        joined["class_task"] = np.concatenate([self.class_task, shifted])
        return Part(tasks=self.tasks + other.tasks, **joined)

    def to_arrays(self) -> Arrays:
        """Arrays for a file; nothing is lost."""
        return {**{name: getattr(self, name) for name in _ROWS}, "tasks": pack_ids(self.tasks)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Part:
        """Read back what `to_arrays` gave; raises RouterError if it is damaged."""
        require(arrays, (*_ROWS, "tasks"), "a snapshot's arrays")
        numbers: dict[str, NDArray[Any]] = {
            name: np.asarray(arrays[name], dtype=np.float32) for name in _ROWS
        }
        numbers["class_task"] = np.asarray(arrays["class_task"], dtype=np.int64)
        return cls(tasks=unpack_ids(arrays["tasks"]), **numbers)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """[T + 1] where each task's classes begin, and where the last one's end."""
        return np.searchsorted(self.class_task, np.arange(len(self.tasks) + 1))

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """[T] classes of each task."""
        return np.diff(self._starts)

    @cached_property
    def _coarse(self) -> tuple[Tensor, Tensor]:
        """Vectors [r, T], laid out as they are multiplied fastest, and bias [T]."""
        vectors = shared_tensor(np.ascontiguousarray(self.vectors.T))
        return vectors[:-1], vectors[-1]

    @cached_property
    def _weights(self) -> Tensor:
        return shared_tensor(self.weights)

    @cached_property
    def _bias(self) -> Tensor:
        return shared_tensor(self.bias)


@cache
def _use_sparse_tensors() -> None:
    """Torch says once that they are in beta; the one operation used here is tested."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
        torch.zeros(1, 1).to_sparse_csr()


def shared_tensor(array: NDArray[np.float32]) -> Tensor:
    """A tensor over the same memory, which is often read-only and never written to."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(array)
