"""Loading tasks from folders, .npz and Parquet files."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from PIL import Image

from pathways.data.classes import ordered
from pathways.data.load import load_task
from pathways.errors import CorruptFileError, DataError, SignatureError, TooLargeError
from pathways.signature import Signature, audio_signature, image_signature


def image_bytes(value: int, height: int = 8, width: int = 8, channels: int = 1) -> bytes:
    mode = "L" if channels == 1 else "RGB"
    buffer = io.BytesIO()
    Image.new(mode, (width, height), value if channels == 1 else (value,) * 3).save(buffer, "PNG")
    return buffer.getvalue()


def sound_bytes(value: float, samples: int = 400, rate_hz: int = 8_000, kind: str = "WAV") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.full(samples, value, np.float32), rate_hz, format=kind)
    return buffer.getvalue()


def write(root: Path, files: dict[str, bytes]) -> Path:
    for name, body in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return root


def refusal(path: Path, error: type[Exception] = DataError, **options: Any) -> str:
    """The message `load_task` fails with; it always names the path."""
    with pytest.raises(error) as caught:
        load_task(path, **options)
    assert type(caught.value) is error
    assert str(path) in str(caught.value)
    return str(caught.value)


# --- image folders


def test_image_folder(tmp_path: Path) -> None:
    files = {f"{c}/{i}.png": image_bytes(10 * c + i) for c in (10, 9, 2) for i in range(2)}
    loaded = load_task(write(tmp_path, files))
    data = loaded.data
    assert data.labels == ("2", "9", "10")
    assert data.signature == image_signature(8, 8, 1)
    assert data.x[:, 0, 0, 0].tolist() == [20, 21, 90, 91, 100, 101]
    assert data.y.tolist() == [0, 0, 1, 1, 2, 2]
    assert loaded.notes == ()


def test_path_may_be_a_string_and_suffixes_upper_case(tmp_path: Path) -> None:
    write(tmp_path, {"cat/A.PNG": image_bytes(1), "ant/B.JPeG": image_bytes(2)})
    assert load_task(str(tmp_path)).data.labels == ("ant", "cat")


def test_numbers_come_before_names_and_are_ordered_by_value() -> None:
    assert ordered(["b", "10", "9", "-1", "a", "9"]) == ("-1", "9", "10", "a", "b")


def test_the_most_common_shape_wins_and_changes_are_counted(tmp_path: Path) -> None:
    files = {f"a/{i}.png": image_bytes(i) for i in range(3)}
    files |= {"b/0.png": image_bytes(7, 16, 16), "b/1.png": image_bytes(8, 4, 4, channels=3)}
    loaded = load_task(write(tmp_path, files))
    assert loaded.data.signature.key == "image-8x8x1"
    assert loaded.data.x[:, 4, 4, 0].tolist() == [0, 1, 2, 7, 8]
    assert loaded.notes == (
        "resized 2 of 5 images to 8x8",
        "converted 1 of 5 images to grey",
    )


def test_a_given_signature_wins(tmp_path: Path) -> None:
    write(tmp_path, {"a/0.png": image_bytes(1), "b/0.png": image_bytes(2)})
    loaded = load_task(tmp_path, signature=image_signature(4, 4, 3))
    assert loaded.data.x.shape == (2, 4, 4, 3)
    assert loaded.notes == (
        "converted 2 of 2 images to RGB",
        "resized 2 of 2 images to 4x4",
    )


def test_progress_reaches_the_total(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write(tmp_path, {f"{i % 2}/{i}.png": image_bytes(i) for i in range(70)})
    load_task(tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(32, 70), (64, 70), (70, 70)]


def test_other_files_are_ignored_with_a_note(tmp_path: Path) -> None:
    files = {"a/0.png": image_bytes(1), "b/0.png": image_bytes(2)}
    other = ["a/.DS_Store", "b/._0.png", "a/notes.txt", "stray.png", "a/sub/0.png", ".git/x"]
    loaded = load_task(write(tmp_path, files | dict.fromkeys(other, b"not decoded")))
    assert len(loaded.data) == 2
    assert loaded.notes == (
        "ignored 1 hidden entry (such as .git)",
        "ignored 1 file outside the class folders (such as stray.png)",
        "ignored 2 hidden files (such as .DS_Store)",
        "ignored 1 other file (such as notes.txt)",
        "ignored 1 folder inside a class folder (such as sub)",
    )


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "is empty"),
        ({"a.png": b"", "b.png": b""}, "2 files (such as a.png) but no class folders"),
        ({"a/0.png": image_bytes(1), "b/notes.txt": b""}, "has no images or sounds (found notes"),
        ({"a/0.png": image_bytes(1)}, "one class only (a)"),
        ({"train/a/0.png": image_bytes(1)}, "but sub-folders (a)"),
        ({"a/0.png": image_bytes(1), "b/0.wav": sound_bytes(0)}, "mixes images"),
    ],
)
def test_unusable_folders_are_refused(
    tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    assert message in refusal(write(tmp_path, files))


def test_an_empty_class_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"a/0.png": image_bytes(1)})
    (tmp_path / "b").mkdir()
    message = refusal(tmp_path)
    assert f"class folder {tmp_path / 'b'} has no images or sounds (it is empty)" in message


@pytest.mark.parametrize("name", ["b/bad.png", "b/bad.wav"])
def test_corrupt_files_are_named(tmp_path: Path, name: str) -> None:
    good = {".png": image_bytes(1), ".wav": sound_bytes(0.5)}[name[-4:]]
    write(tmp_path, {f"a/0{name[-4:]}": good, name: good[:30]})
    assert str(tmp_path / name) in refusal(tmp_path, CorruptFileError)


def test_the_first_bad_file_is_named_whatever_the_timing(tmp_path: Path) -> None:
    write(tmp_path, {f"{i % 2}/{i:03}.png": b"bad" for i in range(100)})
    assert "0/000.png" in refusal(tmp_path, CorruptFileError).replace("\\", "/")


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    write(tmp_path, {"a/0.png": image_bytes(1)})
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    assert "gone.png cannot be read (No such file" in refusal(tmp_path)


def test_images_that_do_not_fit_are_named(tmp_path: Path) -> None:
    write(tmp_path, {"a/0.png": image_bytes(1), "a/1.png": image_bytes(1)})
    write(tmp_path, {"b/wide.png": image_bytes(1, 8, 16)})
    message = refusal(tmp_path, SignatureError)
    assert f"{tmp_path / 'b' / 'wide.png'}: an image of 8x16" in message


@pytest.mark.parametrize(
    ("body", "signature", "message"),
    [
        (image_bytes(1), audio_signature(), "holds image data"),
        (sound_bytes(0), image_signature(), "holds audio data"),
    ],
)
def test_a_signature_of_another_modality_is_refused(
    tmp_path: Path, body: bytes, signature: Signature, message: str
) -> None:
    suffix = "png" if signature.modality == "audio" else "wav"
    write(tmp_path, {f"a/0.{suffix}": body, f"b/0.{suffix}": body})
    assert message in refusal(tmp_path, SignatureError, signature=signature)


def test_tasks_beyond_memory_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {"a/0.png": image_bytes(1), "b/0.png": image_bytes(2)})
    huge = image_signature(40_000, 40_000, 3)
    assert "more than 4 GiB" in refusal(tmp_path, TooLargeError, signature=huge)


def test_images_are_decoded_only_as_long_as_they_fit_into_memory(tmp_path: Path) -> None:
    write(tmp_path, {"a/0.png": image_bytes(1), "b/0.png": image_bytes(2)})
    assert "give a smaller signature" in refusal(tmp_path, TooLargeError, max_bytes=10)


# --- sound folders


def test_sound_folder(tmp_path: Path) -> None:
    files = {"yes/0.wav": sound_bytes(0.5), "no/0.flac": sound_bytes(0.25, kind="FLAC")}
    loaded = load_task(write(tmp_path, files))
    assert loaded.data.labels == ("no", "yes")
    assert loaded.data.signature == audio_signature()
    assert loaded.data.x.dtype == np.float32
    assert loaded.data.x[:, 399].tolist() == [0.25, 0.5]
    assert not loaded.data.x[:, 400:].any()
    assert loaded.notes == ()


def test_changes_of_sounds_are_counted(tmp_path: Path) -> None:
    files = {"a/0.wav": sound_bytes(0.5), "a/1.wav": sound_bytes(0.5, 900, 16_000)}
    files |= {"b/0.wav": sound_bytes(0.5, 10_000)}
    loaded = load_task(write(tmp_path, files))
    assert loaded.notes == (
        "resampled 1 of 3 sounds to 8000 Hz",
        "cut 1 of 3 sounds to 1.0 s",
    )


def test_a_nan_sound_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"a/0.wav": sound_bytes(0.5)})
    (tmp_path / "b").mkdir()
    soundfile.write(tmp_path / "b" / "nan.wav", np.full(9, np.nan), 8_000, subtype="FLOAT")
    assert f"{tmp_path / 'b' / 'nan.wav'} holds NaN" in refusal(tmp_path)


# --- paths


def test_missing_path(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none")


@pytest.mark.parametrize(("name", "kind"), [("x.xlsx", ".xlsx"), ("x", "(no extension)")])
def test_unknown_types_list_what_is_supported(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).touch()
    message = refusal(tmp_path / name)
    assert f"files of type {kind} are not supported" in message
    assert ".npz, .parquet or .csv" in message


# --- .npz

IMAGES = np.arange(4 * 6 * 6, dtype=np.uint8).reshape(4, 6, 6)
Y = np.array([7, 3, 10, 3])


def npz(tmp_path: Path, **arrays: Any) -> Path:
    np.savez(tmp_path / "task.npz", **arrays)
    return tmp_path / "task.npz"


def test_npz_of_grey_images(tmp_path: Path) -> None:
    loaded = load_task(npz(tmp_path, x=IMAGES, y=Y))
    assert np.array_equal(loaded.data.x, IMAGES[..., None])
    assert loaded.data.labels == ("3", "7", "10")
    assert loaded.data.y.tolist() == [1, 0, 2, 0]
    assert loaded.notes == ()


def test_npz_of_rgb_images_with_string_labels(tmp_path: Path) -> None:
    x = np.repeat(IMAGES[..., None], 3, axis=3)
    data = load_task(npz(tmp_path, x=x, y=["b", "a", "b", "a"])).data
    assert data.signature.key == "image-6x6x3"
    assert data.labels == ("a", "b")
    assert data.y.tolist() == [1, 0, 1, 0]


def test_npz_with_class_names(tmp_path: Path) -> None:
    names = ["zebra", "ant"]
    data = load_task(npz(tmp_path, x=IMAGES, y=[1, 0, 0, 1], labels=names)).data
    assert data.labels == ("zebra", "ant")
    assert data.y.tolist() == [1, 0, 0, 1]
    words = np.array(["ant", "zebra", "zebra", "ant"])
    assert load_task(npz(tmp_path, x=IMAGES, y=words, labels=names)).data.y.tolist() == [1, 0, 0, 1]


@pytest.mark.parametrize(
    ("x", "note"),
    [
        (IMAGES / 255, "converted x from float64 in 0..1 to uint8"),
        (IMAGES.astype(np.int32), "converted x from int32 in 0..255 to uint8"),
    ],
)
def test_npz_images_of_other_types_are_converted(tmp_path: Path, x: Any, note: str) -> None:
    loaded = load_task(npz(tmp_path, x=x, y=Y))
    assert np.array_equal(loaded.data.x, IMAGES[..., None])
    assert loaded.notes == (note,)


def test_npz_images_are_fitted_to_a_given_signature(tmp_path: Path) -> None:
    loaded = load_task(npz(tmp_path, x=IMAGES, y=Y), signature=image_signature(3, 3, 1))
    assert loaded.data.x.shape == (4, 3, 3, 1)
    assert loaded.notes == ("resized 4 of 4 images to 3x3",)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_npz_of_sounds(tmp_path: Path, kind: Any) -> None:
    x = np.full((4, 100), 0.5, kind)
    loaded = load_task(npz(tmp_path, x=x, y=Y, rate_hz=8_000))
    assert loaded.data.x[:, :100].tolist() == x.tolist()
    assert loaded.data.signature == audio_signature()
    resampled = load_task(npz(tmp_path, x=x, y=Y, rate_hz=16_000))
    assert resampled.notes == ("resampled 4 of 4 sounds to 8000 Hz",)


SOUNDS = np.zeros((4, 100), np.float32)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": IMAGES, "labels": ["a"]}, "has no array y; it holds x, labels"),
        ({"z": IMAGES}, "has no array x and no array y"),
        ({"x": IMAGES, "y": Y[:3]}, "x has 4 examples but y has 3"),
        ({"x": IMAGES[:0], "y": Y[:0]}, "no examples"),
        ({"x": IMAGES, "y": [1, 1, 1, 1]}, "one class only (1)"),
        ({"x": IMAGES, "y": Y / np.inf}, "all 4 values of target are 0"),
        ({"x": IMAGES, "y": Y / 2 * np.nan}, "target = nan, which is no finite float32"),
        ({"x": IMAGES, "y": np.array([b"a", b"b"] * 2)}, "must hold integers or strings, got |S1"),
        ({"x": IMAGES, "y": Y, "labels": [[0.5]]}, "labels must hold the class names as strings"),
        ({"x": IMAGES, "y": np.eye(4)}, "argmax"),
        ({"x": IMAGES, "y": np.array([1, "a", None, 2], object)}, "y is an object array (pickle)"),
        ({"x": np.array([IMAGES, None, 1, 2], object), "y": Y}, "x is an object array (pickle)"),
        ({"x": IMAGES, "y": [0, 1, 2, 0], "labels": ["a", "b"]}, "labels run from 0 to 2"),
        ({"x": IMAGES, "y": list("abca"), "labels": ["a", "b"]}, "label 'c' is not among"),
        ({"x": IMAGES, "y": [0, 1, 1, 0], "labels": list("abc")}, "class 'c' has no examples"),
        ({"x": IMAGES * 2.0, "y": Y}, "float64 from 0 to 286"),
        ({"x": IMAGES - 9.5, "y": Y}, "float64 from -9.5"),
        ({"x": np.where(IMAGES == 40, np.nan, 0), "y": Y}, "x[1] holds NaN"),
        ({"x": IMAGES > 3, "y": Y}, "must be uint8 images, got bool"),
        ({"x": IMAGES[:, None], "y": Y}, "x.transpose(0, 2, 3, 1)"),
        ({"x": np.zeros((4, 6, 6, 4), np.uint8), "y": Y}, "[4, 6, 6, 4]"),
        ({"x": SOUNDS.astype(int), "y": Y}, "sounds [n, samples] an array rate_hz"),
        ({"x": SOUNDS, "y": Y, "rate_hz": 0.5}, "rate_hz must be one whole number"),
        ({"x": SOUNDS, "y": Y, "rate_hz": 8}, "rate of 8 Hz"),
        ({"x": SOUNDS + 2, "y": Y, "rate_hz": 8_000}, "must lie in -1..1"),
        ({"x": SOUNDS * np.nan, "y": Y, "rate_hz": 8_000}, "x[0] holds NaN"),
        ({"x": SOUNDS[..., None], "y": Y, "rate_hz": 8_000}, "must be mono float32 [n, samples]"),
        ({"x": SOUNDS.astype(np.int16), "y": Y, "rate_hz": 8_000}, "divide 16-bit samples"),
    ],
)
def test_unusable_npz_files_are_refused(
    tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    assert message in refusal(npz(tmp_path, **arrays))


@pytest.mark.parametrize("body", [b"", b"\x80\x04no archive"])
def test_a_file_that_is_no_npz_is_corrupt(tmp_path: Path, body: bytes) -> None:
    write(tmp_path, {"task.npz": body})
    assert "is no .npz archive" in refusal(tmp_path / "task.npz", CorruptFileError)


@pytest.mark.parametrize("cut", [True, False])
def test_damaged_npz_files_are_corrupt(tmp_path: Path, cut: bool) -> None:
    path = npz(tmp_path, x=IMAGES, y=Y)
    body = bytearray(path.read_bytes())
    body[200] ^= 255
    path.write_bytes(body[:-50] if cut else body)
    refusal(path, CorruptFileError)


# --- Parquet


def parquet(tmp_path: Path, columns: dict[str, Any], metadata: bytes | None = None) -> Path:
    table = pa.table(columns)
    if metadata is not None:
        table = table.replace_schema_metadata({b"huggingface": metadata})
    pq.write_table(table, tmp_path / "task.parquet")
    return tmp_path / "task.parquet"


PNGS = [image_bytes(value) for value in (30, 10, 20)]
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
