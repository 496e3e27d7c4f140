"""A support vector machine (Cortes and Vapnik 1995): fitted by scikit-learn, computed by torch.

One machine with a radial kernel a class, each against the rest. What they say becomes
probabilities by multinomial logistic regression on decisions about examples that a machine has
not seen (Platt 1999).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pathways.families.fitted import Fit, FittedBody, Step, array, filled
from pathways.families.options import fitted_size
from pathways.sampling import sample
from pathways.signature import Signature

_FOLDS = 3
_CACHE_MB = 200
_TOLERANCE = 1e-5  # of the solver; its default leaves the third decimal of decisions open
_MOST_ITERATIONS = 100_000  # of the solver, for data that nothing separates

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class SvmOptions:
    examples: int = 5_000
    """Examples that are fitted to at most, every class in proportion: time and memory grow with
    their square."""
    c: float = 10.0
    """Weight of examples on the wrong side of the margin."""
    gamma: float = 1.0
    """Width of the kernel, in units of 1 / (features × their variance)."""
    classes: int = fitted_size()
    features: int = fitted_size()
    vectors: int = fitted_size()
    """Support vectors of all machines together."""


@dataclass(frozen=True)
class Machines:
    """One machine a class over the same examples; of two classes only the second's."""

    weight: Values
    """Of every example in every decision [examples, machines]; 0 for most."""
    bias: Values
    """[machines]"""


class SvmBody(FittedBody):
    """Numbers → decision value of every class's machine.

    Values are shifted and scaled first: pixels and pictures of sounds not at all, the columns of
    anything else to mean 0 and deviation 1.
    """

    Options = SvmOptions
    unit = "machine"

    def __init__(self, signature: Signature, options: SvmOptions) -> None:
        super().__init__(signature, options)
        self.shift = array(options.features)
        self.scale = array(options.features)
        self.vector = array(options.vectors, options.features)
        self.weight = array(options.vectors, options.classes)
        self.bias = array(options.classes)
        self.kernel_width = array(1)

    def forward(self, prepared: Tensor) -> Tensor:
        scaled = (prepared - self.shift) * self.scale
        norms = scaled.square().sum(1, keepdim=True) + self.vector.square().sum(1)
        square = norms - 2 * scaled @ self.vector.T  # of distances [n, vectors]
        return torch.exp(-self.kernel_width * square) @ self.weight + self.bias

    def fit(self, x: Tensor, y: NDArray[np.int64], classes: int, seed: int, step: Step) -> Fit:
        rows = sample(y, self.options.examples, seed)
        values, y = self.prepare(x[torch.from_numpy(rows)]).numpy(), y[rows]
        shift, scale = _standard(values, self.signature)
        values = (values - shift) * scale
        width = self.options.gamma / (values.shape[1] * max(float(values.var()), 1e-12))
        fitting = _Fitting(_kernel(values, width), y, classes, self.options.c, step)
        whole = fitting.machines(np.arange(len(y)))
        used = np.flatnonzero(np.abs(whole.weight).max(axis=1) > 0)
        sizes = {"classes": classes, "features": values.shape[1], "vectors": len(used)}
        body = filled(
            SvmBody(self.signature, replace(self.options, **sizes)),
            shift=shift,
            scale=scale,
            vector=values[used],
            weight=_of_both(whole.weight[used], classes),
            bias=_of_both(whole.bias[None], classes)[0],
            kernel_width=np.array([width]),
        )
        weight, bias = fitting.calibrated(seed)
        return Fit(body, torch.from_numpy(weight).float(), torch.from_numpy(bias).float())


class _Fitting:
    """Machines over one kernel matrix [examples, examples]."""

    def __init__(
        self, kernel: Values, y: NDArray[np.int64], classes: int, c: float, step: Step
    ) -> None:
        self._kernel, self._y, self._classes, self._c = kernel, y, classes, c
        self._folds = min(_FOLDS, int(np.bincount(y).min()))
        if self._folds < 2:
            self._folds = 0
        self._asked = [1] if classes == 2 else list(range(classes))
        self._step, self._done = step, 0

    def machines(self, rows: NDArray[np.int64]) -> Machines:
        """Machines fitted to some examples only."""
        from sklearn.svm import SVC

        kernel, weight = (
            self._kernel[np.ix_(rows, rows)],
            np.zeros((len(self._y), len(self._asked))),
        )
        bias = np.zeros(len(self._asked))
        for place, one in enumerate(self._asked):
            machine = SVC(
                C=self._c,
                kernel="precomputed",
                cache_size=_CACHE_MB,
                tol=_TOLERANCE,
                max_iter=_MOST_ITERATIONS,
            ).fit(kernel, self._y[rows] == one)
            weight[rows[machine.support_], place] = machine.dual_coef_[0]
            bias[place] = machine.intercept_[0]
            self._done += 1
            self._step(self._done, len(self._asked) * (self._folds + 1))
        return Machines(weight, bias)

    def calibrated(self, seed: int) -> tuple[Values, Values]:
        """Head [classes, classes] and [classes] that makes decisions probable answers.

        Of a class with a single example nothing can be held back: its decisions stand as they are.
        """
        if not self._folds:
            return np.eye(self._classes), np.zeros(self._classes)
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import StratifiedKFold

        decisions = np.zeros((len(self._y), self._classes))
        parts = StratifiedKFold(self._folds, shuffle=True, random_state=seed)
        for seen, unseen in parts.split(decisions, self._y):
            there = self.machines(seen)
            told = self._kernel[unseen] @ there.weight + there.bias
            decisions[unseen] = _of_both(told, self._classes)
        head = LogisticRegression(max_iter=1_000).fit(decisions, self._y)
        if self._classes > 2:
            return head.coef_, head.intercept_
        return np.vstack([0 * head.coef_, head.coef_]), np.append(0, head.intercept_)


def _of_both(decisions: Values, classes: int) -> Values:
    """[n, machines] → [n, classes]: what speaks for one of two classes speaks against the other."""
    return np.hstack([-decisions, decisions]) if classes == 2 else decisions


def _kernel(values: NDArray[np.float32], width: float) -> Values:
    from sklearn.metrics.pairwise import rbf_kernel

    return np.asarray(rbf_kernel(values.astype(np.float64), gamma=width))


def _standard(
    values: NDArray[np.float32], signature: Signature
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(shift, scale) [features] of the columns."""
    if signature.modality in ("image", "audio"):
        return np.zeros(values.shape[1], np.float32), np.ones(values.shape[1], np.float32)
    deviation = values.std(axis=0)
    deviation[deviation == 0] = 1  # of a column that says nothing
    return values.mean(axis=0), 1 / deviation
