"""Inputs as users give them: arrays and files, and what is said of those that cannot be read."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from PIL import Image

from cluster.inputs import Input, decode, fit, inputs_from_array, read_input
from pathways import CorruptFileError, DataError, SignatureError, audio_signature, image_signature

GREY = np.arange(28 * 28, dtype=np.uint8).reshape(28, 28)
WAVE = np.sin(np.arange(4_000) / 20).astype(np.float32) / 2


def image_file(kind: str, pixels: NDArray[np.uint8] = GREY) -> bytes:
    body = io.BytesIO()
    Image.fromarray(pixels).save(body, kind)
    return body.getvalue()


def sound_file(kind: str, rate_hz: int = 8_000, **how: Any) -> bytes:
    body = io.BytesIO()
    soundfile.write(body, WAVE, rate_hz, format=kind, **how)
    return body.getvalue()


# --- arrays -------------------------------------------------------------------------------------


def test_grey_images_get_a_channel() -> None:
    first, second = inputs_from_array(np.stack([GREY, GREY + 1]))
    assert first.array.shape == (28, 28, 1)
    assert first.observed == image_signature()
    np.testing.assert_array_equal(second.array[..., 0], GREY + 1)


def test_coloured_images_are_taken_as_they_are() -> None:
    (given,) = inputs_from_array(np.zeros((1, 20, 30, 3), np.uint8))
    assert given.observed == image_signature(20, 30, 3)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_float_images_lie_in_0_to_1(kind: type[np.floating[Any]]) -> None:
    (given,) = inputs_from_array(np.array([[[0.0, 0.5], [0.25, 1.0]]], kind))
    assert given.array[..., 0].tolist() == [[0, 128], [64, 255]]
    assert given.array.dtype == np.uint8


@pytest.mark.parametrize("kind", [np.int16, np.int64, np.uint16])
def test_whole_numbers_lie_in_0_to_255(kind: type[np.integer[Any]]) -> None:
    (given,) = inputs_from_array(np.array([[[0, 1], [2, 255]]], kind))
    assert given.array[..., 0].tolist() == [[0, 1], [2, 255]]


def test_yes_and_no_are_white_and_black() -> None:
    (given,) = inputs_from_array(np.array([[[True, False]]]))
    assert given.array[..., 0].tolist() == [[255, 0]]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_sounds_are_float_arrays_with_a_rate(kind: type[np.floating[Any]]) -> None:
    first, second = inputs_from_array(np.stack([WAVE, -WAVE]).astype(kind), rate_hz=8_000)
    assert first.observed == audio_signature(8_000, 4_000)
    assert second.array.dtype == np.float32
    np.testing.assert_array_equal(second.array, -WAVE)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (GREY, r"\[n, height, width, channels\], got \[28, 28\]; for sounds give rate_hz"),
        (np.zeros((1, 2, 3, 4, 5)), r"images must be an array .* got \[1, 2, 3, 4, 5\]"),
        (np.zeros((0, 28, 28), np.uint8), r"images must be an array .* got \[0, 28, 28\]"),
        (np.zeros((3, 0, 28), np.uint8), r"images must be an array .* got \[3, 0, 28\]"),
        (np.full((1, 2, 2), 1.5), r"integers in 0\.\.255 or floats in 0\.\.1, got float64 .* 1\.5"),
        (np.full((1, 2, 2), -0.1), r"floats in 0\.\.1, got float64 values in -0\.1\.\.-0\.1"),
        (np.full((1, 2, 2), 256), r"integers in 0\.\.255 .* got int64 values in 256\.\.256"),
        (np.full((1, 2, 2), -1), r"integers in 0\.\.255 .* got int64 values in -1\.\.-1"),
        (np.full((1, 2, 2), np.nan), "the images hold NaN or infinite values; remove or repair"),
        (np.full((1, 2, 2), np.inf), "the images hold NaN or infinite values"),
        (np.full((1, 2, 2), "a"), "images must be .* got <U1"),
        (np.full((1, 2, 2), None), "images must be .* got object"),
        (np.full((1, 2, 2), 1j), "images must be .* got complex128"),
    ],
)
def test_arrays_that_are_no_images_are_refused(array: NDArray[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        inputs_from_array(array)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (WAVE, r"must be a float array \[n, samples\], got float32 \[4000\]"),
        (np.zeros((1, 100, 2)), r"must be a float array \[n, samples\], got float64 \[1, 100, 2\]"),
        (np.zeros((1, 100), np.int16), r"must be a float array .* got int16 \[1, 100\]"),
        (np.zeros((0, 100)), r"must be a float array .* got float64 \[0, 100\]"),
        (np.zeros((2, 0)), r"must be a float array .* got float64 \[2, 0\]"),
        (np.full((1, 9), np.nan), "the sounds hold NaN or infinite values; remove or repair them"),
    ],
)
def test_arrays_that_are_no_sounds_are_refused(array: NDArray[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        inputs_from_array(array, rate_hz=8_000)


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_an_image_file_is_decoded(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"seven.{kind.lower()}"
    path.write_bytes(image_file(kind))
    given = read_input(path)
    np.testing.assert_array_equal(given.array[..., 0], GREY)
    assert given.rate_hz == 0


@pytest.mark.parametrize(
    ("kind", "how"), [("WAV", {}), ("FLAC", {}), ("WAV", {"endian": "BIG"}), ("RF64", {})]
)
def test_a_sound_file_is_known_by_its_content(kind: str, how: dict[str, str]) -> None:
    given = decode(sound_file(kind, 16_000, **how), "upload")
    assert given.observed == audio_signature(16_000, 4_000)
    np.testing.assert_allclose(given.array, WAVE, atol=1e-3)


def test_a_webp_image_is_no_sound_though_it_begins_like_one() -> None:
    body = image_file("WEBP", np.repeat(GREY[..., None], 3, axis=2))
    assert body[:4] == b"RIFF"
    assert decode(body).rate_hz == 0


def test_a_missing_file_is_named() -> None:
    with pytest.raises(DataError, match=r"cannot read none\.png: No such file or directory"):
        read_input("none.png")


def test_a_directory_is_no_input(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*: Is a directory"):
        read_input(tmp_path)


@pytest.mark.parametrize(
    ("name", "body", "message"),
    [
        ("a.png", b"", r"a\.png cannot be decoded"),
        ("a.png", b"no image", r"a\.png cannot be decoded \(not a known image format\)"),
        ("a.png", image_file("PNG")[:60], r"a\.png cannot be decoded"),
        ("a.wav", b"no sound", r"a\.wav is neither WAV nor FLAC .*; convert or remove it"),
        ("a.wav", sound_file("WAV")[:500], r"a\.wav is cut off: 500 bytes of 8044"),
        ("A.WAV", b"no sound", r"A\.WAV is neither WAV nor FLAC"),
        ("a.flac", sound_file("FLAC")[:50], r"a\.flac"),
    ],
    ids=["empty", "no image", "cut image", "no sound", "cut sound", "upper case", "cut flac"],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, body: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(body)
    with pytest.raises(DataError, match=message) as caught:
        read_input(path)
    assert isinstance(caught.value, CorruptFileError)


def test_an_empty_sound_is_named() -> None:
    body = io.BytesIO()
    soundfile.write(body, np.zeros(0, np.float32), 8_000, format="WAV")
    with pytest.raises(DataError, match=r"quiet\.wav is empty \(no samples\)"):
        decode(body.getvalue(), "quiet.wav")


# --- to a task's signature ----------------------------------------------------------------------


def test_an_input_that_fits_is_not_touched() -> None:
    (given,) = inputs_from_array(GREY[None])
    array, notes = fit(given, image_signature())
    assert array is given.array
    assert notes == ()


def test_what_is_converted_is_noted() -> None:
    given = Input(array=np.zeros((56, 56, 3), np.uint8))
    array, notes = fit(given, image_signature())
    assert array.shape == (28, 28, 1)
    assert notes == ("RGB to grey", "resized 56x56 to 28x28")


def test_a_sound_is_resampled_and_padded() -> None:
    array, notes = fit(Input(array=WAVE, rate_hz=16_000), audio_signature())
    assert array.shape == (8_000,)
    assert notes == ("resampled 16000 Hz to 8000 Hz",)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Input(array=np.zeros((28, 90, 1), np.uint8)), "aspect ratio is more than 10 % off"),
        (Input(array=np.zeros((28, 28, 4), np.uint8)), r"an image must be uint8 .* \[28, 28, 4\]"),
        (Input(array=WAVE, rate_hz=8_000), "a sound was given where image-28x28x1 is expected"),
    ],
)
def test_what_cannot_be_converted_is_refused(given: Input, message: str) -> None:
    with pytest.raises(SignatureError, match=message):
        fit(given, image_signature())


def test_an_image_is_no_sound() -> None:
    with pytest.raises(SignatureError, match="an image was given where audio-8000hz-8000 is"):
        fit(Input(array=GREY[..., None]), audio_signature())


def test_an_impossible_rate_is_refused() -> None:
    with pytest.raises(DataError, match="the sound has a rate of 10 Hz"):
        fit(Input(array=WAVE, rate_hz=10), audio_signature())
