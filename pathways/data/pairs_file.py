"""An .npz of pairs: `x_image` and `x_sound` row by row, `rate_hz`, and `y` with gaps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathways.data.classes import Classes
from pathways.data.examples import MAX_TASK_BYTES
from pathways.data.load import load_inputs
from pathways.data.npz import as_images, as_sounds, classes, read_arrays
from pathways.data.paired import PairedData
from pathways.data.tables import Answers
from pathways.data.task import TaskData
from pathways.errors import DataError

_WANTED = ("x_image", "x_sound", "rate_hz", "y")


@dataclass(frozen=True, kw_only=True)
class LoadedPairs:
    """Pairs and what was done to them on the way."""

    data: PairedData
    notes: tuple[str, ...]


def load_pairs(path: str | Path, *, max_bytes: int = MAX_TASK_BYTES) -> LoadedPairs:
    """The pairs in an .npz file; both tasks have the same labels.

    A row whose `y` is -1, or an empty string, has no label. Raises DataError naming the array.
    """
    path = Path(path)
    arrays = read_arrays(path, (*_WANTED, "labels"), max_bytes)
    if missing := [name for name in _WANTED if name not in arrays]:
        raise DataError(
            f"{path} has no array {' and no array '.join(missing)}; save pairs with "
            "numpy.savez(path, x_image=..., x_sound=..., rate_hz=8000, y=...)"
        )
    rows, (y, labels) = _labelled(arrays, path)
    n = len(arrays["y"])
    nobody = Answers(y=np.zeros(n, np.int64), labels=labels)
    with _naming("x_image", arrays["x_image"], n, path):
        images = as_images(arrays["x_image"], nobody, path)
        x_image, seen, image_notes = load_inputs(images, None, path, max_bytes)
    with _naming("x_sound", arrays["x_sound"], n, path):
        sounds = as_sounds(arrays["x_sound"], arrays["rate_hz"], nobody, path)
        x_sound, heard, sound_notes = load_inputs(sounds, None, path, max_bytes)
    with _naming("y", arrays["y"], n, path):
        data = PairedData(
            first=TaskData(x=x_image[rows], y=y, labels=labels, signature=seen),
            second=TaskData(x=x_sound[rows], y=y, labels=labels, signature=heard),
            x_first=x_image,
            x_second=x_sound,
        )
    notes = (*images.notes, *image_notes, *sounds.notes, *sound_notes)
    return LoadedPairs(data=data, notes=(f"{len(rows)} of {n} pairs have labels", *notes))


def _labelled(arrays: dict[str, NDArray[Any]], path: Path) -> tuple[NDArray[np.int64], Classes]:
    """Rows with a label, and their classes."""
    y = arrays["y"]
    if y.ndim != 1:
        raise DataError(f"{path}: y must have one label per pair [n], got {list(y.shape)}")
    rows = np.flatnonzero(y != "" if y.dtype.kind == "U" else y != -1)
    if not len(rows):
        raise DataError(f"{path}: y has no label at all; give a few of every class")
    return rows, classes({**arrays, "y": y[rows]}, path)


@contextmanager
def _naming(name: str, array: NDArray[Any], n: int, path: Path) -> Iterator[None]:
    """Say which array is at fault."""
    if array.ndim == 0 or len(array) != n:
        raise DataError(f"{path}: {name} has the shape {list(array.shape)} but y has {n} labels")
    try:
        yield
    except DataError as error:
        raise type(error)(f"{name}: {error}") from error
