"""The Parquet layout: a column `image` or `audio` of encoded files, or else columns of numbers, and
a column `label` or a target."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from pathways.data.examples import MAX_TASK_BYTES, AnyExamples, encoded
from pathways.data.tables import Answers, answer_column, read_answers, rows
from pathways.errors import CorruptFileError, DataError, TooLargeError

Encoded = Literal["image", "audio"]

_ROWS_AT_ONCE = 256
# Columns kept as dictionaries: a file names a value once, however many rows have it.
_ENCODED = {*get_args(Encoded), *(f"{kind}.bytes" for kind in get_args(Encoded))}


def open_parquet(
    path: Path, max_bytes: int = MAX_TASK_BYTES, target: str | None = None
) -> AnyExamples:
    """The examples of a Parquet file: encoded images or sounds, or a table's rows.

    target: the column to predict, in place of `label` or `target`. Raises DataError naming the
    column or row at fault.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        about = pyarrow.parquet.read_metadata(path)
        leaves = {about.schema.column(i).path for i in range(about.num_columns)}
        kept = sorted(leaves & _ENCODED)
        with pyarrow.parquet.ParquetFile(path, metadata=about, read_dictionary=kept) as file:
            schema = file.schema_arrow
            modality = _modality(schema.names, path)
            wanted = answer_column(schema.names, target, path)
            if modality is not None:
                _check_encoded(schema.field(modality).type, f"{path}: column {modality}")
            columns = list(schema.names) if modality is None else [modality, wanted]
            table = _table(file, columns, path, max_bytes)
        if table.num_rows == 0:
            raise DataError(f"{path} has no rows; write some examples")
        names = _class_names(schema, path)
        answers = read_answers(table.column(wanted), wanted, target, names, path)
        if modality is None:
            return rows(table, [name for name in columns if name != wanted], answers, path)
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise CorruptFileError(
            f"{path} cannot be read as Parquet ({reason}); write or copy it again"
        ) from error

    return _encoded(table.column(modality), modality, answers, path)


def _encoded(column: Any, modality: Encoded, answers: Answers, path: Path) -> AnyExamples:
    def name(row: int) -> str:
        return f"{path}: row {row} of column {modality}"

    files = _files(column)
    return encoded(modality, lambda row: _body(files[row], name(row)), **vars(answers), name=name)


def _table(file: Any, columns: list[str], path: Path, max_bytes: int) -> Any:
    """The columns, read piece by piece, as a small file may hold a lot."""
    import pyarrow

    batches, size = [], 0
    for batch in file.iter_batches(_ROWS_AT_ONCE, columns=columns):
        batches.append(batch)
        size += batch.nbytes
        if size > max_bytes:  # perhaps: what batches share was counted for each of them
            size = pyarrow.Table.from_batches(batches).get_total_buffer_size()
        if size > max_bytes:
            raise TooLargeError(
                f"{path} unpacks to more than {max_bytes / 2**30:.3g} GiB; split it into smaller "
                "tasks"
            )
    schema = pyarrow.schema([file.schema_arrow.field(name) for name in columns])
    return pyarrow.Table.from_batches(batches, None if batches else schema)


def _modality(columns: Sequence[str], path: Path) -> Encoded | None:
    """What the encoded files are; None for a table of numbers."""
    known: tuple[Encoded, ...] = get_args(Encoded)
    found = [kind for kind in known if kind in columns]
    if len(found) > 1:
        raise DataError(f"{path} has both a column image and a column audio; keep one of them")
    return found[0] if found else None


def _check_encoded(kind: Any, source: str) -> None:
    import pyarrow

    types = pyarrow.types
    if types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind = kind.field("bytes").type
    if types.is_dictionary(kind):
        kind = kind.value_type
    if not (types.is_binary(kind) or types.is_large_binary(kind)):
        raise DataError(
            f"{source} is {kind}; it must hold encoded files (PNG, WAV ...) as binary, or as "
            "the struct {bytes, path} of Hugging Face"
        )


def _files(column: Any) -> Any:
    """The binary column of encoded files, taken out of Hugging Face's struct."""
    import pyarrow
    import pyarrow.compute

    if pyarrow.types.is_struct(column.type):
        return pyarrow.compute.struct_field(column, "bytes")
    return column


def _body(cell: Any, name: str) -> bytes:
    body: bytes | None = cell.as_py()
    if body is None:
        raise DataError(
            f"{name} has no bytes; put the file's content there (paths are not followed) or "
            "remove the row"
        )
    return body


def _class_names(schema: Any, path: Path) -> tuple[str, ...] | None:
    """The names Hugging Face's metadata gives to integer labels, if there are any."""
    text = (schema.metadata or {}).get(b"huggingface")
    if text is None:
        return None
    try:
        node = json.loads(text)
    except ValueError as error:
        raise CorruptFileError(
            f"{path}: its Hugging Face metadata is no JSON ({error}); write it again"
        ) from error
    for key in ("info", "features", "label", "names"):
        node = node.get(key) if isinstance(node, dict) else None
    return tuple(map(str, node)) if isinstance(node, list) else None
