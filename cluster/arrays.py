"""Arrays of numbers, as users hand them over, checked and brought to the dtype of their kind."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pathways import DataError, Inputs
from pathways.data.sequences import as_tokens


def sounds(array: NDArray[np.generic]) -> Inputs:
    """float32 [n, samples] of floats; raises DataError."""
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.floating) or not array.size:
        raise DataError(
            f"sounds must be a float array [n, samples], got {array.dtype} {list(array.shape)}"
        )
    if not np.isfinite(array).all():
        raise DataError("the sounds hold NaN or infinite values; remove or repair them")
    return array.astype(np.float32)


def images(array: NDArray[np.generic]) -> Inputs:
    """uint8 [n, H, W, C] of integers in 0..255 or floats in 0..1; raises DataError."""
    if array.ndim not in (3, 4) or not array.size:
        raise DataError(
            f"images must be an array [n, height, width] or [n, height, width, channels], got "
            f"{list(array.shape)}; for sounds give rate_hz, for a table or text give kind"
        )
    if array.dtype.kind not in "buif":
        raise DataError(f"images must be arrays of numbers, got {array.dtype} {list(array.shape)}")
    with_channels = array if array.ndim == 4 else array[..., None]
    if array.dtype == np.uint8:
        return with_channels.astype(np.uint8, copy=False)
    return _from_unit_range(with_channels)


def _from_unit_range(array: NDArray[np.generic]) -> Inputs:
    if not np.isfinite(array).all():
        raise DataError("the images hold NaN or infinite values; remove or repair them")
    low, high = float(array.min()), float(array.max())
    if np.issubdtype(array.dtype, np.integer) and low >= 0 and high <= 255:
        return array.astype(np.uint8)
    if low < 0 or high > 1:
        raise DataError(
            f"images must be integers in 0..255 or floats in 0..1, got {array.dtype} values in "
            f"{low:g}..{high:g}"
        )
    return np.rint(array.astype(np.float64) * 255).astype(np.uint8)


def table(array: NDArray[np.generic]) -> Inputs:
    """float32 [n, columns] of numbers; raises DataError."""
    if array.ndim != 2 or array.dtype.kind not in "buif" or not array.size:
        raise DataError(
            f"a table must be an array of numbers [n, columns], got {array.dtype} "
            f"{list(array.shape)}"
        )
    with np.errstate(over="ignore"):  # told of as infinite
        rows = array.astype(np.float32)
    if not np.isfinite(rows).all():
        row, column = (int(found[0]) for found in np.nonzero(~np.isfinite(rows)))
        raise DataError(
            f"row {row} of the table holds {array[row, column]} in column {column}; every value "
            "must be a finite float32: fill or remove it"
        )
    return rows


def text(array: NDArray[np.generic]) -> Inputs:
    """int32 [n, tokens] of ids; raises DataError."""
    return as_tokens(array, "the text")
