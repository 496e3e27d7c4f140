"""The router's learned part: sums of all tasks of one signature, and what follows from them.

Ridge regression to one-hot classes in closed form (RanPAC, ACIL): because it needs only sums,
learning tasks one after another in any order gives what learning them together would give.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dispatcher.arrays import (
    Arrays,
    pack_ids,
    pack_symmetric,
    require,
    unpack_ids,
    unpack_symmetric,
)
from dispatcher.calibration import fit_exponent
from dispatcher.errors import RouterError
from dispatcher.novelty import class_cloud, limit_from, view_dim
from dispatcher.part import Part
from dispatcher.regression import RANK, Regression
from dispatcher.snapshot import EXACT_UP_TO, Snapshot
from dispatcher.statistics import TaskStatistics


@dataclass(frozen=True, kw_only=True)
class RouterConfig:
    """How the regression is regularised and its scores are read."""

    ridge: float = 0.01
    """Added to the diagonal, as a share of the mean variance of a feature."""

    floor: float = 0.006
    """Added to every class score (about 0..1, negative ones count as 0) before they are added
    up over a task: what a class counts for that nothing speaks for."""

    floor_share: float = 0.075
    """The floor is at most this share of what a class scores for its own mean: with far more
    classes than features all scores are small. Measured with 28,000 classes of 512 features,
    0.006 alone finds the right task for 69 % of inputs, with this share for 94 %."""

    exponent: float = 4.5
    """A task's probability is proportional to its added-up scores to this power. With more than
    EXACT_UP_TO tasks it is found out instead (see calibration.py)."""

    leverage_power: float = 0.4
    """Class scores of a task are multiplied by 1 / (1 - h) to this power, where h is the leverage
    of its examples: of few, the regression knows what they are by heart, and says too little of
    others like them. 1 would undo that, but what it says of other tasks' inputs grows as well.
    By `benchmarks.few_shot --validation` 0.3 and 0.4 are best, about alike."""

    def __post_init__(self) -> None:
        for name in ("ridge", "floor", "floor_share", "exponent"):
            if getattr(self, name) <= 0:
                raise RouterError(f"{name} is {getattr(self, name)}; give a value above 0")
        if self.leverage_power < 0:
            raise RouterError(f"leverage_power is {self.leverage_power}; give 0 or more")


@dataclass(frozen=True, eq=False)
class _Task:
    """What the router remembers of one task beside its share of the common sums."""

    counts: NDArray[np.int64]
    sums: NDArray[np.float32]
    whitener: NDArray[np.float32]
    means: NDArray[np.float32]
    limit: float


_BY_TASK, _BY_CLASS = ("sizes", "whiteners", "limits"), ("counts", "sums", "means")
_ARRAYS = ("tasks", "gram_upper", "feature_sum", *_BY_TASK, *_BY_CLASS)


@dataclass(frozen=True, eq=False)
class _Coarse:
    """How coarse scores are made since the last whole snapshot."""

    of_features: NDArray[np.float32]
    """[D, r]"""
    of_weights: NDArray[np.float32]
    """[D, r]"""
    centre: NDArray[np.float32]
    """[r] where the mean features lie; they are far from 0, and no axis is there for them."""

    @classmethod
    def none(cls, dim: int) -> _Coarse:
        """No axes: all tasks are scored exactly."""
        return cls(*(np.zeros(shape, np.float32) for shape in ((dim, 0), (dim, 0), (0,))))

    @classmethod
    def of(cls, regression: Regression, part: Part) -> _Coarse:
        """The axes that serve all tasks best."""
        of_features, of_weights = regression.axes(_of_tasks(part.weights, part), RANK)
        return cls(of_features, of_weights, regression.mean.astype(np.float32) @ of_features)

    def described(self, part: Part) -> Part:
        """The part with its tasks' vectors: a coarse score stands for the sum of their classes'."""
        vectors = _of_tasks(part.weights, part) @ self.of_weights
        return replace(part, vectors=np.column_stack([vectors, -vectors @ self.centre]))


def _of_tasks(of_classes: NDArray[np.float32], part: Part) -> NDArray[np.float32]:
    """[T, ...] sums over the classes of each task, of [K, ...]."""
    starts = np.flatnonzero(np.diff(part.class_task, prepend=-1))
    return np.asarray(np.add.reduceat(of_classes, starts))


class Router:
    """Accumulates tasks of one signature; grows by one small part a task."""

    def __init__(self, dim: int, config: RouterConfig | None = None) -> None:
        if dim < 1:
            raise RouterError(f"dim={dim} must be at least 1")
        self._config = config or RouterConfig()
        # Over all tasks, each divided by its number of examples:
        self._gram = np.zeros((dim, dim))
        self._feature_sum = np.zeros(dim)
        self._tasks: dict[str, _Task] = {}
        self._coarse = _Coarse.none(dim)  # of the last whole snapshot

    @property
    def dim(self) -> int:
        """Length D of the features."""
        return len(self._gram)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Ids of the tasks in it, sorted."""
        return tuple(sorted(self._tasks))

    def __len__(self) -> int:
        """How many tasks are in it."""
        return len(self._tasks)

    def __contains__(self, task_id: str) -> bool:
        """Whether a task is in it."""
        return task_id in self._tasks

    def add(self, task_id: str, statistics: TaskStatistics) -> None:
        """Learn a task; raises RouterError if it is known or of other features."""
        if task_id in self._tasks:
            raise RouterError(f"task {task_id!r} is in the router already; remove it first")
        self._check(statistics)
        self._sum_up(statistics, 1.0)
        cloud = class_cloud(statistics.counts, statistics.sums, statistics.gram)
        self._tasks[task_id] = _Task(
            counts=statistics.counts,
            sums=statistics.sums.astype(np.float32),
            whitener=cloud.whitener,
            means=cloud.means,
            limit=limit_from(statistics.distances),
        )

    def remove(self, task_id: str, statistics: TaskStatistics) -> None:
        """Forget a task, given the statistics it was added with; exact up to rounding."""
        self._check(statistics)
        task = self._tasks.get(task_id)
        if task is None:
            raise RouterError(
                f"task {task_id!r} is not among the router's {len(self)} tasks; nothing to remove"
            )
        if not np.array_equal(task.sums, statistics.sums.astype(np.float32)):
            raise RouterError(f"these are not the statistics that task {task_id!r} was added with")
        self._sum_up(statistics, -1.0)
        del self._tasks[task_id]

    def merge(self, other: Router) -> None:
        """Take over all tasks of another router, learned elsewhere at the same time."""
        if other.dim != self.dim or other._config != self._config:
            raise RouterError(
                f"routers differ: D={self.dim}, {self._config} and D={other.dim}, {other._config}"
            )
        both = set(self._tasks) & set(other._tasks)
        if both:
            raise RouterError(f"both routers have tasks {sorted(both)}; remove them from one")
        self._gram += other._gram
        self._feature_sum += other._feature_sum
        self._tasks.update(other._tasks)

    def solve(self) -> Snapshot:
        """The immutable classifier over all tasks; raises RouterError if there is none.

        Its cost grows with the number of tasks; `extend` costs the same at any number.
        """
        snapshot, self._coarse = self._solved(self._regression())
        return snapshot

    def _solved(self, regression: Regression) -> tuple[Snapshot, _Coarse]:
        part, coarse = self._part(regression, self.tasks), _Coarse.none(self.dim)
        if len(self) > EXACT_UP_TO:
            coarse = _Coarse.of(regression, part)
            part = coarse.described(part)
        floor = min(self._config.floor, self._config.floor_share * self._level(part))
        snapshot = Snapshot((part,), coarse.of_features, floor, self._config.exponent)
        if len(self) > EXACT_UP_TO:
            snapshot = replace(snapshot, exponent=self._fitted_exponent(snapshot, regression))
        return snapshot, coarse

    def _fitted_exponent(self, snapshot: Snapshot, regression: Regression) -> float:
        known = [self._tasks[task] for task in snapshot.tasks]
        counts = np.concatenate([task.counts for task in known])
        sums = np.concatenate([task.sums for task in known])
        scales = self._scales(self._outside(regression, snapshot.tasks))
        return fit_exponent(snapshot, regression, self._gram, counts, sums, scales)

    def extend(self, tasks: Iterable[str]) -> Part:
        """Tasks that were added since `solve`, to extend its snapshot by.

        Their class weights take all tasks into account; those of the snapshot stay as they were,
        as if the new tasks had not come, until the next `solve`.
        """
        return self._coarse.described(self._part(self._regression(), tuple(tasks)))

    def likeness(self, k: int) -> dict[str, list[tuple[str, float]]]:
        """For each task the k others that its classes look most like, most alike first.

        Each with the probability, 0..1, that a mean of a class of the task belongs to the other
        rather than to the task itself, averaged over its classes.
        """
        regression = self._regression()
        snapshot, _ = self._solved(regression)
        outside = self._outside(regression, snapshot.tasks)
        by_heart = self._scales(outside) * outside / (1.0 + outside)
        return {
            task: snapshot.likeness(task, self._class_means(task), float(learned), k)
            for task, learned in zip(snapshot.tasks, by_heart, strict=True)
        }

    def _class_means(self, task: str) -> NDArray[np.float32]:
        known = self._tasks[task]
        return np.asarray(known.sums / known.counts[:, None], dtype=np.float32)

    def to_arrays(self) -> Arrays:
        """Arrays for a file; with them learning goes on without all tasks' statistics."""
        known = [self._tasks[task] for task in self.tasks]
        d = view_dim(self.dim)
        return {
            "tasks": pack_ids(self.tasks),
            "gram_upper": pack_symmetric(self._gram),
            "feature_sum": self._feature_sum,
            "sizes": np.array([len(task.counts) for task in known], dtype=np.int64),
            "counts": np.concatenate([np.zeros(0, np.int64), *(t.counts for t in known)]),
            "sums": np.concatenate([np.zeros((0, self.dim), np.float32), *(t.sums for t in known)]),
            "means": np.concatenate([np.zeros((0, d), np.float32), *(t.means for t in known)]),
            "whiteners": np.array([t.whitener for t in known], np.float32).reshape(-1, d, d),
            "limits": np.array([t.limit for t in known]),
        }

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[np.generic]], config: RouterConfig | None = None
    ) -> Router:
        """Read back what `to_arrays` gave; raises RouterError if it is damaged."""
        require(arrays, _ARRAYS, "a router's arrays")
        tasks, sums = unpack_ids(arrays["tasks"]), np.asarray(arrays["sums"], dtype=np.float32)
        router = cls(sums.shape[-1] if sums.ndim == 2 else 0, config)
        router._gram = unpack_symmetric(arrays["gram_upper"], router.dim).astype(np.float64)
        router._feature_sum = np.array(arrays["feature_sum"], dtype=np.float64)
        sizes = np.asarray(arrays["sizes"], dtype=np.int64)
        found = [len(arrays[name]) for name in _ARRAYS[2:]]
        if found != [router.dim, *[len(tasks)] * len(_BY_TASK), *[sizes.sum()] * len(_BY_CLASS)]:
            raise RouterError(
                f"a router of {len(tasks)} tasks does not fit arrays of {found} rows "
                f"({', '.join(_ARRAYS[2:])})"
            )
        ends = np.cumsum(sizes)
        for i, (task, first, last) in enumerate(zip(tasks, ends - sizes, ends, strict=True)):
            router._tasks[task] = _Task(
                counts=np.asarray(arrays["counts"][first:last], dtype=np.int64),
                sums=sums[first:last],
                means=np.asarray(arrays["means"][first:last], dtype=np.float32),
                whitener=np.asarray(arrays["whiteners"][i], dtype=np.float32),
                limit=float(arrays["limits"][i]),
            )
        return router

    def _sum_up(self, statistics: TaskStatistics, sign: float) -> None:
        share = np.float64(sign / statistics.n_examples)
        self._gram += statistics.gram * share
        self._feature_sum += statistics.sums.sum(axis=0) * share

    def _regression(self) -> Regression:
        if not self._tasks:
            raise RouterError("the router has no task yet; add one first")
        return Regression(
            self._gram, self._feature_sum, float(len(self._tasks)), self._config.ridge
        )

    def _part(self, regression: Regression, tasks: tuple[str, ...]) -> Part:
        """The part of a snapshot that holds `tasks`, without vectors for coarse scores."""
        known = [self._tasks[task] for task in tasks]
        weights, bias = regression.weights(
            np.concatenate([task.counts / task.counts.sum() for task in known]),
            np.concatenate([task.sums / task.counts.sum() for task in known]),
        )
        class_task = np.repeat(np.arange(len(known)), [len(task.counts) for task in known])
        scales = self._scales(self._outside(regression, tasks))[class_task]
        return Part(
            tasks=tasks,
            weights=weights * scales[:, None],
            bias=bias * scales,
            class_task=class_task,
            vectors=np.zeros((len(known), 1), dtype=np.float32),
            whiteners=np.stack([task.whitener for task in known]),
            means=np.concatenate([task.means for task in known]),
            limits=np.array([task.limit for task in known], dtype=np.float32),
        )

    def _outside(self, regression: Regression, tasks: tuple[str, ...]) -> NDArray[np.float32]:
        """[T] leverage of an average example that weighs as much as one of the task's but is not
        in the sums: h / (1 - h), where h is that of one which is."""
        examples = np.array([self._tasks[task].counts.sum() for task in tasks])
        return np.asarray(regression.degrees / len(self) / examples, dtype=np.float32)

    def _scales(self, outside: NDArray[np.float32]) -> NDArray[np.float32]:
        """[T] what the class scores of tasks are multiplied by; 1 + h / (1 - h) is 1 / (1 - h)."""
        return np.asarray((1.0 + outside) ** self._config.leverage_power, dtype=np.float32)

    def _level(self, part: Part) -> float:
        """What a class scores for its own mean, on average."""
        means = np.concatenate([self._class_means(task) for task in part.tasks])
        return float(np.einsum("kd,kd->k", means, part.weights).mean() + part.bias.mean())

    def _check(self, statistics: TaskStatistics) -> None:
        if statistics.dim != self.dim:
            raise RouterError(
                f"statistics are over {statistics.dim} features, the router over {self.dim}"
            )
