"""The router's learned part: sums of all tasks of one signature, and what follows from them.

Ridge regression to one-hot classes in closed form (RanPAC, ACIL): because it needs only sums,
learning tasks one after another in any order gives what learning them together would give.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from dispatcher.arrays import (
    Arrays,
    pack_ids,
    pack_symmetric,
    require,
    unpack_ids,
    unpack_symmetric,
)
from dispatcher.errors import RouterError
from dispatcher.novelty import VIEW_DIM, class_cloud, limit_from
from dispatcher.snapshot import Snapshot
from dispatcher.statistics import TaskStatistics


@dataclass(frozen=True, kw_only=True)
class RouterConfig:
    """How the regression is regularised and its scores are read."""

    ridge: float = 0.01
    """Added to the diagonal, as a share of the mean variance of a feature."""

    floor: float = 0.006
    """Added to every class score (about 0..1, negative ones count as 0) before they are added
    up over a task: what a class counts for that nothing speaks for."""

    exponent: float = 4.5
    """A task's probability is proportional to its added-up scores to this power."""

    def __post_init__(self) -> None:
        for name in ("ridge", "floor", "exponent"):
            if getattr(self, name) <= 0:
                raise RouterError(f"{name} is {getattr(self, name)}; give a value above 0")


@dataclass(frozen=True, eq=False)
class _TaskPart:
    """What the router remembers of one task beside its share of the common Gram matrix."""

    counts: NDArray[np.int64]
    sums: NDArray[np.float64]
    whitener: NDArray[np.float32]
    means: NDArray[np.float32]
    limit: float


_ARRAYS = ("tasks", "gram_upper", "sizes", "whiteners", "limits", "counts", "sums", "means")


class Router:
    """Accumulates tasks of one signature; grows by one small part a task."""

    def __init__(self, dim: int, config: RouterConfig | None = None) -> None:
        if dim < 1:
            raise RouterError(f"dim={dim} must be at least 1")
        self._config = config or RouterConfig()
        self._gram = np.zeros((dim, dim))
        self._parts: dict[str, _TaskPart] = {}

    @property
    def dim(self) -> int:
        """Length D of the features."""
        return len(self._gram)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Ids of the tasks in it, sorted."""
        return tuple(sorted(self._parts))

    def add(self, task_id: str, statistics: TaskStatistics) -> None:
        """Learn a task; raises RouterError if it is known or of other features."""
        if task_id in self._parts:
            raise RouterError(f"task {task_id!r} is in the router already; remove it first")
        self._check(statistics)
        self._gram += statistics.gram / np.float64(statistics.n_examples)
        cloud = class_cloud(statistics.counts, statistics.sums, statistics.gram)
        self._parts[task_id] = _TaskPart(
            counts=statistics.counts,
            sums=statistics.sums,
            whitener=cloud.whitener,
            means=cloud.means,
            limit=limit_from(statistics.distances),
        )

    def remove(self, task_id: str, statistics: TaskStatistics) -> None:
        """Forget a task, given the statistics it was added with; exact up to rounding."""
        self._check(statistics)
        part = self._parts.get(task_id)
        if part is None:
            raise RouterError(f"task {task_id!r} is not in the router; it has {self.tasks}")
        if not np.array_equal(part.sums, statistics.sums):
            raise RouterError(f"these are not the statistics that task {task_id!r} was added with")
        self._gram -= statistics.gram / np.float64(statistics.n_examples)
        del self._parts[task_id]

    def merge(self, other: Router) -> None:
        """Take over all tasks of another router, learned elsewhere at the same time."""
        if other.dim != self.dim or other._config != self._config:
            raise RouterError(
                f"routers differ: D={self.dim}, {self._config} and D={other.dim}, {other._config}"
            )
        both = set(self._parts) & set(other._parts)
        if both:
            raise RouterError(f"both routers have tasks {sorted(both)}; remove them from one")
        self._gram += other._gram
        self._parts.update(other._parts)

    def solve(self) -> Snapshot:
        """The immutable classifier over all tasks; raises RouterError if there is none."""
        if not self._parts:
            raise RouterError("the router has no task yet; add one first")
        parts = [self._parts[task] for task in self.tasks]
        weights, bias = self._regress(parts)
        sizes = [len(part.counts) for part in parts]
        return Snapshot(
            tasks=self.tasks,
            weights=weights,
            bias=bias,
            class_task=np.repeat(np.arange(len(parts)), sizes),
            floor=self._config.floor,
            exponent=self._config.exponent,
            whiteners=np.stack([part.whitener for part in parts]),
            means=np.concatenate([part.means for part in parts]),
            limits=np.array([part.limit for part in parts], dtype=np.float32),
        )

    def to_arrays(self) -> Arrays:
        """Arrays for a file; with them learning goes on without all tasks' statistics."""
        parts = [self._parts[task] for task in self.tasks]
        d = min(self.dim, VIEW_DIM)
        return {
            "tasks": pack_ids(self.tasks),
            "gram_upper": pack_symmetric(self._gram),
            "sizes": np.array([len(part.counts) for part in parts], dtype=np.int64),
            "counts": np.concatenate([np.zeros(0, np.int64), *(part.counts for part in parts)]),
            "sums": np.concatenate([np.zeros((0, self.dim)), *(part.sums for part in parts)]),
            "means": np.concatenate([np.zeros((0, d), np.float32), *(p.means for p in parts)]),
            "whiteners": np.array([p.whitener for p in parts], np.float32).reshape(-1, d, d),
            "limits": np.array([part.limit for part in parts]),
        }

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[np.generic]], config: RouterConfig | None = None
    ) -> Router:
        """Read back what `to_arrays` gave; raises RouterError if it is damaged."""
        require(arrays, _ARRAYS, "a router's arrays")
        tasks, sums = unpack_ids(arrays["tasks"]), np.asarray(arrays["sums"], dtype=np.float64)
        router = cls(sums.shape[-1] if sums.ndim == 2 else 0, config)
        router._gram = unpack_symmetric(arrays["gram_upper"], router.dim).astype(np.float64)
        sizes = np.asarray(arrays["sizes"], dtype=np.int64)
        found = [len(arrays[name]) for name in _ARRAYS]
        if found[2:] != [len(tasks)] * 3 + [sizes.sum()] * 3:
            raise RouterError(f"a router of {len(tasks)} tasks does not fit arrays of {found} rows")
        ends = np.cumsum(sizes)
        for i, (task, first, last) in enumerate(zip(tasks, ends - sizes, ends, strict=True)):
            router._parts[task] = _TaskPart(
                counts=np.asarray(arrays["counts"][first:last], dtype=np.int64),
                sums=sums[first:last],
                means=np.asarray(arrays["means"][first:last], dtype=np.float32),
                whitener=np.asarray(arrays["whiteners"][i], dtype=np.float32),
                limit=float(arrays["limits"][i]),
            )
        return router

    def _regress(self, parts: list[_TaskPart]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weights [D, K] and bias [K] of ridge regression with an unpenalised intercept."""
        counts = np.concatenate([part.counts / part.counts.sum() for part in parts])
        sums = np.concatenate([part.sums / part.counts.sum() for part in parts])
        total = counts.sum()
        mean = sums.sum(axis=0) / total
        covariance = self._gram / total - np.outer(mean, mean)
        variance = max(np.trace(covariance) / self.dim, np.finfo(np.float64).tiny)
        covariance[np.diag_indices(self.dim)] += self._config.ridge * variance
        target = (sums - np.outer(counts, mean)).T / total
        weights = cho_solve(cho_factor(covariance, lower=True), target)
        bias = counts / total - mean @ weights
        return weights.astype(np.float32), bias.astype(np.float32)

    def _check(self, statistics: TaskStatistics) -> None:
        if statistics.dim != self.dim:
            raise RouterError(
                f"statistics are over {statistics.dim} features, the router over {self.dim}"
            )
