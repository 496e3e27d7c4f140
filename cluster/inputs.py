"""Inputs as a user gives them, and how they become the typed arrays a pathway reads."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cluster.arrays import images, sounds, table, text
from pathways import DataError, Inputs, Modality, Signature, SignatureError
from pathways.data.audio import decode_audio, fit_audio
from pathways.data.csv import read_rows
from pathways.data.images import decode_image, fit_image
from pathways.data.sequences import fit_text, read_tokens

_SOUND_SUFFIXES = (".wav", ".flac")
_SOUND_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"fLaC")


@dataclass(frozen=True, kw_only=True, eq=False)
class Input:
    """One image, sound, row of a table or text, not yet converted to any task's signature."""

    array: Inputs
    """Image uint8 [H, W, C], sound float32 [samples], row float32 [columns], or token ids int32
    [tokens]."""
    rate_hz: int = 0
    """Of a sound; else 0."""
    kind: Modality | None = None
    """What it is; None for a sound if there is a rate, else an image."""

    @property
    def modality(self) -> Modality:
        """What it is."""
        return self.kind or ("audio" if self.rate_hz else "image")

    @property
    def observed(self) -> Signature:
        """The signature the input has as it is, of text without its padding; raises
        SignatureError."""
        if self.modality == "text":
            tokens, vocabulary = read_tokens(self.array)
            return Signature(modality="text", shape=(tokens,), vocabulary=vocabulary)
        return Signature(modality=self.modality, shape=self.array.shape, rate_hz=self.rate_hz)


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Inputs of one shape, as one array."""

    array: Inputs
    """Images uint8 [n, H, W, C], sounds float32 [n, samples], rows float32 [n, columns] or token
    ids int32 [n, tokens]."""
    rate_hz: int = 0
    """Of sounds; else 0."""
    kind: Modality | None = None
    """As of an Input."""

    def __len__(self) -> int:
        return len(self.array)

    @property
    def observed(self) -> Signature | None:
        """The signature its inputs have as they are, or None where each has its own, as texts do;
        raises SignatureError."""
        return None if self.kind == "text" else self.row(0).observed

    def row(self, number: int) -> Input:
        """One input."""
        return Input(array=self.array[number], rate_hz=self.rate_hz, kind=self.kind)

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


def read_inputs(path: str | Path, without: Collection[str] = ()) -> list[Input]:
    """The inputs of a file: one image or sound, or every row of a CSV file without the columns
    that answer (`label`, `target` and those named). Raises DataError."""
    if Path(path).suffix.lower() != ".csv":
        return [read_input(path)]
    return [Input(array=row, kind="table") for row in read_rows(Path(path), without)]


_READERS: dict[Modality, Callable[[NDArray[np.generic]], Inputs]] = {
    "image": images,
    "audio": sounds,
    "table": table,
    "text": text,
}


def batch_from_array(
    array: NDArray[np.generic], rate_hz: int = 0, kind: Modality | None = None
) -> Batch:
    """A batch as an array: images uint8 [n, H, W(, C)], sounds float [n, samples], a table's rows
    [n, columns], or token ids [n, tokens].

    kind: None for sounds if there is a rate, else images. Float images must lie in 0..1. A single
    input needs its leading axis of 1. Raises DataError.
    """
    kind = kind or ("audio" if rate_hz else "image")
    if kind not in _READERS:
        raise DataError(f"there is no kind of input {kind!r}; there are {', '.join(_READERS)}")
    if (kind == "audio") != (rate_hz > 0):
        raise DataError(
            f"rate_hz is {rate_hz}, but the kind of input is {kind}; sounds alone have one"
        )
    return Batch(array=_READERS[kind](array), rate_hz=rate_hz, kind=kind)


def inputs_from_array(
    array: NDArray[np.generic], rate_hz: int = 0, kind: Modality | None = None
) -> list[Input]:
    """The same, one by one."""
    return batch_from_array(array, rate_hz, kind).rows()


def fit(given: Input, signature: Signature) -> tuple[Inputs, tuple[str, ...]]:
    """The array a task of `signature` reads, and notes on what was converted.

    Raises SignatureError where no conversion is obvious.
    """
    match given.modality:
        case "image":
            return fit_image(given.array, signature)  # type: ignore[arg-type]
        case "audio":
            return fit_audio(given.array, given.rate_hz, signature)  # type: ignore[arg-type]
        case "text":
            return fit_text(given.array, signature)  # type: ignore[arg-type]
        case "table":
            return _fit_row(given.array, signature), ()


def _fit_row(row: Inputs, signature: Signature) -> Inputs:
    if signature.modality != "table":
        raise SignatureError(
            f"a row of a table was given where {signature.key} is expected; send {signature.noun} "
            "instead"
        )
    if row.shape != signature.shape:
        raise SignatureError(
            f"a row of {row.shape[0]} columns was given where {signature.key} is expected; give "
            "the columns that the task was learned from, in their order"
        )
    return row
