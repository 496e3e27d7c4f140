"""What scores are worth: the exponent that makes a router's scores into probabilities.

How far a right task's scores stand out depends on how many tasks there are and how alike, so no
constant will do for thousands. There are no examples to measure it on; but what the router keeps
tells how examples lie about their class means, so some are drawn from that, and scored as if the
router had not learned them.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from dispatcher.regression import Regression, covariance_root
from dispatcher.snapshot import Snapshot

_DRAWN = 1_024
_FREEDOM = 3
"""Degrees of freedom of Student's t, that drawn examples follow. Real classes have outliers and
differ in spread: with a normal distribution every exponent comes out too high."""

_BOUNDS = (3.0, 30.0)  # with a handful of examples a class, leverage is near 1 and says too little

_AT_ONCE = 4_096  # classes; bounds memory
_MOST_LEVERAGE = 0.999
_ROUNDING = 1e-6  # of the mean variance: what sums of float32 features are exact to


def fit_exponent(
    snapshot: Snapshot,
    regression: Regression,
    gram: NDArray[np.float64],
    counts: NDArray[np.int64],
    sums: NDArray[np.float32],
    scales: NDArray[np.float32],
) -> float:
    """The exponent under which the right tasks of drawn examples are most probable.

    snapshot: of one part; its exponent stays where no drawn example's task comes into question.
    gram [D, D]: over all tasks, each weighing 1; counts [K] and sums [K, D]: by class; scales [T]:
    what the class scores of each task were multiplied by.

    The score of an example by a regression that has not learned it follows from the one that has,
    and from the example's leverage h, its weight in the regression's own answer: (s - h) / (1 - h)
    for its own class and s / (1 - h) for others (leave-one-out residuals; Hastie, Tibshirani and
    Friedman, *The Elements of Statistical Learning*, 7.10). The likelihood is concave in the
    exponent, as that is the parameter of an exponential family.
    """
    part = snapshot.parts[0]
    totals = np.bincount(part.class_task, counts)[part.class_task]
    drawn = np.random.default_rng(0).choice(
        len(counts), _DRAWN, p=counts / totals / len(part.tasks)
    )
    x = _examples(drawn, _within(gram, counts / totals, counts, sums), counts, sums)
    leverage = np.minimum(regression.leverage(x) / totals[drawn], _MOST_LEVERAGE)
    leverage = leverage.astype(np.float32)
    own = leverage * scales[part.class_task[drawn]]
    evidence, right = _left_out(snapshot, x.astype(np.float32), drawn, leverage, own)
    found = right.any(axis=1)
    if not found.any():
        return snapshot.exponent
    logs = np.log(evidence[found].astype(np.float64))
    logs -= logs[right[found]][:, None]
    best = minimize_scalar(
        lambda exponent: np.logaddexp.reduce(exponent * logs, axis=1).mean(),
        bounds=_BOUNDS,
        method="bounded",
    )
    return float(best.x)


def _within(
    gram: NDArray[np.float64],
    shares: NDArray[np.float64],
    counts: NDArray[np.int64],
    sums: NDArray[np.float32],
) -> NDArray[np.float64]:
    """[D, D] covariance of examples about their class means, each task weighing the same."""
    within = gram.copy()
    for start in range(0, len(counts), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        means = sums[some] / counts[some, None].astype(np.float64)
        within -= (means * shares[some, None]).T @ means
    examples = int(counts.sum())
    return np.asarray(within / shares.sum() * (examples / max(examples - len(counts), 1)))


def _examples(
    classes: NDArray[np.int64],
    within: NDArray[np.float64],
    counts: NDArray[np.int64],
    sums: NDArray[np.float32],
) -> NDArray[np.float64]:
    """[n, D] an example of each of these classes, as near to its mean as one the mean is of."""
    rng, n, dim = np.random.default_rng(1), len(classes), len(within)
    own = counts[classes, None].astype(np.float64)
    spread = np.sqrt((1.0 - 1.0 / own) * (_FREEDOM - 2) / rng.chisquare(_FREEDOM, (n, 1)))
    noise = rng.standard_normal((n, dim)) @ covariance_root(within, _ROUNDING).T
    return np.asarray(sums[classes] / own + spread * noise)


def _left_out(
    snapshot: Snapshot,
    x: NDArray[np.float32],
    classes: NDArray[np.int64],
    leverage: NDArray[np.float32],
    own: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Evidence [n, M] of the tasks that come into question for examples of these classes, and which
    of them is the right one; all of an example's evidence is multiplied by 1 - leverage.

    own [n]: what an example adds to the score of its own class.
    """
    part, given = snapshot.parts[0], torch.from_numpy(x)
    tasks = snapshot.candidates(given)
    right = tasks == part.class_task[classes][:, None]
    rows = np.repeat(np.arange(len(x)), tasks.shape[1])
    evidence = part.evidence(given, rows, tasks.ravel(), 0.0).reshape(tasks.shape)
    scores = np.einsum("nd,nd->n", x, part.weights[classes]) + part.bias[classes]
    learned = np.maximum(scores, 0.0) - np.maximum(scores - own, 0.0)
    evidence -= right * learned[:, None]
    floors = snapshot.floor * (1.0 - leverage)[:, None] * part.sizes[tasks]
    return np.maximum(evidence, 0.0) + floors, right
