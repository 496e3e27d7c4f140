"""Tables of numbers: Arrow columns, from CSV or Parquet, to rows and what is to be predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathways.data.classes import Classes, from_integers, from_strings
from pathways.data.examples import Rows
from pathways.errors import DataError

LABEL, TARGET = "label", "target"
"""Columns that tell the class, or the number, of a row where no other is named."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a column says is to be predicted."""

    y: NDArray[np.int64]
    labels: tuple[str, ...]
    values: NDArray[np.float64] | None = None


def answer_column(columns: Sequence[str], target: str | None, path: Path) -> str:
    """The column that is to be predicted; raises DataError."""
    wanted = [target] if target is not None else [LABEL, TARGET]
    found = [name for name in wanted if name in columns]
    if found:
        return found[0]
    present = ", ".join(columns) or "none"
    raise DataError(
        f"{path} has no column {' or '.join(wanted)}; its columns are {present}: rename or add one"
        + ("" if target else ", or name the column with the number to predict as target")
    )


def read_answers(
    column: Any, name: str, target: str | None, names: tuple[str, ...] | None, path: Path
) -> Answers:
    """Classes of a column `label`; of any other, or one that was named as target, numbers.

    names: class names in order, where the file gives them. Raises DataError.
    """
    if target is None and name == LABEL:
        y, labels = classes(column, names, path)
        return Answers(y=y, labels=labels)
    values = numbers(column, name, path)
    return Answers(y=np.zeros(len(values), np.int64), labels=(name,), values=values)


def rows(table: Any, features: Sequence[str], answers: Answers, path: Path) -> Rows:
    """Examples of the columns `features` of an Arrow table; raises DataError."""
    return Rows(
        y=answers.y,
        labels=answers.labels,
        values=answers.values,
        name=lambda row: f"{path}: row {row}",
        x=matrix(table, features, path),
    )


def matrix(table: Any, features: Sequence[str], path: Path) -> NDArray[np.float32]:
    """float32 [n, features] of numeric columns; raises DataError naming column and row."""
    if not features:
        raise DataError(f"{path} has no columns of numbers to learn from; add some")
    x = np.empty((table.num_rows, len(features)), np.float32)
    for place, name in enumerate(features):
        with np.errstate(over="ignore"):  # told of as infinite
            x[:, place] = numbers(table.column(name), name, path)
        if not np.isfinite(x[:, place]).all():
            row = int(np.flatnonzero(~np.isfinite(x[:, place]))[0])
            raise DataError(
                f"{path}: column {name} holds NaN, or what is too large for float32, in row {row}; "
                "fill or scale it, or remove the row"
            )
    return x


def numbers(column: Any, name: str, path: Path) -> NDArray[np.float64]:
    """A numeric column [n]; raises DataError."""
    import pyarrow

    types = pyarrow.types
    kind = column.type
    if not (types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)):
        raise DataError(
            f"{path}: column {name} is {kind}; a table's columns are numbers: encode or remove it"
        )
    _check_filled(column, f"{path}: column {name}", "fill it or remove the row")
    return np.asarray(column.cast(pyarrow.float64(), safe=False).to_numpy(), np.float64)


def classes(column: Any, names: tuple[str, ...] | None, path: Path) -> Classes:
    """Classes of a label column; raises DataError."""
    import pyarrow

    types = pyarrow.types
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    source = f"{path}: column {LABEL}"
    _check_filled(column, source, "label it or remove the row")
    if types.is_integer(column.type):
        return from_integers(np.asarray(column.to_numpy(), np.int64), names, source)
    if types.is_string(column.type) or types.is_large_string(column.type):
        texts = column.to_pylist()
        if "" in texts:
            raise DataError(
                f"{source} is empty in row {texts.index('')}; label it or remove the row"
            )
        return from_strings(texts, None, source)
    raise DataError(
        f"{source} must hold integers or strings, got {column.type}; convert it, or name it as "
        "target if it is a number to predict"
    )


def _check_filled(column: Any, source: str, remedy: str) -> None:
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise DataError(f"{source} is empty in row {row}; {remedy}")
