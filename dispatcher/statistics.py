"""What the dispatcher keeps of a task: sums, never examples (as RanPAC and ACIL do).

McDonnell et al. 2023 (RanPAC) and Zhuang et al. 2022 (ACIL) show that class sums and the
Gram matrix of fixed features are all that closed-form regression needs; both are sums over
examples, so the order and the partition of batches do not matter.

Files stay small: a Gram matrix of few examples has a low rank, so its principal components
are kept in its place (120 KB in place of 1 MB for 60 examples of 512 features).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dispatcher.arrays import Arrays, pack_symmetric, require, unpack_symmetric
from dispatcher.errors import RouterError
from dispatcher.novelty import N_BINS, ClassCloud, class_cloud, histogram, view

_FEW = 8
"""Up to dim / _FEW examples, components take less room than the Gram matrix, and lose nothing."""

_ROUNDING = 1e-5
"""Components shorter than this share of the longest are rounding."""


@dataclass(frozen=True, eq=False)
class TaskStatistics:
    """One task's sums over its n examples."""

    counts: NDArray[np.int64]
    """[C] examples of each class; every class has at least one."""

    sums: NDArray[np.float64]
    """[C, D] sum of the features of each class."""

    gram: NDArray[np.float32]
    """[D, D] sum of the outer products of the features; symmetric, and rounded once, so that
    what is stored is exactly what was used."""

    distances: NDArray[np.int64]
    """[N_BINS] histogram of the examples' left-out distances; all zero if not calibrated."""

    components: NDArray[np.float16] | None = None
    """[m, D] of few examples: what `gram` was made from (see `of_few`); None of many."""

    def __post_init__(self) -> None:
        n_classes, dim = self.sums.shape if self.sums.ndim == 2 else (0, 0)
        shapes = (self.counts.shape, self.gram.shape, self.distances.shape)
        if shapes != ((n_classes,), (dim, dim), (N_BINS,)) or n_classes == 0 or dim == 0:
            raise RouterError(
                f"statistics do not fit together: counts, gram, distances are {shapes} and sums "
                f"{self.sums.shape}; expected [C], [D, D], [{N_BINS}] and [C, D]"
            )
        _require_examples(self.counts)

    @classmethod
    def of_few(
        cls,
        counts: NDArray[np.int64],
        sums: NDArray[np.float64],
        components: NDArray[np.float16],
        distances: NDArray[np.int64],
    ) -> TaskStatistics:
        """From the principal components [m, D] of the features about their class means."""
        if components.ndim != 2 or components.shape[1:] != sums.shape[1:]:
            raise RouterError(f"components {components.shape} do not fit sums {sums.shape}")
        wide = components.astype(np.float64)
        between = (sums / np.maximum(counts, 1)[:, None]).T @ sums
        gram = (wide.T @ wide + between).astype(np.float32)
        return cls(counts, sums, gram, distances, components)

    @property
    def dim(self) -> int:
        """Length D of the features."""
        return int(self.sums.shape[1])

    @property
    def n_examples(self) -> int:
        """How many examples the sums are over."""
        return int(self.counts.sum())

    def to_arrays(self) -> Arrays:
        """Arrays for a file; nothing is lost."""
        bins = np.flatnonzero(self.distances)
        arrays: Arrays = {
            "counts": self.counts,
            "sums": self.sums,
            "bins": bins,
            "in_bins": self.distances[bins],
        }
        if self.components is None:
            return {**arrays, "gram_upper": pack_symmetric(self.gram)}
        return {**arrays, "components": self.components}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> TaskStatistics:
        """Read back what `to_arrays` gave; raises RouterError if it is damaged."""
        what = "a task's statistics"
        require(arrays, ("counts", "sums"), what)
        counts = np.asarray(arrays["counts"], dtype=np.int64)
        sums = np.asarray(arrays["sums"], dtype=np.float64)
        if sums.ndim != 2 or counts.shape != sums.shape[:1]:
            raise RouterError(f"counts {counts.shape} and sums {sums.shape} do not fit together")
        distances = _distances(arrays)
        if "components" in arrays:
            components = np.asarray(arrays["components"], dtype=np.float16)
            return cls.of_few(counts, sums, components, distances)
        require(arrays, ("gram_upper",), what)
        gram = unpack_symmetric(arrays["gram_upper"], sums.shape[1]).astype(np.float32)
        return cls(counts, sums, gram, distances)


def _distances(arrays: Mapping[str, NDArray[np.generic]]) -> NDArray[np.int64]:
    """The whole histogram, of which files hold what is not zero (older ones all of it)."""
    if "distances" in arrays:
        return np.asarray(arrays["distances"], dtype=np.int64)
    require(arrays, ("bins", "in_bins"), "a task's statistics")
    bins = np.asarray(arrays["bins"], dtype=np.int64)
    if bins.shape != arrays["in_bins"].shape or not ((bins >= 0) & (bins < N_BINS)).all():
        raise RouterError(f"bins {bins.shape} of a histogram of {N_BINS} do not fit their counts")
    distances = np.zeros(N_BINS, dtype=np.int64)
    distances[bins] = arrays["in_bins"]
    return distances


class StatisticsBuilder:
    """Accumulates one task's statistics in two passes over its data, batch by batch.

    First `update` with every batch; then, to set the novelty test by the data, `calibrate`
    with every batch once more; then `finish`.
    """

    def __init__(self, n_classes: int, dim: int) -> None:
        if n_classes < 1 or dim < 1:
            raise RouterError(f"n_classes={n_classes} and dim={dim} must be at least 1")
        self._counts = np.zeros(n_classes, dtype=np.int64)
        self._sums = np.zeros((n_classes, dim))
        self._few: list[tuple[NDArray[np.float32], NDArray[np.int64]]] = []
        self._gram: NDArray[np.float64] | None = None  # None as long as there are few
        self._distances = np.zeros(N_BINS, dtype=np.int64)
        self._settled: TaskStatistics | None = None  # after the first pass
        self._cloud: ClassCloud | None = None

    def update(self, features: NDArray[np.float32], y: NDArray[np.integer]) -> None:
        """Add a batch: features [n, D], class indices y [n]. Raises RouterError."""
        if self._cloud is not None:
            raise RouterError("update after calibrate: the first pass over the data has ended")
        y = self._checked(features, y)
        self._counts += np.bincount(y, minlength=len(self._counts))
        np.add.at(self._sums, y, features.astype(np.float64))
        self._few.append((features, y))
        if self._gram is not None or self._counts.sum() > features.shape[1] // _FEW:
            self._add_up()

    def _add_up(self) -> None:
        """Many examples: their outer products from here on, not the features."""
        if self._gram is None:
            self._gram = np.zeros((self._sums.shape[1],) * 2)
        for features, _ in self._few:
            # Each batch's products in float32 (relative error 1e-7), their sum in float64.
            self._gram += features.T @ features
        self._few = []

    def calibrate(self, features: NDArray[np.float32], y: NDArray[np.integer]) -> None:
        """Second pass: record how far each example would lie had it been left out."""
        y = self._checked(features, y)
        if self._cloud is None:
            settled = self._settled = self._settle()
            self._cloud = class_cloud(settled.counts, settled.sums, settled.gram)
        distances = self._cloud.left_out(view(features), y, self._counts)
        self._distances += histogram(distances)

    def finish(self) -> TaskStatistics:
        """The statistics; raises RouterError if a class has had no example."""
        return replace(self._settled or self._settle(), distances=self._distances.copy())

    def _settle(self) -> TaskStatistics:
        """The sums, before any distance is known."""
        _require_examples(self._counts)
        counts, sums, none = self._counts.copy(), self._sums.copy(), np.zeros_like(self._distances)
        if self._gram is None:
            return TaskStatistics.of_few(counts, sums, self._components(), none)
        upper = np.triu(self._gram)
        symmetric = upper + np.triu(self._gram, 1).T
        return TaskStatistics(counts, sums, symmetric.astype(np.float32), none)

    def _components(self) -> NDArray[np.float16]:
        """[m, D] rows whose outer products add up to the scatter about the class means."""
        means = self._sums / self._counts[:, None]
        apart = np.concatenate([features - means[y] for features, y in self._few])
        _, lengths, axes = np.linalg.svd(apart, full_matrices=False)
        kept = lengths > _ROUNDING * max(lengths.max(), 1e-30)
        return np.asarray((lengths[:, None] * axes)[kept], dtype=np.float16)

    def _checked(self, features: NDArray[np.float32], y: NDArray[np.integer]) -> NDArray[np.int64]:
        n_classes, dim = self._sums.shape
        if features.ndim != 2 or features.shape[1] != dim or y.shape != features.shape[:1]:
            raise RouterError(
                f"features {features.shape} and labels {y.shape} do not fit; expected "
                f"[n, {dim}] and [n]"
            )
        if len(y) and not (y.min() >= 0 and y.max() < n_classes):
            raise RouterError(f"labels {y.min()}..{y.max()} are outside 0..{n_classes - 1}")
        if not np.isfinite(features).all():
            raise RouterError("features are not all finite; look for NaN or infinity in the inputs")
        return y.astype(np.int64)


def _require_examples(counts: NDArray[np.int64]) -> None:
    if counts.min() < 1:
        raise RouterError(
            f"classes {np.flatnonzero(counts < 1).tolist()} have no example; "
            "every class of a task needs at least one"
        )
