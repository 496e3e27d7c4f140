"""One array in NumPy's .npy format, read in place: its head is believed only as far as it goes."""

from __future__ import annotations

import io
from math import prod
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from pathways.errors import CorruptFileError, DataError

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_npy(body: bytes, name: str) -> NDArray[Any]:
    """The array of a .npy file, a read-only view of `body`.

    Unlike `numpy.load` it takes no memory for what the head promises and the file does not hold.
    Raises CorruptFileError, or DataError for an array of objects; both name `name`.
    """
    shape, fortran, dtype, start = _head(body, name)
    if dtype.hasobject:
        raise DataError(
            f"{name} is an object array (pickle), which is never loaded; "
            "save plain numbers or strings of one shape"
        )
    wanted, held = prod(shape) * dtype.itemsize, len(body) - start
    if min(shape, default=0) < 0 or wanted != held:
        raise CorruptFileError(
            f"{name} is no complete .npy array: it holds {held} bytes of numbers, its head says "
            f"{dtype} {list(shape)}; save it again with numpy.save"
        )
    try:
        flat = np.frombuffer(body, dtype, offset=start) if wanted else np.empty(0, dtype)
        return flat.reshape(shape, order="F" if fortran else "C")
    except ValueError as error:
        raise CorruptFileError(f"{name} is no .npy array: {error}") from error


def _head(body: bytes, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """(shape, whether in Fortran order, dtype, where the numbers start)."""
    file = io.BytesIO(body)
    try:
        version = npy.read_magic(file)
        shape, fortran, dtype = _HEADERS[version](file)
    except Exception as error:  # NumPy's reader raises nearly any type on damaged bytes
        raise CorruptFileError(
            f"{name} is no .npy array ({type(error).__name__}: {str(error)[:200]}); save it again "
            "with numpy.save"
        ) from error
    return shape, fortran, dtype, file.tell()
