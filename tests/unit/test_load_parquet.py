"""Loading tasks from Parquet files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pathways.data.load import load_task
from pathways.errors import CorruptFileError
from pathways.signature import audio_signature
from tests.unit.task_files import PNGS, refusal, sound_bytes


def parquet(tmp_path: Path, columns: dict[str, Any], metadata: bytes | None = None) -> Path:
    table = pa.table(columns)
    if metadata is not None:
        table = table.replace_schema_metadata({b"huggingface": metadata})
    pq.write_table(table, tmp_path / "task.parquet")
    return tmp_path / "task.parquet"


HUGGING_FACE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
WAVS = [sound_bytes(value) for value in (0.5, 0.25, 0.125)]


def test_parquet_of_images(tmp_path: Path) -> None:
    data = load_task(parquet(tmp_path, {"id": [1, 2, 3], "image": PNGS, "label": [3, 1, 3]})).data
    assert data.signature.key == "image-8x8x1"
    assert data.x[:, 0, 0, 0].tolist() == [30, 10, 20]
    assert data.labels == ("1", "3")
    assert data.y.tolist() == [1, 0, 1]


def test_parquet_of_sounds_with_string_labels(tmp_path: Path) -> None:
    labels = pa.array(["no", "yes", "no"]).dictionary_encode()
    data = load_task(parquet(tmp_path, {"audio": WAVS, "label": labels})).data
    assert data.signature == audio_signature()
    assert data.x[:, 0].tolist() == [0.5, 0.25, 0.125]
    assert data.labels == ("no", "yes")


def names_metadata(names: list[str]) -> bytes:
    return json.dumps({"info": {"features": {"label": {"names": names}}}}).encode()


def test_parquet_as_hugging_face_writes_it(tmp_path: Path) -> None:
    structs = [{"bytes": body, "path": f"{i}.png"} for i, body in enumerate(PNGS)]
    columns = {"image": structs, "label": [1, 0, 0]}
    path = parquet(tmp_path, columns, names_metadata(["zebra", "ant"]))
    data = load_task(path).data
    assert data.x[:, 0, 0, 0].tolist() == [30, 10, 20]
    assert data.labels == ("zebra", "ant")
    assert data.y.tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"img": PNGS, "label": [1, 2, 3]}, "column img is binary; a table's columns are numbers"),
        ({"image": PNGS, "y": [1, 2, 3]}, "no column label or target; its columns are image, y"),
        ({"image": PNGS, "audio": WAVS, "label": [1, 2, 3]}, "both a column image and"),
        ({"image": [[[1, 2]]], "label": [1]}, "column image is list<"),
        ({"image": ["a.png"], "label": [1]}, "column image is string"),
        ({"image": [{"path": "a.png"}], "label": [1]}, "column image is struct<path"),
        ({"image": pa.array([], pa.binary()), "label": pa.array([], pa.int64())}, "has no rows"),
        ({"image": PNGS, "label": [1, None, 2]}, "column label is empty in row 1"),
        ({"image": PNGS, "label": [0.5, 1, 2]}, "must hold integers or strings, got double"),
        ({"image": PNGS, "label": [1, 1, 1]}, "one class only (1)"),
        ({"image": [*PNGS[:2], None], "label": [1, 2, 3]}, "row 2 of column image has no bytes"),
        (
            {"image": pa.array([{"path": "a.png"}] * 2, HUGGING_FACE), "label": [1, 2]},
            "row 0 of column image has no bytes",
        ),
    ],
)
def test_unusable_parquet_files_are_refused(
    tmp_path: Path, columns: dict[str, Any], message: str
) -> None:
    assert message in refusal(parquet(tmp_path, columns))


def test_labels_must_be_among_hugging_faces_names(tmp_path: Path) -> None:
    columns = {"image": PNGS, "label": [0, 1, -1]}
    path = parquet(tmp_path, columns, names_metadata(["a", "b"]))
    assert "labels run from -1 to 1" in refusal(path)


@pytest.mark.parametrize("metadata", [b"{}", b'{"info": 3}'])
def test_other_metadata_is_none_of_our_business(tmp_path: Path, metadata: bytes) -> None:
    columns = {"image": PNGS, "label": [0, 1, 5]}
    assert load_task(parquet(tmp_path, columns, metadata)).data.labels == ("0", "1", "5")


def test_broken_metadata_is_corrupt(tmp_path: Path) -> None:
    path = parquet(tmp_path, {"image": PNGS, "label": [0, 1, 5]}, b"{")
    assert "Hugging Face metadata is no JSON" in refusal(path, CorruptFileError)


@pytest.mark.parametrize("keep", [0, 100])
def test_damaged_parquet_files_are_corrupt(tmp_path: Path, keep: int) -> None:
    path = parquet(tmp_path, {"image": PNGS, "label": [1, 2, 3]})
    path.write_bytes(path.read_bytes()[:keep])
    assert "cannot be read as Parquet" in refusal(path, CorruptFileError)


def test_corrupt_rows_are_named(tmp_path: Path) -> None:
    path = parquet(tmp_path, {"image": [*PNGS, b"bad"], "label": [1, 2, 3, 1]})
    message = refusal(path, CorruptFileError)
    assert f"{path}: row 3 of column image cannot be decoded" in message
