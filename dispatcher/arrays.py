"""Packing what the router keeps into plain arrays, for files that others write and read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from dispatcher.errors import RouterError

Arrays = dict[str, NDArray[np.generic]]


def require(arrays: Mapping[str, NDArray[np.generic]], names: Iterable[str], what: str) -> None:
    """Raise RouterError if an array is missing."""
    missing = sorted(set(names) - set(arrays))
    if missing:
        raise RouterError(f"{what} lack {missing}; the file is damaged or of another kind")


def pack_ids(ids: Iterable[str]) -> NDArray[np.uint8]:
    """Ids as the bytes of a JSON list."""
    return np.frombuffer(json.dumps(list(ids)).encode(), dtype=np.uint8).copy()


def unpack_ids(packed: NDArray[np.generic]) -> tuple[str, ...]:
    """Read back what `pack_ids` gave; raises RouterError."""
    try:
        return tuple(map(str, json.loads(packed.tobytes())))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RouterError(f"the task ids cannot be read ({error}); the file is damaged") from error


def pack_symmetric(matrix: NDArray[np.floating]) -> NDArray[np.floating]:
    """The upper triangle [D (D + 1) / 2] of a symmetric matrix [D, D]."""
    return np.asarray(matrix[np.triu_indices(len(matrix))])


def unpack_symmetric(upper: NDArray[np.generic], dim: int) -> NDArray[np.floating]:
    """Read back what `pack_symmetric` gave, of the same dtype; raises RouterError."""
    if upper.shape != (dim * (dim + 1) // 2,) or not np.issubdtype(upper.dtype, np.floating):
        raise RouterError(
            f"a triangle of {upper.dtype} {upper.shape} is not that of a [{dim}, {dim}] matrix"
        )
    matrix = np.zeros((dim, dim), dtype=upper.dtype)
    rows = np.triu_indices(dim)
    matrix[rows] = upper
    matrix.T[rows] = upper
    return matrix
