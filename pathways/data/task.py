"""The data of one task, checked where it is made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathways.data.numbers import check_numbers, tenths
from pathways.errors import DataError
from pathways.outputs import Output
from pathways.signature import Signature


@dataclass(frozen=True, kw_only=True)
class TaskData:
    """Examples of one task, labelled with classes, or with numbers (see `of_numbers`).

    Raises DataError if they cannot be learned from.
    """

    x: NDArray[Any]
    """Inputs [n, *signature.shape] of the signature's dtype."""

    y: NDArray[np.int64]
    """Class of each input [n], an index into `labels`; of numbers the part of their range that
    each lies in (see `tenths`), for what needs groups: the router, and splits."""

    labels: tuple[str, ...]
    """Class names in order, at least two, all different; of numbers, what they are called."""

    signature: Signature

    values: NDArray[np.float32] | None = None
    """The number to predict of each input [n]; None for classes."""

    def __post_init__(self) -> None:
        _check_inputs(self.x, self.signature)
        if self.values is not None:
            check_numbers(self.values, self.y, self.labels, len(self.x))
            return
        _check_labels(self.labels)
        _check_classes(self.y, self.labels, len(self.x))

    @classmethod
    def of_numbers(
        cls, *, x: NDArray[Any], values: NDArray[np.floating], name: str, signature: Signature
    ) -> TaskData:
        """Examples of a regression task, whose target [n] is called `name`."""
        with np.errstate(over="ignore"):  # told of as infinite
            exact = np.asarray(values, np.float32)
        return cls(x=x, y=tenths(exact), labels=(name,), signature=signature, values=exact)

    def __len__(self) -> int:
        return len(self.y)

    @property
    def output(self) -> Output:
        """What is to be predicted."""
        return "classes" if self.values is None else "number"

    @property
    def groups(self) -> int:
        """How many classes, or parts of the range of numbers, `y` tells apart."""
        return len(self.labels) if self.values is None else int(self.y.max()) + 1

    def counts(self) -> NDArray[np.int64]:
        """Examples of each group [groups]."""
        return np.bincount(self.y, minlength=self.groups).astype(np.int64)

    def take(self, rows: NDArray[np.int64]) -> TaskData:
        """The examples at `rows`, in that order; each class must keep at least one."""
        if self.values is None:
            return replace(self, x=self.x[rows], y=self.y[rows])
        values = self.values[rows]
        return replace(self, x=self.x[rows], y=tenths(values), values=values)

    def shots(self, n: int, rng: np.random.Generator) -> TaskData:
        """`n` examples of each group (fewer where one has fewer), drawn by `rng`."""
        if n < 1:
            raise DataError(f"n-shot learning needs at least one example a class, got {n}")
        rows = [rng.permutation(np.flatnonzero(self.y == c))[:n] for c in range(self.groups)]
        return self.take(np.concatenate(rows))

    def split(self, share: float, rng: np.random.Generator) -> tuple[TaskData, TaskData | None]:
        """Set `share` of every group aside: (kept, held out).

        Held out is None when some group is too small to give an example and keep one.
        """
        held = []
        for c in range(self.groups):
            rows = rng.permutation(np.flatnonzero(self.y == c))
            held.append(rows[: int(len(rows) * share)])
        if min(map(len, held)) == 0:
            return self, None
        out = np.sort(np.concatenate(held))
        kept = np.setdiff1d(np.arange(len(self)), out)
        return self.take(kept), self.take(out)


def _check_labels(labels: tuple[str, ...]) -> None:
    if len(labels) < 2:
        raise DataError(
            f"a task needs at least two classes, got {len(labels)} ({', '.join(labels) or 'none'})"
            "; add examples of another class"
        )
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise DataError(f"class names must differ; {', '.join(twice)} occurs more than once")
    if any(not label for label in labels):
        raise DataError("a class name is empty; give every class a name")


def _check_inputs(x: NDArray[Any], signature: Signature) -> None:
    if x.dtype != signature.dtype or x.shape[1:] != signature.shape:
        raise DataError(
            f"inputs of signature {signature.key} are {signature.dtype} arrays "
            f"[n, {', '.join(map(str, signature.shape))}]; got {x.dtype} {list(x.shape)}"
        )
    if x.dtype == np.float32 and not np.isfinite(x).all():
        row = int(np.flatnonzero(~np.isfinite(x).all(axis=1))[0])
        raise DataError(f"example {row} holds NaN or infinite values; remove or repair it")
    if signature.modality == "text" and x.size:
        _check_ids(x, signature.vocabulary)


def _check_ids(x: NDArray[Any], vocabulary: int) -> None:
    outside = (x < 0) | (x >= vocabulary)
    if outside.any():
        row, place = (int(found[0]) for found in np.nonzero(outside))
        raise DataError(
            f"example {row} holds the token id {int(x[row, place])}; ids must lie in "
            f"0..{vocabulary - 1}, 0 being padding"
        )


def _check_classes(y: NDArray[np.int64], labels: tuple[str, ...], n: int) -> None:
    if y.ndim != 1 or len(y) != n:
        raise DataError(f"{n} inputs need {n} labels, got an array of shape {list(y.shape)}")
    if y.dtype != np.int64:
        raise DataError(f"labels must be int64 indices into the class names, got {y.dtype}")
    if len(y) and (y.min() < 0 or y.max() >= len(labels)):
        raise DataError(
            f"labels must lie in 0..{len(labels) - 1}, found {int(y.min())}..{int(y.max())}; "
            "do the labels match the class names?"
        )
    empty = [labels[c] for c in np.flatnonzero(np.bincount(y, minlength=len(labels)) == 0)]
    if empty:
        raise DataError(
            f"class {empty[0]!r} has no examples"
            + (f" (and {len(empty) - 1} more)" if len(empty) > 1 else "")
            + "; add some or leave the class out"
        )
