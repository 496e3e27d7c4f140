"""Loading tasks from folders of images and of sounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from pathways.data.classes import ordered
from pathways.data.load import load_task
from pathways.errors import CorruptFileError, SignatureError, TooLargeError
from pathways.signature import Signature, audio_signature, image_signature
from tests.unit.task_files import image_bytes, refusal, sound_bytes, write

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
