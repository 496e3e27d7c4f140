"""Tables, token ids and numbers to predict, from files: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pathways import (
    CorruptFileError,
    DataError,
    SignatureError,
    TooLargeError,
    image_signature,
    table_signature,
    text_signature,
)
from pathways.data.csv import read_rows
from pathways.data.load import load_task
from tests.unit.task_files import image_bytes

CSV = "width,height,label\n1,2.5,b\n3,4,a\n-5e3,0,b\n"


def write(tmp_path: Path, text: str, name: str = "task.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def parquet(tmp_path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), tmp_path / "task.parquet")
    return tmp_path / "task.parquet"


def npz(tmp_path: Path, **arrays: Any) -> Path:
    np.savez(tmp_path / "task.npz", **arrays)
    return tmp_path / "task.npz"


def refusal(path: Path, kind: type[Exception] = DataError, **how: Any) -> str:
    with pytest.raises(kind) as caught:
        load_task(path, **how)
    assert str(path) in str(caught.value)
    return str(caught.value)


# --- CSV ----------------------------------------------------------------------------------------


def test_a_csv_file_is_a_table_with_classes(tmp_path: Path) -> None:
    data = load_task(write(tmp_path, CSV)).data
    assert data.signature == table_signature(2)
    assert data.x.tolist() == [[1, 2.5], [3, 4], [-5000, 0]]
    assert [data.labels[c] for c in data.y] == ["b", "a", "b"]


def test_numbers_as_labels_are_ordered_by_value(tmp_path: Path) -> None:
    rows = "".join(f"{value},{value}\n" for value in (10, 9, 9, 10, 100))
    assert load_task(write(tmp_path, "label,x\n" + rows)).data.labels == ("9", "10", "100")


def test_labels_that_look_like_missing_values_are_labels(tmp_path: Path) -> None:
    text = "x,label\n1,None\n2,NA\n"
    assert load_task(write(tmp_path, text)).data.labels == ("NA", "None")


def test_a_target_column_is_a_number_to_predict(tmp_path: Path) -> None:
    text = "rooms,price,label\n" + "".join(f"{n},{n * 1000.5},{n % 2}\n" for n in range(20))
    data = load_task(write(tmp_path, text), target="price").data
    assert (data.output, data.labels, data.signature) == ("number", ("price",), table_signature(2))
    assert data.values is not None and data.values[3] == 3001.5
    assert data.x[3].tolist() == [3, 1]


def test_a_column_called_target_is_a_number_where_there_is_no_label(tmp_path: Path) -> None:
    data = load_task(write(tmp_path, "x,target\n1,2\n2,3\n3,7\n")).data
    assert (data.output, data.labels) == ("number", ("target",))


def test_an_integer_column_that_turns_to_fractions_late_is_read(tmp_path: Path) -> None:
    lines = [f"{n},{n % 2}" for n in range(200_000)] + ["0.5,1"]
    data = load_task(write(tmp_path, "x,label\n" + "\n".join(lines))).data
    assert (len(data), float(data.x[-1, 0])) == (200_001, 0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,label\n", "has no rows below its column names"),
        ("x,y\n1,2\n", "has no column label or target; its columns are x, y"),
        ("x;label\n1;a\n", "separate columns by commas"),
        ("x,x,label\n1,2,a\n", "more than one column 'x'"),
        ("x,label\n1,a\n,b\n", "column x is empty in row 1; fill it or remove the row"),
        ("x,label\nNA,a\n1,b\n", "column x is empty in row 0"),
        ("x,label\n1,a\n2,\n", "column label is empty in row 1; label it or remove the row"),
        ("x,label\n1,a\ninf,b\n", "column x holds NaN, or what is too large for float32, in row 1"),
        ("x,label\n1,a\n1e300,b\n", "too large for float32, in row 1"),
        ("x,city,label\n1,Rome,a\n2,Oslo,b\n", "holds text where numbers should be"),
        ("label\na\nb\n", "has no columns of numbers to learn from"),
        ("x,label\n1,a\n2,a\n", "one class only (a)"),
        ("x,target\n1,5\n2,5\n", "all 2 values of target are 5"),
        ("x,target\n1,5\n2,\n", "column target is empty in row 1"),
    ],
)
def test_unusable_csv_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(write(tmp_path, text))


@pytest.mark.parametrize("text", ["", "x,label\n1,a,3\n"])
def test_damaged_csv_files_are_corrupt(tmp_path: Path, text: str) -> None:
    assert "cannot be read as CSV" in refusal(write(tmp_path, text), CorruptFileError)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "task.csv").write_bytes(b"x,label\n1,\xff\xfe\n2,b\n")
    refusal(tmp_path / "task.csv")


def test_a_missing_target_is_named(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, CSV), target="price")
    assert "no column price; its columns are width, height, label" in message
    assert "text" in refusal(write(tmp_path, CSV), target="label")


def test_a_table_of_too_many_columns_is_refused(tmp_path: Path) -> None:
    names = ",".join(f"c{n}" for n in range(16_385))
    row = ",".join("1" * 16_385)
    message = refusal(write(tmp_path, f"label,{names}\na,{row}\nb,{row}\n"), SignatureError)
    assert "has 16385 columns, the limit is 16384" in message


def test_more_than_allowed_is_refused(tmp_path: Path) -> None:
    text = "x,label\n" + "1,a\n2,b\n" * 1_000
    assert "split it into smaller tasks" in refusal(
        write(tmp_path, text), TooLargeError, max_bytes=1_000
    )


def test_rows_to_ask_about_leave_out_the_columns_that_answer(tmp_path: Path) -> None:
    path = write(tmp_path, "a,price,label,b\n1,2,x,3\n4,,y,5\n")
    assert read_rows(path, without={"price"}).tolist() == [[1, 3], [4, 5]]
    with pytest.raises(DataError, match="column price is empty in row 1"):
        read_rows(path)


# --- Parquet ------------------------------------------------------------------------------------


def test_a_parquet_file_of_numbers_is_a_table(tmp_path: Path) -> None:
    data = load_task(parquet(tmp_path, a=[1, 2], b=[True, False], label=["x", "y"])).data
    assert data.x.tolist() == [[1, 1], [2, 0]]
    assert data.labels == ("x", "y")


def test_a_parquet_file_may_hold_a_number_to_predict(tmp_path: Path) -> None:
    data = load_task(parquet(tmp_path, a=[1.5, 2, 3], size=[7, 8, 9]), target="size").data
    assert (data.output, data.labels, data.x.shape) == ("number", ("size",), (3, 1))


def test_images_may_have_a_number_to_predict(tmp_path: Path) -> None:
    pictures = [image_bytes(value) for value in (1, 2, 3)]
    data = load_task(parquet(tmp_path, image=pictures, age=[1.0, 5.0, 2.5]), target="age").data
    assert data.signature.modality == "image"
    assert data.values is not None and data.values.tolist() == [1.0, 5.0, 2.5]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": ["x", "y"], "label": [0, 1]}, "column a is string; a table's columns are numbers"),
        ({"a": [1, None], "label": [0, 1]}, "column a is empty in row 1"),
        ({"a": [1.0, float("nan")], "label": [0, 1]}, "column a holds NaN"),
        ({"a": [1.0, 2.0], "label": [0.5, 1.5]}, "name it as target if it is a number to predict"),
        ({"a": [1.0, 2.0], "target": ["x", "y"]}, "column target is string"),
        ({"label": [0, 1]}, "no columns of numbers"),
    ],
)
def test_unusable_tables_are_refused(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    assert message in refusal(parquet(tmp_path, **columns))


# --- .npz ---------------------------------------------------------------------------------------

ROWS = np.arange(12.0).reshape(4, 3)
IDS = np.array([[1, 2, 0], [3, 0, 0], [4, 4, 4], [0, 0, 0]])
Y = np.array([0, 1, 0, 1])


def test_floats_of_two_dimensions_are_a_table_and_that_is_told(tmp_path: Path) -> None:
    loaded = load_task(npz(tmp_path, x=ROWS, y=Y))
    assert loaded.data.signature == table_signature(3)
    assert "x is read as a table of 3 columns; sounds need an array rate_hz" in loaded.notes


def test_integers_with_a_vocabulary_are_text(tmp_path: Path) -> None:
    data = load_task(npz(tmp_path, x=IDS, y=Y, vocabulary=9)).data
    assert data.signature == text_signature(3, 9)
    assert data.x.dtype == np.int32


def test_float_labels_are_numbers_to_predict_and_that_is_told(tmp_path: Path) -> None:
    path = npz(tmp_path, x=ROWS, y=Y * 1.5)
    loaded = load_task(path)
    assert (loaded.data.output, loaded.data.labels) == ("number", ("target",))
    assert "y is float64: a number is learned, classes would be integers" in loaded.notes
    named = load_task(path, target="size")
    assert named.data.labels == ("size",)
    assert not any("classes would" in note for note in named.notes)


def test_integers_are_numbers_where_a_target_is_named(tmp_path: Path) -> None:
    data = load_task(npz(tmp_path, x=ROWS, y=[5, 6, 7, 8]), target="age").data
    assert data.values is not None and data.values.tolist() == [5, 6, 7, 8]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": IDS, "y": Y}, "token ids [n, tokens] need an array vocabulary"),
        ({"x": IDS, "y": Y, "vocabulary": 4}, "example 2 holds the token id 4; ids must lie in"),
        ({"x": IDS - 1, "y": Y, "vocabulary": 9}, "holds token ids from -1 to 3"),
        ({"x": IDS * 1.0, "y": Y, "vocabulary": 9}, "must be an integer array of token ids"),
        ({"x": IDS, "y": Y, "vocabulary": 1}, "vocabulary=1 does not suit modality text"),
        ({"x": IDS, "y": Y, "vocabulary": 2.5}, "vocabulary must be one whole number"),
        ({"x": ROWS * np.nan, "y": Y}, "x[0] holds NaN"),
        ({"x": ROWS * 1e300, "y": Y}, "example 0 holds NaN or infinite values"),
        ({"x": ROWS[:, :0], "y": Y}, "a table is a float array [n, columns]"),
    ],
)
def test_unusable_arrays_are_refused(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    assert message in refusal(npz(tmp_path, **arrays), ValueError)


def test_strings_cannot_be_predicted_as_numbers(tmp_path: Path) -> None:
    path = npz(tmp_path, x=ROWS, y=["a", "b", "a", "b"])
    assert "y must hold numbers to predict, got <U1" in refusal(path, target="size")


def test_a_folder_has_no_numbers(tmp_path: Path) -> None:
    assert "is a folder, whose sub-folders name classes" in refusal(tmp_path, target="size")


def test_data_of_another_kind_than_the_signature_are_refused(tmp_path: Path) -> None:
    path = npz(tmp_path, x=ROWS, y=Y)
    message = refusal(path, SignatureError, signature=image_signature())
    assert "holds table data, but the signature is image-28x28x1" in message
    assert "inputs of signature table-4" in refusal(path, signature=table_signature(4))
