"""One array in NumPy's .npy format, read in place: its head is believed only as far as it goes."""

from __future__ import annotations

import io
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from pathways.errors import CorruptFileError, DataError

_LONGEST_HEAD = 16_384  # bytes; NumPy refuses to read one of more than 10,000

_Head = tuple[tuple[int, ...], bool, np.dtype[Any], int]
"""Shape, whether in Fortran order, dtype, where the numbers start."""

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


def _head(body: bytes, name: str) -> _Head:
    try:
        return _parsed(body[: _head_length(body)])
    except Exception as error:  # NumPy's reader raises nearly any type on damaged bytes
        raise CorruptFileError(
            f"{name} is no .npy array ({type(error).__name__}: {str(error)[:200]}); save it again "
            "with numpy.save"
        ) from error


def _head_length(body: bytes) -> int:
    """How many bytes the magic string, the length of the rest, and the rest have."""
    start, width = npy.MAGIC_LEN, 2 if body[6:7] == b"\x01" else 4
    return min(start + width + int.from_bytes(body[start : start + width], "little"), _LONGEST_HEAD)


@lru_cache(256)
def _parsed(head: bytes) -> _Head:
    """Kept, since arrays of one shape have one head and NumPy takes longer to read it than a small
    model takes to run."""
    file = io.BytesIO(head)
    version = npy.read_magic(file)
    shape, fortran, dtype = _HEADERS[version](file)
    return shape, fortran, dtype, file.tell()
