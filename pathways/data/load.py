"""Load a task from whatever layout lies at a path."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pathways.data.audio import change_audio
from pathways.data.changes import Change, summarise
from pathways.data.examples import (
    MAX_TASK_BYTES,
    AnyExamples,
    Examples,
    Images,
    Rows,
    Sounds,
    Texts,
)
from pathways.data.images import change_image
from pathways.data.layouts import open_layout
from pathways.data.task import TaskData
from pathways.errors import DataError, SignatureError, TooLargeError
from pathways.signature import (
    Modality,
    Signature,
    audio_signature,
    image_signature,
    table_signature,
    text_signature,
)

Progress = Callable[[int, int], None]
"""Called with (examples done, examples in all) from the caller's own thread."""

_Result = TypeVar("_Result")
_Number = TypeVar("_Number", bound=np.generic)

_KINDS: dict[type[Examples], Modality] = {
    Images: "image",
    Sounds: "audio",
    Rows: "table",
    Texts: "text",
}

_ROWS_AT_ONCE = 32  # one piece of work for a thread: much longer than handing it over takes


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A task and what was done to its inputs on the way."""

    data: TaskData

    notes: tuple[str, ...]
    """For the user, for example `resized 3 of 200 images to 28x28`."""


def load_task(
    path: str | Path,
    *,
    signature: Signature | None = None,
    progress: Progress | None = None,
    max_bytes: int = MAX_TASK_BYTES,
    target: str | None = None,
) -> Loaded:
    """The task at `path`: a folder of class folders, an .npz, a Parquet or a CSV file.

    Without a `signature`, images take the most common size and mode among them, sounds the
    default audio signature. Classes are ordered by name, numbers by value. target: the column of a
    Parquet or CSV file that holds a number to predict, or what to call the numbers in an .npz.
    Decoded and unpacked it may take `max_bytes`. Raises DataError (CorruptFileError for a damaged
    file, TooLargeError) or SignatureError, naming the file or value.
    """
    path = Path(path)
    examples = open_layout(path, max_bytes, target)
    _check(examples, signature, path, max_bytes)
    x: NDArray[Any]
    notes: tuple[str, ...] = ()
    if isinstance(examples, Images | Sounds):
        x, signature, notes = load_inputs(examples, signature, path, max_bytes, progress)
    else:
        x = examples.x
    try:
        data = _task_data(x, examples, signature or _signature_of(examples))
    except (DataError, SignatureError) as error:
        raise type(error)(f"{path}: {error}") from error
    return Loaded(data=data, notes=examples.notes + notes)


def _task_data(x: NDArray[Any], examples: Examples, signature: Signature) -> TaskData:
    if examples.values is None:
        return TaskData(x=x, y=examples.y, labels=examples.labels, signature=signature)
    (name,) = examples.labels
    return TaskData.of_numbers(x=x, values=examples.values, name=name, signature=signature)


def _signature_of(examples: AnyExamples) -> Signature:
    """What rows of a table, or texts, have; raises SignatureError."""
    if isinstance(examples, Texts):
        return text_signature(examples.x.shape[1], examples.vocabulary)
    assert isinstance(examples, Rows), "images and sounds are fitted to a signature when loaded"
    return table_signature(examples.x.shape[1])


def load_inputs(
    examples: Images | Sounds,
    signature: Signature | None,
    path: Path,
    max_bytes: int,
    progress: Progress | None = None,
) -> tuple[NDArray[np.uint8] | NDArray[np.float32], Signature, tuple[str, ...]]:
    """([n, *shape], their signature, notes): all examples as one array; see `load_task`."""
    if isinstance(examples, Images):
        return _load_images(examples, signature, path, max_bytes, progress)
    return _load_sounds(examples, signature, progress)


def _check(examples: AnyExamples, signature: Signature | None, path: Path, max_bytes: int) -> None:
    """What can be told before anything is decoded."""
    if len(examples.labels) == 1 and examples.values is None:
        raise DataError(
            f"{path} has one class only ({examples.labels[0]}); a task needs at least two: "
            "add examples of another class"
        )
    given = _KINDS[type(examples)]
    if signature is not None and signature.modality != given:
        raise SignatureError(
            f"{path} holds {given} data, but the signature is {signature.key}; "
            "give other data or another signature"
        )
    if signature is not None:
        item_bytes = prod(signature.shape) * signature.dtype.itemsize
        _check_bytes(len(examples.y) * item_bytes, path, max_bytes)


def _check_bytes(n_bytes: int, path: Path, max_bytes: int) -> None:
    if n_bytes > max_bytes:
        raise TooLargeError(
            f"{path} takes more than {max_bytes / 2**30:.3g} GiB of memory when decoded; "
            "give a smaller signature (such as image-64x64x3) or fewer examples"
        )


def _load_images(
    images: Images,
    signature: Signature | None,
    path: Path,
    max_bytes: int,
    progress: Progress | None,
) -> tuple[NDArray[np.uint8], Signature, tuple[str, ...]]:
    read = images.read
    if signature is None:
        decoded = _decode_all(images, path, max_bytes, progress)
        (shape, _), *_ = Counter(image.shape for image in decoded).most_common(1)
        signature, read = image_signature(*shape), decoded.__getitem__
        progress = None  # it has been told of every example already
    wanted = signature
    x, notes = _fit_all(images, lambda row: change_image(read(row), wanted), progress, "images")
    return x, wanted, notes


def _load_sounds(
    sounds: Sounds, signature: Signature | None, progress: Progress | None
) -> tuple[NDArray[np.float32], Signature, tuple[str, ...]]:
    wanted = signature or audio_signature()
    x, notes = _fit_all(
        sounds, lambda row: change_audio(*sounds.read(row), wanted), progress, "sounds"
    )
    return x, wanted, notes


def _decode_all(
    images: Images, path: Path, max_bytes: int, progress: Progress | None
) -> list[NDArray[np.uint8]]:
    """All images in their own shapes, as long as they fit into memory."""
    decoded = []
    n_bytes = 0
    # Closed at once when there is too much: the threads would go on filling the memory.
    with closing(_each(images.read, len(images.y), progress)) as each:
        for image in each:
            n_bytes += image.nbytes
            _check_bytes(n_bytes, path, max_bytes)
            decoded.append(image)
    return decoded


def _fit_all(
    examples: Examples,
    fit: Callable[[int], tuple[NDArray[_Number], tuple[Change, ...]]],
    progress: Progress | None,
    noun: str,
) -> tuple[NDArray[_Number], tuple[str, ...]]:
    """Every row fitted to one shape: ([n, *shape], notes with counts)."""

    def fit_named(row: int) -> tuple[NDArray[_Number], tuple[Change, ...]]:
        try:
            return fit(row)
        except SignatureError as error:
            raise SignatureError(f"{examples.name(row)}: {error}") from error

    fitted = list(_each(fit_named, len(examples.y), progress))
    changes = [change for _, changed in fitted for change in changed]
    return np.stack([array for array, _ in fitted]), summarise(changes, len(fitted), noun)


def _each(
    work: Callable[[int], _Result], total: int, progress: Progress | None
) -> Generator[_Result, None, None]:
    """`work(row)` of rows 0..total-1 in order, done by threads (decoders release the GIL).

    The error of the first failing row is raised, so a message does not depend on timing.
    """
    pieces = [
        range(start, min(start + _ROWS_AT_ONCE, total)) for start in range(0, total, _ROWS_AT_ONCE)
    ]
    pool = ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1))
    try:
        for piece, results in zip(
            pieces, pool.map(lambda rows: [work(row) for row in rows], pieces), strict=True
        ):
            yield from results
            if progress is not None:
                progress(piece.stop, total)
    finally:
        pool.shutdown(cancel_futures=True)
