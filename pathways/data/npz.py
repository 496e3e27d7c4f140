"""The .npz layout: arrays `x` and `y`, optional `labels`, `rate_hz` for sounds, `vocabulary` for
token ids."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathways.data.archives import open_zip
from pathways.data.audio import check_rate
from pathways.data.classes import Classes, from_integers, from_strings
from pathways.data.examples import MAX_TASK_BYTES, AnyExamples, Images, Rows, Sounds, Texts
from pathways.data.npy import read_npy
from pathways.data.sequences import as_tokens
from pathways.data.tables import TARGET, Answers
from pathways.errors import CorruptFileError, DataError

_KNOWN = ("x", "y", "labels", "rate_hz", "vocabulary")


def open_npz(path: Path, max_bytes: int = MAX_TASK_BYTES, target: str | None = None) -> AnyExamples:
    """The examples of an .npz file: floats in `y` are numbers to predict, called `target`.

    Raises DataError naming the array at fault.
    """
    arrays = read_arrays(path, _KNOWN, max_bytes)
    missing = [key for key in ("x", "y") if key not in arrays]
    if missing:
        raise DataError(
            f"{path} has no array {' and no array '.join(missing)}; it holds "
            f"{', '.join(arrays) or 'none of ' + ', '.join(_KNOWN)}: save it with "
            "numpy.savez(path, x=..., y=...)"
        )
    x = arrays["x"]
    answers, notes = _answers(arrays, target, path)
    if x.ndim == 0 or len(x) == 0:
        raise DataError(f"{path}: x holds no examples; its shape is {list(x.shape)}")
    if len(x) != len(answers.y):
        raise DataError(
            f"{path}: x has {len(x)} examples but y has {len(answers.y)}; they must match"
        )
    examples = _examples(arrays, answers, path)
    return replace(examples, notes=examples.notes + notes)


def _examples(arrays: dict[str, NDArray[Any]], answers: Answers, path: Path) -> AnyExamples:
    """By what x looks like, and the arrays beside it."""
    x = arrays["x"]
    if "rate_hz" in arrays:
        return as_sounds(x, arrays["rate_hz"], answers, path)
    if "vocabulary" in arrays:
        return _texts(x, _whole(arrays["vocabulary"], f"{path}: vocabulary"), answers, path)
    if x.ndim == 2:
        return _rows(x, answers, path)
    return as_images(x, answers, path)


def read_arrays(path: Path, known: Sequence[str], max_bytes: int) -> dict[str, NDArray[Any]]:
    """The known arrays of the file; raises DataError."""
    if not zipfile.is_zipfile(path):  # it may be a bare array or a pickle
        raise CorruptFileError(
            f"{path} is no .npz archive, or only a part of one; save it again with numpy.savez"
        )
    try:
        with path.open("rb") as file, open_zip(file, str(path), max_bytes) as archive:
            names = {name.removesuffix(".npy"): name for name in archive.namelist()}
            return {
                key: read_npy(archive.read(names[key]), f"{path}: {key}")
                for key in known
                if key in names
            }
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the file") from error


def _answers(
    arrays: dict[str, NDArray[Any]], target: str | None, path: Path
) -> tuple[Answers, tuple[str, ...]]:
    """What is to be predicted, and a note where somebody might have meant classes."""
    y, source = _labels(arrays, path), f"{path}: y"
    if target is None and y.dtype.kind != "f":
        indices, labels = classes(arrays, path)
        return Answers(y=indices, labels=labels), ()
    if y.dtype.kind not in "iuf":
        raise DataError(f"{source} must hold numbers to predict, got {y.dtype}; convert it")
    name = target or TARGET
    answers = Answers(y=np.zeros(len(y), np.int64), labels=(name,), values=y.astype(np.float64))
    notes = () if target else (f"y is {y.dtype}: a number is learned, classes would be integers",)
    return answers, notes


def _labels(arrays: Mapping[str, NDArray[Any]], path: Path) -> NDArray[Any]:
    y = arrays["y"]
    if y.ndim != 1:
        raise DataError(
            f"{path}: y must have one label per example [n], got the shape {list(y.shape)}; "
            "flatten it, or take argmax(axis=1) of one-hot labels"
        )
    return y


def classes(arrays: Mapping[str, NDArray[Any]], path: Path) -> Classes:
    """The classes in `y`, named by `labels` if it is there; raises DataError."""
    y, source = _labels(arrays, path), f"{path}: y"
    names = _class_names(arrays["labels"], path) if "labels" in arrays else None
    if y.dtype.kind == "U":
        return from_strings(y.tolist(), names, source)
    if y.dtype.kind in "iu":
        return from_integers(y.astype(np.int64), names, source)
    raise DataError(f"{source} must hold integers or strings, got {y.dtype}; convert it")


def _class_names(labels: NDArray[Any], path: Path) -> tuple[str, ...]:
    if labels.ndim != 1 or labels.dtype.kind not in "Uiu":
        raise DataError(
            f"{path}: labels must hold the class names as strings [classes], got "
            f"{labels.dtype} {list(labels.shape)}; convert it"
        )
    return tuple(map(str, labels.tolist()))


def _rate(value: NDArray[Any], path: Path) -> int:
    return check_rate(_whole(value, f"{path}: rate_hz"), f"{path}: x")


def _whole(value: NDArray[Any], source: str) -> int:
    if value.size != 1 or value.dtype.kind not in "iuf" or value.item() != int(value.item()):
        raise DataError(f"{source} must be one whole number, such as 8000; got {value}")
    return int(value.item())


def _rows(x: NDArray[Any], answers: Answers, path: Path) -> Rows:
    if x.dtype.kind != "f" or x.shape[1] == 0:
        raise DataError(
            f"{path}: x is {x.dtype} {list(x.shape)}; a table is a float array [n, columns], token "
            "ids [n, tokens] need an array vocabulary, sounds [n, samples] an array rate_hz"
        )
    _finite_range(x, path)
    with np.errstate(over="ignore"):  # refused as infinite by the task's data
        rows = x.astype(np.float32)
    notes = (f"x is read as a table of {x.shape[1]} columns; sounds need an array rate_hz",)
    return Rows(**vars(answers), name=_namer(path), x=rows, notes=notes)


def _texts(x: NDArray[Any], vocabulary: int, answers: Answers, path: Path) -> Texts:
    ids = as_tokens(x, f"{path}: x")
    return Texts(**vars(answers), name=_namer(path), x=ids, vocabulary=vocabulary)


def _finite_range(x: NDArray[Any], path: Path) -> tuple[float, float]:
    """(least, greatest) value of x; raises DataError for NaN."""
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        row = int(np.flatnonzero(~np.isfinite(x.reshape(len(x), -1)).all(axis=1))[0])
        raise DataError(f"{path}: x[{row}] holds NaN or infinite values; repair or remove it")
    return float(x.min()), float(x.max())


def as_sounds(x: NDArray[Any], rate: NDArray[Any], answers: Answers, path: Path) -> Sounds:
    """Examples from an array of waves and one of their rate; raises DataError."""
    rate_hz = _rate(rate, path)
    if x.ndim != 2 or x.dtype.kind != "f" or x.shape[1] == 0:
        raise DataError(
            f"{path}: with rate_hz, x must be mono float32 [n, samples], got {x.dtype} "
            f"{list(x.shape)}; average the channels, divide 16-bit samples by 32768"
        )
    low, high = _finite_range(x, path)
    if max(-low, high) > 1:
        raise DataError(
            f"{path}: x runs from {low:g} to {high:g}, sound must lie in -1..1; scale it"
        )
    waves = x.astype(np.float32)
    return Sounds(**vars(answers), name=_namer(path), read=lambda row: (waves[row], rate_hz))


def as_images(x: NDArray[Any], answers: Answers, path: Path) -> Images:
    """Examples from an array of images; raises DataError."""
    pixels = x[..., np.newaxis] if x.ndim == 3 else x
    if pixels.ndim != 4 or pixels.shape[3] not in (1, 3) or 0 in pixels.shape:
        raise DataError(
            f"{path}: x has the shape {list(x.shape)}; images are [n, height, width] or "
            "[n, height, width, 1 or 3]" + _shape_remedy(x)
        )
    converted, notes = _to_uint8(pixels, path)
    return Images(**vars(answers), name=_namer(path), notes=notes, read=lambda row: converted[row])


def _shape_remedy(x: NDArray[Any]) -> str:
    if x.ndim == 4 and x.shape[1] in (1, 3):
        return "; move the channels last with x.transpose(0, 2, 3, 1)"
    return "; reshape it"


def _to_uint8(x: NDArray[Any], path: Path) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Images of any number type as uint8; raises DataError where the scale is unknown."""
    if x.dtype == np.uint8:
        return x, ()
    if x.dtype.kind not in "iuf":
        raise DataError(f"{path}: x must be uint8 images, got {x.dtype}; convert it")
    low, high = _finite_range(x, path)
    top = 1 if x.dtype.kind == "f" else 255
    if low < 0 or high > top:
        raise DataError(
            f"{path}: x is {x.dtype} from {low:g} to {high:g}; images are uint8, integers in "
            "0..255 or floats in 0..1: scale it"
        )
    note = f"converted x from {x.dtype} in 0..{top} to uint8"
    return np.rint(x * (255 // top)).astype(np.uint8), (note,)


def _namer(path: Path) -> Callable[[int], str]:
    return lambda row: f"{path}: x[{row}]"
