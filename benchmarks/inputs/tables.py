"""Real tables that come with scikit-learn, and made ones, as tasks: many of one width."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets

from benchmarks.inputs.splits import Split, parted
from pathways import TaskData, table_signature

WIDTH = 10
"""Columns of the tasks that the type of an input does not tell apart."""

_FRIEDMAN_ROWS = 2_000


def tables(seed: int) -> dict[str, Split]:
    """Task → (train, test): whole tables, and seven of ten columns, of which cancer-mean and
    cancer-worst measure the same things of the same tumours."""
    wine, cancer = datasets.load_wine(), datasets.load_breast_cancer()
    digits, iris = datasets.load_digits(), datasets.load_iris()
    diabetes = datasets.load_diabetes(scaled=False)
    made = {
        "iris": _classes(iris),
        "wine": _classes(wine),
        "digits": _classes(digits),
        "cancer": _classes(cancer),
        "wine-10": _classes(wine, slice(0, WIDTH)),
        "digits-10": _classes(digits, slice(20, 20 + WIDTH)),
        "cancer-mean": _classes(cancer, slice(0, WIDTH)),
        "cancer-error": _classes(cancer, slice(WIDTH, 2 * WIDTH)),
        "cancer-worst": _classes(cancer, slice(2 * WIDTH, 3 * WIDTH)),
        "diabetes": _number(diabetes.data, diabetes.target, "progression"),
        "friedman-1": _friedman(datasets.make_friedman1, seed, "yield", n_features=WIDTH),
        "friedman-2": _friedman(datasets.make_friedman2, seed, "impedance"),
    }
    return {name: parted(data, seed) for name, data in made.items()}


def _classes(table: Any, columns: slice = slice(None)) -> TaskData:
    x = table.data[:, columns].astype(np.float32)
    return TaskData(
        x=x,
        y=table.target.astype(np.int64),
        labels=tuple(map(str, table.target_names)),
        signature=table_signature(x.shape[1]),
    )


def _number(x: NDArray[Any], values: NDArray[Any], name: str) -> TaskData:
    rows = x.astype(np.float32)
    signature = table_signature(rows.shape[1])
    return TaskData.of_numbers(x=rows, values=values, name=name, signature=signature)


def _friedman(make: Callable[..., Any], seed: int, name: str, **how: int) -> TaskData:
    """Friedman 1991: a smooth function of some columns; noise of a quarter of its deviation."""
    x, exact = make(_FRIEDMAN_ROWS, noise=0.0, random_state=seed, **how)
    noise = np.random.default_rng(seed).normal(size=len(x)) * exact.std() / 4
    return _number(x, exact + noise, name)
