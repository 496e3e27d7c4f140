"""Ridge regression from sums, factored once, and the projection for coarse scores."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cholesky, solve_triangular
from scipy.linalg.lapack import dtrtri

RANK = 256
"""Length of the task vectors that coarse scores are made with, at most."""

_AT_ONCE = 4_096  # classes solved for at a time; bounds memory


class Regression:
    """Regression of one-hot classes on features [D], with an unpenalised intercept."""

    def __init__(
        self,
        gram: NDArray[np.float64],
        feature_sum: NDArray[np.float64],
        total: float,
        ridge: float,
    ) -> None:
        """gram [D, D] and feature_sum [D] over examples that weigh `total` together.

        ridge: what is added to the diagonal, as a share of the mean variance of a feature.
        """
        self._total = total
        self.mean = feature_sum / total
        """[D] of the features."""
        covariance = gram / total - np.outer(self.mean, self.mean)
        self._root, self._added = _root(covariance, ridge)

    @cached_property
    def degrees(self) -> float:
        """Effective degrees of freedom: the leverages of all examples added up, each counted as
        often as it weighs (Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*,
        3.4.1). An average example that weighs w has leverage w * degrees / total."""
        inverse, _ = dtrtri(self._root, lower=1)
        return float(1.0 + len(self._root) - self._added * np.square(np.tril(inverse)).sum())

    def weights(
        self, counts: NDArray[np.floating], sums: NDArray[np.floating]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weights [K, D] and bias [K] of classes: what their examples weigh, counts [K], and the
        sums [K, D] of their features."""
        weights = np.empty(sums.shape, dtype=np.float32)
        bias = np.empty(len(sums), dtype=np.float32)
        for start in range(0, len(sums), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            target = (sums[some] - np.outer(counts[some], self.mean)) / self._total
            solved = self._solve(target.T).T
            weights[some] = solved
            bias[some] = counts[some] / self._total - solved @ self.mean
        return weights, bias

    def axes(self, vectors: NDArray[np.float32], rank: int) -> tuple[NDArray[np.float32], ...]:
        """The projection [D, r] of features about their mean, and the one [D, r] of weight vectors
        [n, D], that keep the products of both best.

        The features' directions are weighed by how much they vary (they are whitened), so these are
        the directions that tell tasks apart: linear discriminants.
        """
        rank = min(rank, *vectors.shape)
        whitened = torch.from_numpy(vectors @ self._root.astype(np.float32))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            kept = torch.svd_lowrank(whitened, q=rank, niter=2)[2].numpy()
        of_features = solve_triangular(self._root, kept, lower=True, trans="T")
        return of_features.astype(np.float32), (self._root @ kept).astype(np.float32)

    def leverage(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """[n] what an example that weighs 1 in the sums, of features [n, D], adds to the answer of
        its own class to itself (the diagonal of the hat matrix)."""
        half = solve_triangular(self._root, (x - self.mean).T, lower=True, check_finite=False)
        return np.asarray((1.0 + (half**2).sum(axis=0)) / self._total)

    def _solve(self, target: NDArray[np.floating]) -> NDArray[np.float64]:
        half = solve_triangular(self._root, target, lower=True, check_finite=False)
        whole = solve_triangular(self._root, half, lower=True, trans="T", check_finite=False)
        return np.asarray(whole, dtype=np.float64)


def covariance_root(covariance: NDArray[np.float64], ridge: float) -> NDArray[np.float64]:
    """The lower Cholesky factor of a covariance with a share `ridge` of the mean variance added to
    its diagonal, or more."""
    return _root(covariance, ridge)[0]


def _root(covariance: NDArray[np.float64], ridge: float) -> tuple[NDArray[np.float64], float]:
    """The same, and what was added.

    Sums of float32 features are exact to some 10⁻⁷ of the largest squares in them. Where features
    hardly vary about a large mean (a table's columns), that can be more than what is added, and
    the matrix has no factor; then ten times as much is added.
    """
    diagonal = np.diag_indices(len(covariance))
    added = ridge * max(np.trace(covariance) / len(covariance), np.finfo(np.float64).tiny)
    while True:
        raised = covariance.copy()
        raised[diagonal] += added
        try:
            root = cholesky(raised, lower=True, overwrite_a=True, check_finite=False)
            return np.asarray(root), float(added)
        except LinAlgError:
            added *= 10
