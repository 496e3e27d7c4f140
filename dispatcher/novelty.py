"""Saying "unknown": each task's own test of whether an input is like what it learned.

The distance is Mahalanobis' to the nearest class mean, with the task's own shrunk
within-class covariance, over the first few features, which are made for this (as in FeCAM,
Goswami et al. 2023; the shrinkage follows Ledoit and Wolf 2004 in spirit). It is built from
the same sums as the router, so it needs no examples; and it is the task's alone, so no later
task moves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_Float = TypeVar("_Float", bound=np.floating)

_VIEW_DIM, _SMALL_VIEW_DIM, _SMALL_DIM = 128, 32, 512

ACCEPTED_SHARE = 0.995
"""The share of a task's own (left-out) examples that must fit it."""

UNCALIBRATED_LIMIT = 2.0
"""Limit where no distances were recorded: twice what an average example has."""

_BINS_PER_OCTAVE = 64
_LOWEST_OCTAVE, _HIGHEST_OCTAVE = -6, 10
N_BINS = _BINS_PER_OCTAVE * (_HIGHEST_OCTAVE - _LOWEST_OCTAVE)
_PSEUDO_EXAMPLES = 4
"""Examples' worth of belief that all features vary alike: some do not in a handful of examples."""

_SMALLEST_VARIANCE = 1e-5
"""Share of the mean square below which a variance is rounding (a corner is always black)."""


def view_dim(dim: int) -> int:
    """How many leading features of `dim` the test looks at: every task keeps d² numbers for it."""
    return min(dim, _SMALL_VIEW_DIM if dim <= _SMALL_DIM else _VIEW_DIM)


def view(features: NDArray[_Float]) -> NDArray[_Float]:
    """The features [n, d] that the novelty test looks at, of all [n, D]."""
    return features[:, : view_dim(features.shape[1])]


@dataclass(frozen=True, eq=False)
class ClassCloud:
    """One task's classes as equal ellipsoids, in coordinates where they are unit spheres."""

    whitener: NDArray[np.float32]
    """[d, d] maps viewed features to those coordinates."""

    means: NDArray[np.float32]
    """[C, d] class means in those coordinates."""

    leverage: float = 0.0
    """What one example of unit squared distance adds to the covariance (see `left_out`)."""

    def distances(self, viewed: NDArray[np.float32]) -> NDArray[np.float32]:
        """Distance [n] to the nearest class mean; 1 is what an average example has."""
        nearest = self._squares(viewed).min(axis=1)
        return np.asarray(np.sqrt(nearest / self.means.shape[1]))

    def left_out(
        self, viewed: NDArray[np.float32], y: NDArray[np.int64], counts: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Distance [n] of each learned example had the cloud been built without it.

        Closed form (Sherman–Morrison): without it its class mean lies n/(n-1) times as far,
        and the covariance lacks its own contribution. A class of one example has no mean
        left: the nearest other class must do.
        """
        squares = self._squares(viewed).astype(np.float64)
        rows = np.arange(len(y))
        n = counts[y].astype(np.float64)
        stretch = n / np.maximum(n - 1.0, 1.0)
        own = squares[rows, y]
        remaining = np.maximum(1.0 - self.leverage * stretch * own, 1e-3)
        squares[rows, y] = np.where(n > 1, stretch**2 * own / remaining, np.inf)
        return np.asarray(np.sqrt(squares.min(axis=1) / self.means.shape[1]))

    def _squares(self, viewed: NDArray[np.float32]) -> NDArray[np.float32]:
        white = viewed @ self.whitener
        lengths = (white**2).sum(axis=1)[:, None] + (self.means**2).sum(axis=1)
        return np.asarray(np.maximum(lengths - 2.0 * white @ self.means.T, 0.0))


def class_cloud(
    counts: NDArray[np.int64], sums: NDArray[np.float64], gram: NDArray[np.floating]
) -> ClassCloud:
    """Build a task's cloud from its sums: counts [C], sums [C, D], gram [D, D]."""
    means = view(sums) / counts[:, None]
    total = view(gram)[: means.shape[1]].astype(np.float64)
    within = total - (means * counts[:, None]).T @ means
    examples, dim = int(counts.sum()), means.shape[1]
    centre = counts @ means / examples
    spread = total.diagonal() / examples - centre**2
    freedom = max(examples - len(counts), 0)
    own = np.maximum(within.diagonal(), 0.0)
    # One pseudo-example with the task's total spread: one-example classes have none of their own.
    typical = (own.mean() + max(spread.mean(), 0.0)) / (freedom + 1)
    variance = (own + _PSEUDO_EXAMPLES * typical) / (freedom + _PSEUDO_EXAMPLES)
    shrink = dim / (dim + freedom)
    leverage = (1.0 - shrink) / max(freedom, 1)
    along, axes = np.linalg.eigh(leverage * within + np.diag(shrink * variance))
    smallest = max(_SMALLEST_VARIANCE * total.diagonal().mean() / examples, 1e-12)
    whitener = axes / np.sqrt(np.maximum(along, smallest))
    return ClassCloud(
        whitener=whitener.astype(np.float32),
        means=(means @ whitener).astype(np.float32),
        leverage=leverage,
    )


def histogram(distances: NDArray[np.float64]) -> NDArray[np.int64]:
    """Counts [N_BINS] of distances on a logarithmic scale (1 % a bin)."""
    octave = np.log2(np.maximum(distances, 2.0**_LOWEST_OCTAVE))
    index = np.minimum((octave - _LOWEST_OCTAVE) * _BINS_PER_OCTAVE, N_BINS - 1).astype(np.int64)
    return np.bincount(index, minlength=N_BINS)


def limit_from(histogram: NDArray[np.int64]) -> float:
    """The distance within which ACCEPTED_SHARE of the recorded ones lie, widened if few.

    Below some 200 examples the share asked for lies beyond the farthest of them.
    """
    n = int(histogram.sum())
    if n == 0:
        return UNCALIBRATED_LIMIT
    index = int(np.searchsorted(np.cumsum(histogram), ACCEPTED_SHARE * n))
    edge = 2.0 ** (_LOWEST_OCTAVE + (index + 1) / _BINS_PER_OCTAVE)
    return float(edge * (1.0 + 2.0 / np.sqrt(n) + 5.0 / n))
