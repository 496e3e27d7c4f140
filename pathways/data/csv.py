"""The CSV layout: a line of column names, numbers below it, a column `label` or a target."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathways.data.examples import MAX_TASK_BYTES, Rows
from pathways.data.tables import LABEL, TARGET, answer_column, matrix, read_answers, rows
from pathways.errors import CorruptFileError, DataError, TooLargeError

_MISSING = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]


def open_csv(path: Path, max_bytes: int = MAX_TASK_BYTES, target: str | None = None) -> Rows:
    """The examples of a CSV file: every column is a number but `label`, which names a class.

    target: the column to predict, in place of `label` or `target`. Raises DataError naming the
    column or row at fault.
    """
    columns = _columns(path)
    wanted = answer_column(columns, target, path)
    texts = {LABEL} if wanted == LABEL and target is None else set()
    table = _table(path, columns, texts, max_bytes)
    if table.num_rows == 0:
        raise DataError(f"{path} has no rows below its column names; write some examples")
    answers = read_answers(table.column(wanted), wanted, target, None, path)
    return rows(table, [name for name in columns if name != wanted], answers, path)


def read_rows(
    path: Path, without: Collection[str] = (), max_bytes: int = MAX_TASK_BYTES
) -> NDArray[np.float32]:
    """The rows float32 [n, columns] of a CSV file to ask about; the columns that answer, `label`,
    `target` and those named, are left out. Raises DataError."""
    columns = _columns(path)
    features = [name for name in columns if name not in {LABEL, TARGET, *without}]
    table = _table(path, columns, set(columns) - set(features), max_bytes)
    if table.num_rows == 0:
        raise DataError(f"{path} has no rows below its column names; there is nothing to ask")
    return matrix(table, features, path)


def _columns(path: Path) -> list[str]:
    """The names in the first line; raises DataError."""
    names: list[str] = _open(path, {}).schema.names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path} has more than one column {twice[0]!r}; give each its own name")
    if len(names) == 1 and (";" in names[0] or "\t" in names[0]):
        raise DataError(
            f"{path} has one column only, {names[0][:80]!r}; separate columns by commas"
        )
    return names


def _open(path: Path, types: Mapping[str, Any]) -> Any:
    import pyarrow
    import pyarrow.csv

    convert = pyarrow.csv.ConvertOptions(
        column_types=types, null_values=_MISSING, strings_can_be_null=False
    )
    try:
        return pyarrow.csv.open_csv(path, convert_options=convert)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _damaged(path, error) from error


def _table(path: Path, columns: list[str], texts: Collection[str], max_bytes: int) -> Any:
    """All of it, piece by piece; what is in `texts` as strings, the rest as numbers."""
    import pyarrow

    # Types are told, not inferred: inference looks at the first piece of the file only.
    types = {n: pyarrow.string() if n in texts else pyarrow.float64() for n in columns}
    batches, size = [], 0
    try:
        with _open(path, types) as reader:
            for batch in reader:
                batches.append(batch)
                size += batch.nbytes
                if size > max_bytes:
                    raise TooLargeError(
                        f"{path} takes more than {max_bytes / 2**30:.3g} GiB of memory; split it "
                        "into smaller tasks"
                    )
            return pyarrow.Table.from_batches(batches, reader.schema)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    reason = " ".join(str(error).split())[:300]
    if "conversion error" in reason:
        return DataError(
            f"{path} holds text where numbers should be ({reason}); encode or remove that column"
        )
    return CorruptFileError(f"{path} cannot be read as CSV ({reason}); write it again")
