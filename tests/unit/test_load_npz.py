"""Loading tasks from .npz files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pathways.data.load import load_task
from pathways.errors import CorruptFileError
from pathways.signature import audio_signature, image_signature
from tests.unit.task_files import IMAGES, Y, refusal, write


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
