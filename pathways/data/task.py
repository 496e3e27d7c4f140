"""The data of one task, checked where it is made."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pathways.errors import DataError
from pathways.signature import Signature


@dataclass(frozen=True, kw_only=True)
class TaskData:
    """Labelled examples of one task. Raises DataError if they cannot be learned from."""

    x: NDArray[np.uint8] | NDArray[np.float32]
    """Inputs [n, *signature.shape]: uint8 for images, float32 for audio."""

    y: NDArray[np.int64]
    """Class of each input [n], an index into `labels`."""

    labels: tuple[str, ...]
    """Class names in order; at least two, all different."""

    signature: Signature

    def __post_init__(self) -> None:
        _check_labels(self.labels)
        _check_inputs(self.x, self.signature)
        _check_classes(self.y, self.labels, len(self.x))

    def __len__(self) -> int:
        return len(self.y)

    def counts(self) -> NDArray[np.int64]:
        """Examples of each class [classes]."""
        return np.bincount(self.y, minlength=len(self.labels)).astype(np.int64)

    def take(self, rows: NDArray[np.int64]) -> TaskData:
        """The examples at `rows`, in that order; each class must keep at least one."""
        return replace(self, x=self.x[rows], y=self.y[rows])

    def shots(self, n: int, rng: np.random.Generator) -> TaskData:
        """`n` examples of each class (fewer where a class has fewer), drawn by `rng`."""
        if n < 1:
            raise DataError(f"n-shot learning needs at least one example a class, got {n}")
        rows = [rng.permutation(np.flatnonzero(self.y == c))[:n] for c in range(len(self.labels))]
        return self.take(np.concatenate(rows))

    def split(self, share: float, rng: np.random.Generator) -> tuple[TaskData, TaskData | None]:
        """Set `share` of every class aside: (kept, held out).

        Held out is None when some class is too small to give an example and keep one.
        """
        held = []
        for c in range(len(self.labels)):
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


def _check_inputs(x: NDArray[np.uint8] | NDArray[np.float32], signature: Signature) -> None:
    if x.dtype != signature.dtype or x.shape[1:] != signature.shape:
        raise DataError(
            f"inputs of signature {signature.key} are {signature.dtype} arrays "
            f"[n, {', '.join(map(str, signature.shape))}]; got {x.dtype} {list(x.shape)}"
        )
    if x.dtype == np.float32 and not np.isfinite(x).all():
        row = int(np.flatnonzero(~np.isfinite(x).all(axis=1))[0])
        raise DataError(f"example {row} holds NaN or infinite values; remove or repair it")


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
