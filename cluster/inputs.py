"""Inputs as a user gives them, and how they become the typed arrays a pathway reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pathways import DataError, Inputs, Signature
from pathways.data.audio import decode_audio, fit_audio
from pathways.data.images import decode_image, fit_image

_SOUND_SUFFIXES = (".wav", ".flac")
_SOUND_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"fLaC")


@dataclass(frozen=True, kw_only=True, eq=False)
class Input:
    """One image or sound, decoded but not yet converted to any task's signature."""

    array: Inputs
    """Image uint8 [H, W, C], or sound float32 [samples]."""
    rate_hz: int = 0
    """Of a sound; 0 for an image."""

    @property
    def observed(self) -> Signature:
        """The signature the input has as it is; raises SignatureError."""
        modality = "audio" if self.rate_hz else "image"
        return Signature(modality=modality, shape=self.array.shape, rate_hz=self.rate_hz)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Inputs of one shape, as one array."""

    array: Inputs
    """Images uint8 [n, H, W, C], or sounds float32 [n, samples]."""
    rate_hz: int = 0
    """Of sounds; 0 for images."""

    def __len__(self) -> int:
        return len(self.array)

    @property
    def observed(self) -> Signature:
        """The signature its inputs have as they are; raises SignatureError."""
        return self.row(0).observed

    def row(self, number: int) -> Input:
        """One input."""
        return Input(array=self.array[number], rate_hz=self.rate_hz)

    def rows(self) -> list[Input]:
        """The inputs one by one."""
        return [self.row(number) for number in range(len(self))]


def decode(body: bytes, name: str = "input", max_values: int | None = None) -> Input:
    """An encoded image or WAV/FLAC file, of at most so many pixels or samples.

    Raises CorruptFileError, TooLargeError or DataError.
    """
    is_sound = body[:4] in _SOUND_MAGIC and body[8:12] != b"WEBP"
    if is_sound or name.lower().endswith(_SOUND_SUFFIXES):
        wave, rate_hz = decode_audio(body, name=name, max_samples=max_values)
        return Input(array=wave, rate_hz=rate_hz)
    limit = {} if max_values is None else {"max_pixels": max_values}
    return Input(array=decode_image(body, name=name, **limit))


def read_input(path: str | Path) -> Input:
    """An image or sound file; raises DataError if it cannot be read."""
    try:
        body = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    return decode(body, str(path))


def batch_from_array(array: NDArray[np.generic], rate_hz: int = 0) -> Batch:
    """A batch as an array: images uint8 [n, H, W(, C)], or sounds float [n, samples].

    Float images must lie in 0..1. A single input needs its leading axis of 1. Raises DataError.
    """
    return Batch(array=_sounds(array) if rate_hz else _images(array), rate_hz=rate_hz)


def inputs_from_array(array: NDArray[np.generic], rate_hz: int = 0) -> list[Input]:
    """The same, one by one."""
    return batch_from_array(array, rate_hz).rows()


def _sounds(array: NDArray[np.generic]) -> Inputs:
    if array.ndim != 2 or not np.issubdtype(array.dtype, np.floating) or not array.size:
        raise DataError(
            f"sounds must be a float array [n, samples], got {array.dtype} {list(array.shape)}"
        )
    if not np.isfinite(array).all():
        raise DataError("the sounds hold NaN or infinite values; remove or repair them")
    return array.astype(np.float32)


def _images(array: NDArray[np.generic]) -> Inputs:
    if array.ndim not in (3, 4) or not array.size:
        raise DataError(
            f"images must be an array [n, height, width] or [n, height, width, channels], got "
            f"{list(array.shape)}; for sounds give rate_hz"
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


def fit(given: Input, signature: Signature) -> tuple[Inputs, tuple[str, ...]]:
    """The array a task of `signature` reads, and notes on what was converted.

    Raises SignatureError where no conversion is obvious.
    """
    if given.rate_hz:
        return fit_audio(given.array, given.rate_hz, signature)  # type: ignore[arg-type]
    return fit_image(given.array, signature)  # type: ignore[arg-type]
