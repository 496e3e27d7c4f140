"""IDX files, the format of MNIST and its kin: big-endian sizes, then bytes."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pathways.errors import CorruptFileError

_UINT8 = 8


def read_idx(path: Path, *, ndim: int) -> NDArray[np.uint8]:
    """A plain or gzip-compressed (.gz) IDX file of bytes as a read-only array of `ndim` axes.

    A plain file is mapped, not read. Raises CorruptFileError if the file is damaged, cut off
    or of another type.
    """
    content = _unzipped(path) if path.suffix == ".gz" else _mapped(path)
    start = 4 + 4 * ndim
    magic = bytes(content[:4])
    if magic != bytes([0, 0, _UINT8, ndim]) or len(content) < start:
        raise CorruptFileError(
            f"{path} is no IDX file of bytes with {ndim} axes (it starts with {magic.hex()!r}); "
            "download it again"
        )
    shape = tuple(np.frombuffer(bytes(content[4:start]), ">u4").tolist())
    expected = start + int(np.prod(shape, dtype=object))
    if len(content) != expected:
        raise CorruptFileError(
            f"{path} has {len(content)} bytes where its header {list(shape)} needs {expected}; "
            "download it again"
        )
    return content[start:].reshape(shape)


def _unzipped(path: Path) -> NDArray[np.uint8]:
    try:
        with gzip.open(path) as file:
            return np.frombuffer(file.read(), np.uint8)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CorruptFileError(f"{path} cannot be unpacked ({error}); download it again") from error


def _mapped(path: Path) -> NDArray[np.uint8]:
    if path.stat().st_size == 0:  # nothing to map
        return np.zeros(0, np.uint8)
    return np.memmap(path, np.uint8, mode="r")
