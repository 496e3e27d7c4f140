"""Labelled examples as a file or folder gives them: not decoded yet, not of one shape yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pathways.data.audio import decode_audio
from pathways.data.images import decode_image
from pathways.errors import DataError
from pathways.signature import Modality

MAX_TASK_BYTES = 4 << 30
"""Inputs of one task in memory; more is refused before memory runs out."""


@dataclass(frozen=True, kw_only=True)
class Examples:
    """What every layout gives. Examples are told apart by their row, 0..n-1."""

    y: NDArray[np.int64]
    """Class of each example [n], an index into `labels`; not checked yet."""

    labels: tuple[str, ...]
    """Class names in order; of numbers, what they are called."""

    name: Callable[[int], str]
    """What to call the example of a row in an error message."""

    notes: tuple[str, ...] = ()

    values: NDArray[np.floating] | None = None
    """The number to predict of each example [n]; None where there are classes. `y` says nothing
    then."""


@dataclass(frozen=True, kw_only=True)
class Images(Examples):
    """Examples that are images."""

    read: Callable[[int], NDArray[np.uint8]]
    """The image of a row, uint8 [height, width, 1 or 3]; may raise DataError."""


@dataclass(frozen=True, kw_only=True)
class Sounds(Examples):
    """Examples that are sounds."""

    read: Callable[[int], tuple[NDArray[np.float32], int]]
    """The sound of a row: float32 [samples] in -1..1, rate in Hz; may raise DataError."""


@dataclass(frozen=True, kw_only=True)
class Rows(Examples):
    """Examples that are rows of a table of numbers."""

    x: NDArray[np.float32]
    """[n, columns]"""


@dataclass(frozen=True, kw_only=True)
class Texts(Examples):
    """Examples that are token sequences."""

    x: NDArray[np.int32]
    """[n, tokens]; 0 is padding."""

    vocabulary: int
    """Token ids there are."""


AnyExamples = Images | Sounds | Rows | Texts


def encoded(
    modality: Modality,
    body: Callable[[int], bytes],
    *,
    y: NDArray[np.int64],
    labels: tuple[str, ...],
    name: Callable[[int], str],
    notes: tuple[str, ...] = (),
    values: NDArray[np.floating] | None = None,
) -> Images | Sounds:
    """Examples whose rows are encoded files, `body(row)`, decoded when they are read."""
    if modality == "image":

        def image(row: int) -> NDArray[np.uint8]:
            return decode_image(body(row), name=name(row))

        return Images(y=y, labels=labels, name=name, notes=notes, values=values, read=image)

    def sound(row: int) -> tuple[NDArray[np.float32], int]:
        return decode_audio(body(row), name=name(row))

    return Sounds(y=y, labels=labels, name=name, notes=notes, values=values, read=sound)


def read_bytes(path: Path) -> bytes:
    """A file's content; raises DataError naming it if the system refuses."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the file") from error
