"""Inputs of two modalities that were shown together, of which few have labels (paper §3.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathways.data.task import TaskData
from pathways.errors import DataError
from pathways.signature import Signature

Inputs = NDArray[np.uint8] | NDArray[np.float32] | NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class PairedData:
    """Two tasks' labelled examples, and pairs of inputs that show the same thing, without labels.

    Raises DataError if the pairs do not fit the tasks.
    """

    first: TaskData
    second: TaskData
    x_first: Inputs
    """The first input of each pair [m, *first.signature.shape]."""
    x_second: Inputs
    """The second [m, *second.signature.shape]; row by row they show the same."""

    def __post_init__(self) -> None:
        if self.first.signature.modality == self.second.signature.modality:
            raise DataError(
                f"both tasks of the pair have {self.first.signature.modality} inputs; give two of "
                "different modalities"
            )
        for name, x, task in (
            ("x_first", self.x_first, self.first),
            ("x_second", self.x_second, self.second),
        ):
            _check(name, x, task.signature)
        if len(self.x_first) != len(self.x_second) or len(self.x_first) < 2:
            raise DataError(
                f"pairs need as many first as second inputs, and two at least; got "
                f"{len(self.x_first)} and {len(self.x_second)}"
            )

    def __len__(self) -> int:
        return len(self.x_first)


def _check(name: str, x: NDArray[Any], signature: Signature) -> None:
    if x.dtype != signature.dtype or x.shape[1:] != signature.shape:
        raise DataError(
            f"{name}: inputs of signature {signature.key} are {signature.dtype} arrays "
            f"[m, {', '.join(map(str, signature.shape))}]; got {x.dtype} {list(x.shape)}"
        )
    if x.dtype == np.float32 and not np.isfinite(x).all():
        raise DataError(f"{name} holds NaN or infinite values; remove or repair them")
