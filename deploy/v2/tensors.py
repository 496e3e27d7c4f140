"""Tensors of the Open Inference Protocol to arrays and back, as JSON or in binary."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.v2.messages import InferInput
from pathways import DataError

DATATYPES: dict[str, np.dtype[Any] | None] = {
    "BOOL": np.dtype("?"),
    **{f"UINT{8 * size}": np.dtype(f"<u{size}") for size in (1, 2, 4, 8)},
    **{f"INT{8 * size}": np.dtype(f"<i{size}") for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
    "BF16": None,
    "BYTES": None,
}
"""The protocol's datatypes and how their elements lie in binary; None: NumPy has no such type."""


@dataclass(frozen=True)
class Tensor:
    """An output: numbers, or strings of shape [n] or [n, m] in row-major order."""

    datatype: str
    shape: tuple[int, ...]
    data: NDArray[Any] | Sequence[str]

    @classmethod
    def of(cls, datatype: str, array: NDArray[Any]) -> Tensor:
        """A tensor of numbers."""
        return cls(datatype, array.shape, array)

    def flat(self) -> NDArray[Any] | Sequence[str]:
        """The elements as orjson writes them."""
        return self.data.ravel() if isinstance(self.data, np.ndarray) else self.data

    def binary(self) -> bytes:
        """The elements as the binary extension lays them: strings behind their length."""
        if isinstance(self.data, np.ndarray):
            return self.data.tobytes()
        encoded = [text.encode() for text in self.data]
        return b"".join(part for text in encoded for part in (struct.pack("<I", len(text)), text))


def decode(tensor: InferInput, accepted: Sequence[str], binary: memoryview | None) -> NDArray[Any]:
    """The array of an input; a view of `binary` if its elements came so. Raises DataError."""
    dtype = _dtype(tensor, accepted)
    if min(tensor.shape) < 1:
        raise DataError(f"{_named(tensor)} holds nothing; every length must be at least 1")
    if binary is None:
        return _from_list(tensor, dtype)
    if tensor.data is not None:
        raise DataError(f"{_named(tensor)} has both data and binary_data_size; give one of them")
    if len(binary) != prod(tensor.shape) * dtype.itemsize:
        raise DataError(
            f"{_named(tensor)} takes {prod(tensor.shape) * dtype.itemsize} bytes, got {len(binary)}"
        )
    return np.frombuffer(binary, dtype).reshape(tensor.shape)


def _named(tensor: InferInput) -> str:
    return f"input {tensor.name!r} of {tensor.datatype} {tensor.shape}"


def _dtype(tensor: InferInput, accepted: Sequence[str]) -> np.dtype[Any]:
    if tensor.datatype not in DATATYPES:
        raise DataError(
            f"{tensor.datatype!r} is no datatype of the protocol; known are {', '.join(DATATYPES)}"
        )
    dtype = DATATYPES[tensor.datatype]
    if dtype is None or tensor.datatype not in accepted:
        raise DataError(f"{_named(tensor)} cannot be read; send {' or '.join(accepted)}")
    return dtype


def _from_list(tensor: InferInput, dtype: np.dtype[Any]) -> NDArray[Any]:
    if not isinstance(tensor.data, list):
        raise DataError(f"{_named(tensor)} has no data; give a list, or binary_data_size")
    try:
        given = np.asarray(tensor.data)
    except ValueError as error:
        raise DataError(f"the data of {_named(tensor)} are nested unevenly") from error
    if given.dtype.kind not in ("iuf" if dtype.kind == "f" else "iu"):
        raise DataError(f"the data of {_named(tensor)} must be numbers of that type")
    if given.size != prod(tensor.shape) or (given.ndim > 1 and given.shape != tuple(tensor.shape)):
        raise DataError(f"the data of {_named(tensor)} have the shape {list(given.shape)}")
    return _converted(given, dtype, tensor).reshape(tensor.shape)


def _converted(given: NDArray[Any], dtype: np.dtype[Any], tensor: InferInput) -> NDArray[Any]:
    least, most = _range(dtype)
    if given.min() < least or given.max() > most:
        raise DataError(
            f"the data of {_named(tensor)} run from {given.min()} to {given.max()}, the type "
            f"holds {least}..{most}"
        )
    return given.astype(dtype)


def _range(dtype: np.dtype[Any]) -> tuple[float, float]:
    info = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    return info.min, info.max
