"""What the dispatcher keeps of a task: sums, never examples (as RanPAC and ACIL do).

McDonnell et al. 2023 (RanPAC) and Zhuang et al. 2022 (ACIL) show that class sums and the
Gram matrix of fixed features are all that closed-form regression needs; both are sums over
examples, so the order and the partition of batches do not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dispatcher.arrays import Arrays, pack_symmetric, require, unpack_symmetric
from dispatcher.errors import RouterError
from dispatcher.novelty import N_BINS, ClassCloud, class_cloud, histogram, view


@dataclass(frozen=True, eq=False)
class TaskStatistics:
    """One task's sums over its n examples."""

    counts: NDArray[np.int64]
    """[C] examples of each class; every class has at least one."""

    sums: NDArray[np.float64]
    """[C, D] sum of the features of each class."""

    gram: NDArray[np.float32]
    """[D, D] sum of the outer products of the features; symmetric, and rounded to float32
    once, so that what is stored is exactly what was used."""

    distances: NDArray[np.int64]
    """[N_BINS] histogram of the examples' left-out distances; all zero if not calibrated."""

    def __post_init__(self) -> None:
        n_classes, dim = self.sums.shape if self.sums.ndim == 2 else (0, 0)
        shapes = (self.counts.shape, self.gram.shape, self.distances.shape)
        if shapes != ((n_classes,), (dim, dim), (N_BINS,)) or n_classes == 0 or dim == 0:
            raise RouterError(
                f"statistics do not fit together: counts, gram, distances are {shapes} and sums "
                f"{self.sums.shape}; expected [C], [D, D], [{N_BINS}] and [C, D]"
            )
        _require_examples(self.counts)

    @property
    def dim(self) -> int:
        """Length D of the features."""
        return int(self.sums.shape[1])

    @property
    def n_examples(self) -> int:
        """How many examples the sums are over."""
        return int(self.counts.sum())

    def to_arrays(self) -> Arrays:
        """Arrays for a file; nothing is lost. The Gram matrix is its upper triangle."""
        return {
            "counts": self.counts,
            "sums": self.sums,
            "gram_upper": pack_symmetric(self.gram),
            "distances": self.distances,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> TaskStatistics:
        """Read back what `to_arrays` gave; raises RouterError if it is damaged."""
        require(arrays, ("counts", "sums", "gram_upper", "distances"), "a task's statistics")
        sums = np.asarray(arrays["sums"], dtype=np.float64)
        gram = unpack_symmetric(arrays["gram_upper"], sums.shape[-1] if sums.ndim else 0)
        return cls(
            counts=np.asarray(arrays["counts"], dtype=np.int64),
            sums=sums,
            gram=gram.astype(np.float32),
            distances=np.asarray(arrays["distances"], dtype=np.int64),
        )


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
        self._gram = np.zeros((dim, dim))
        self._distances = np.zeros(N_BINS, dtype=np.int64)
        self._cloud: ClassCloud | None = None

    def update(self, features: NDArray[np.float32], y: NDArray[np.integer]) -> None:
        """Add a batch: features [n, D], class indices y [n]. Raises RouterError."""
        if self._cloud is not None:
            raise RouterError("update after calibrate: the first pass over the data has ended")
        y = self._checked(features, y)
        self._counts += np.bincount(y, minlength=len(self._counts))
        wide = features.astype(np.float64)
        np.add.at(self._sums, y, wide)
        # Each batch's products in float32 (relative error 1e-7), their sum in float64.
        self._gram += features.T @ features

    def calibrate(self, features: NDArray[np.float32], y: NDArray[np.integer]) -> None:
        """Second pass: record how far each example would lie had it been left out."""
        y = self._checked(features, y)
        if self._cloud is None:
            _require_examples(self._counts)
            self._cloud = class_cloud(self._counts, self._sums, self._gram)
        distances = self._cloud.left_out(view(features), y, self._counts)
        self._distances += histogram(distances)

    def finish(self) -> TaskStatistics:
        """The statistics; raises RouterError if a class has had no example."""
        upper = np.triu(self._gram)
        symmetric = upper + np.triu(self._gram, 1).T
        return TaskStatistics(
            counts=self._counts.copy(),
            sums=self._sums.copy(),
            gram=symmetric.astype(np.float32),
            distances=self._distances.copy(),
        )

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
