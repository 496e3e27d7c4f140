"""An immutable router, as dispatcher replicas hold it: features in, task probabilities out.

Thousands of tasks are scored in two steps. Coarse scores, a linear function of a few projections of
the features, tell which tasks come into question; the classes of these alone are scored exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dispatcher.arrays import Arrays, require
from dispatcher.errors import RouterError
from dispatcher.novelty import view
from dispatcher.part import Part, shared_tensor

EXACT_UP_TO = 64
"""Tasks up to which all of them are scored exactly."""

SHORTLIST = 32
"""Tasks of an input that are scored exactly where there are more."""

NOVELTY_CANDIDATES = 8
"""The novelty test is made for this many most probable tasks of an input, not for thousands."""


_GROUP = 8


@dataclass(frozen=True, eq=False)
class Routes:
    """What the router says of n inputs."""

    tasks: NDArray[np.int64]
    """[n, M] positions of the tasks that come into question, most probable first."""

    probabilities: NDArray[np.float32]
    """[n, M] of each of them, summing to 1 a row; 0 for tasks that may not be used."""

    novelty: NDArray[np.float32]
    """[n] distance from a task over that task's limit: of the most probable task that the input
    fits (then it is at most 1), else of the best fitting among the most probable."""

    @property
    def unknown(self) -> NDArray[np.bool_]:
        """[n] whether the input fits no task."""
        return np.asarray(self.novelty > 1.0)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The closed-form classifier over all tasks of one signature."""

    parts: tuple[Part, ...]
    """One, or two: what was solved as a whole, and the tasks that came after it."""

    projection: NDArray[np.float32]
    """[D, r] of the features, for the coarse scores; r = 0: all tasks are scored exactly."""

    floor: float
    """Added to every class score before they are added up over a task."""

    exponent: float
    """A task's probability is proportional to its added-up scores to this power."""

    def __post_init__(self) -> None:
        dim, rank = self.projection.shape if self.projection.ndim == 2 else (0, 0)
        found = [(part.dim, part.vectors.shape[1]) for part in self.parts]
        if not 1 <= len(found) <= 2 or set(found) != {(dim, rank + 1)}:
            raise RouterError(
                f"parts over (features, vectors) {found} do not fit a projection "
                f"{self.projection.shape}"
            )

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """[T] task ids; those of the whole are sorted, later ones follow in their order."""
        return tuple(task for part in self.parts for task in part.tasks)

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Task id → its position in `tasks`."""
        return {task: position for position, task in enumerate(self.tasks)}

    @property
    def dim(self) -> int:
        """Length D of the features."""
        return int(self.projection.shape[0])

    def extended(self, part: Part) -> Snapshot:
        """The same with the tasks of another part behind its own."""
        whole, *later = self.parts
        tail = later[0].joined(part) if later else part
        return replace(self, parts=(whole, tail))

    def route(
        self, features: NDArray[np.float32], usable: NDArray[np.bool_] | None = None
    ) -> Routes:
        """Score features [n, D]; raises RouterError if they are of another length.

        usable [T]: the tasks that come into question, at least one; all by default.
        """
        if features.ndim != 2 or features.shape[1] != self.dim:
            raise RouterError(f"features are {features.shape}, the router takes [n, {self.dim}]")
        given = torch.from_numpy(features)
        tasks = self.candidates(given, usable)
        probabilities = self._probabilities(given, tasks, usable)
        order = np.argsort(-probabilities, axis=1, kind="stable")
        tasks = np.take_along_axis(tasks, order, axis=1)
        probabilities = np.take_along_axis(probabilities, order, axis=1)
        return Routes(tasks, probabilities, self._novelty(view(features), tasks, probabilities))

    def candidates(
        self, features: Tensor, usable: NDArray[np.bool_] | None = None
    ) -> NDArray[np.int64]:
        """[n, M] positions, ascending, of the tasks that come into question for features [n, D]."""
        n, total = len(features), len(self.tasks)
        if total <= EXACT_UP_TO or not self.projection.shape[1]:
            return np.broadcast_to(np.arange(total), (n, total))
        projected = features @ self._projection
        scores = [part.coarse(projected) for part in self.parts]
        coarse = torch.cat(scores, dim=1) if len(scores) > 1 else scores[0]
        if usable is not None:
            coarse[:, torch.from_numpy(~usable)] = -torch.inf
        return np.asarray(_largest(coarse, SHORTLIST).sort(dim=1).values.numpy())

    def shortlist(self, features: NDArray[np.float32], k: int) -> list[str]:
        """The k tasks most relevant to a new task's examples [n, D], most relevant first."""
        routes = self.route(features)
        relevance = np.bincount(
            routes.tasks.ravel(), routes.probabilities.ravel(), minlength=len(self.tasks)
        )
        return [self.tasks[i] for i in np.argsort(-relevance, kind="stable")[:k]]

    def likeness(
        self, task: str, means: NDArray[np.float32], by_heart: float, k: int
    ) -> list[tuple[str, float]]:
        """The k other tasks that the classes of a task, with means [C, D], look most like, most
        alike first, of a snapshot of one part.

        Each with p(other) / (p(other) + p(task)), 0..1, averaged over the classes. by_heart: what
        examples add to the score of their own class, which is taken off: else what was learned
        from few would look like nothing but itself.
        """
        routes, own = self.route(means), self.positions[task]
        of_own = np.where(routes.tasks == own, routes.probabilities, 0.0).sum(axis=1)
        of_own *= self._left_out(own, means, by_heart) ** self.exponent
        others = routes.probabilities / np.maximum(routes.probabilities + of_own[:, None], 1e-30)
        summed = np.bincount(routes.tasks.ravel(), others.ravel(), minlength=len(self.tasks))
        summed[own] = 0.0
        best = np.argsort(-summed, kind="stable")[:k]
        return [(self.tasks[i], float(summed[i] / len(means))) for i in best if summed[i] > 0]

    def _left_out(
        self, position: int, means: NDArray[np.float32], by_heart: float
    ) -> NDArray[np.float32]:
        """[C] which part of the evidence for its own task is left to the mean of each class."""
        part = self.parts[0]
        rows = part.class_task == position
        scores = np.maximum(means @ part.weights[rows].T + part.bias[rows], 0.0)
        evidence = scores.sum(axis=1) + self.floor * len(means)
        own = scores.diagonal()
        return np.asarray(1.0 - (own - np.maximum(own - by_heart, 0.0)) / evidence)

    def to_arrays(self) -> Arrays:
        """Arrays for a file; nothing is lost."""
        whole, *later = self.parts
        numbers = {
            "projection": self.projection,
            "floor": np.asarray(self.floor),
            "exponent": np.asarray(self.exponent),
        }
        return {**(whole.joined(later[0]) if later else whole).to_arrays(), **numbers}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> Snapshot:
        """Read back what `to_arrays` gave; raises RouterError if it is damaged."""
        require(arrays, ("projection", "floor", "exponent"), "a snapshot's arrays")
        return cls(
            parts=(Part.from_arrays(arrays),),
            projection=np.asarray(arrays["projection"], dtype=np.float32),
            floor=float(arrays["floor"]),
            exponent=float(arrays["exponent"]),
        )

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """[parts + 1] positions of each part's first task, and of the end."""
        return np.cumsum([0, *(len(part.tasks) for part in self.parts)])

    @cached_property
    def _projection(self) -> Tensor:
        return shared_tensor(self.projection)

    def _probabilities(
        self, features: Tensor, tasks: NDArray[np.int64], usable: NDArray[np.bool_] | None
    ) -> NDArray[np.float32]:
        """[n, M]. Class scores err by little in many classes, which the power makes harmless.

        Measured, this is several times better calibrated than a softmax over all classes.
        """
        evidence = np.empty(tasks.shape, dtype=np.float32)
        for part, first, end in zip(self.parts, self._starts[:-1], self._starts[1:], strict=True):
            own = (tasks >= first) & (tasks < end)
            if own.any():
                rows = np.nonzero(own)[0]
                evidence[own] = part.evidence(features, rows, tasks[own] - first, self.floor)
        if usable is not None:
            evidence *= usable[tasks]
        relative = (evidence / evidence.max(axis=1, keepdims=True)) ** self.exponent
        return np.asarray(relative / relative.sum(axis=1, keepdims=True), dtype=np.float32)

    def _novelty(
        self,
        viewed: NDArray[np.float32],
        tasks: NDArray[np.int64],
        probabilities: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """[n]; one task after another, the most probable first, until the input fits one."""
        novelty = np.full(len(viewed), np.inf, dtype=np.float32)
        rows = np.arange(len(viewed))
        for place in range(min(NOVELTY_CANDIDATES, tasks.shape[1])):
            rows = rows[probabilities[rows, place] > 0.0]
            if not len(rows):
                break
            distances = self._distances(viewed[rows], tasks[rows, place])
            novelty[rows] = np.minimum(novelty[rows], distances)
            rows = rows[novelty[rows] > 1.0]
        return novelty

    def _distances(
        self, viewed: NDArray[np.float32], tasks: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """[n] distance of each input from its task, over that task's limit."""
        distances = np.empty(len(tasks), dtype=np.float32)
        for part, first, end in zip(self.parts, self._starts[:-1], self._starts[1:], strict=True):
            own = np.flatnonzero((tasks >= first) & (tasks < end))
            if len(own):
                distances[own] = part.distances(viewed[own], tasks[own] - first)
        return distances


def _largest(scores: Tensor, k: int) -> Tensor:
    """[n, k] positions of the largest of scores [n, T], in no order; T must be k at least.

    The largest k lie in the k groups whose own largest are largest, so that most scores are looked
    at once and not sorted: two thirds of the time of `topk` over thousands.
    """
    n, total = scores.shape
    groups = total // _GROUP
    if groups <= k:
        return torch.topk(scores, k, dim=1, sorted=False).indices
    # A group has every so-manieth task: neighbours in memory are of different groups.
    best_of = scores[:, : groups * _GROUP].unflatten(1, (_GROUP, groups)).amax(dim=1)
    best = torch.topk(best_of, k, dim=1, sorted=False).indices
    within = (best[:, :, None] + groups * torch.arange(_GROUP)).flatten(1)
    rest = torch.arange(groups * _GROUP, total).expand(n, -1)
    positions = torch.cat([within, rest], dim=1)
    chosen = torch.topk(scores.gather(1, positions), k, dim=1, sorted=False).indices
    return positions.gather(1, chosen)
