"""Decoding images and fitting them to a signature."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pathways.data.images import decode_image, fit_image
from pathways.errors import CorruptFileError, DataError, SignatureError
from pathways.signature import audio_signature, image_signature


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def ramp(height: int = 3, width: int = 4) -> np.ndarray:
    return (np.arange(height * width, dtype=np.uint8) * 20).reshape(height, width)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_grey_keeps_one_channel_and_its_values(kind: str) -> None:
    decoded = decode_image(encode(Image.fromarray(ramp()), kind))
    assert decoded.dtype == np.uint8
    assert np.array_equal(decoded, ramp()[..., None])


@pytest.mark.parametrize(("kind", "off"), [("PNG", 0), ("WEBP", 0), ("JPEG", 6)])
def test_rgb_keeps_three_channels(kind: str, off: int) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    decoded = decode_image(encode(Image.new("RGB", (4, 3), (10, 100, 200)), kind, **options))
    assert decoded.shape == (3, 4, 3)
    assert np.abs(decoded.astype(int) - [10, 100, 200]).max() <= off


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palette_becomes_rgb(kind: str) -> None:
    paletted = Image.new("RGB", (4, 3), (10, 100, 200)).quantize(4)
    assert decode_image(encode(paletted, kind))[0, 0].tolist() == [10, 100, 200]


def test_alpha_lies_on_black() -> None:
    half = Image.new("RGBA", (1, 1), (200, 100, 50, 128))
    assert decode_image(encode(half))[0, 0].tolist() == [100, 50, 25]
    clear = Image.new("LA", (1, 1), (200, 0))
    assert decode_image(encode(clear)).tolist() == [[[0]]]


def test_transparent_colour_lies_on_black() -> None:
    body = encode(Image.new("L", (1, 1), 7), transparency=7)
    assert decode_image(body).tolist() == [[[0]]]


def test_bilevel_becomes_black_and_white() -> None:
    assert decode_image(encode(Image.new("1", (1, 1), 1))).tolist() == [[[255]]]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled(kind: str) -> None:
    deep = np.array([[0, 257, 32_768, 65_535]], np.uint16)
    assert decode_image(encode(Image.fromarray(deep), kind))[..., 0].tolist() == [[0, 1, 128, 255]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0, 0.5, 1], [0, 128, 255]), ([0, 100, 255], [0, 100, 255]), ([0, 65_535], [0, 255])],
)
def test_float_grey_is_scaled_by_the_smallest_range_that_holds_it(
    values: list[float], expected: list[int]
) -> None:
    body = encode(Image.fromarray(np.array([values], np.float32)), "TIFF")
    assert decode_image(body)[..., 0].tolist() == [expected]


@pytest.mark.parametrize(
    ("value", "message"), [(-1, "unknown scale"), (1e6, "unknown scale"), (np.nan, "NaN")]
)
def test_unusable_float_grey_is_refused(value: float, message: str) -> None:
    body = encode(Image.fromarray(np.full((2, 2), value, np.float32)), "TIFF")
    with pytest.raises(DataError, match=f"odd.tif .*{message}"):
        decode_image(body, name="odd.tif")


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise to see it upright
    decoded = decode_image(encode(Image.fromarray(ramp()), exif=exif))
    assert np.array_equal(decoded[..., 0], np.rot90(ramp(), -1))


@pytest.mark.parametrize("body", [b"", b"no image at all", encode(Image.fromarray(ramp()))[:50]])
def test_damaged_bytes_are_named(body: bytes) -> None:
    with pytest.raises(CorruptFileError, match=r"cat/3\.png cannot be decoded"):
        decode_image(body, name="cat/3.png")


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns of odd TIFF tags
def test_any_damage_is_a_pathways_error() -> None:
    body = encode(Image.fromarray(ramp()), "TIFF")
    rng = np.random.default_rng(0)
    for _ in range(100):
        damaged = bytearray(body)
        damaged[rng.integers(len(body))] = rng.integers(256)
        try:
            assert decode_image(bytes(damaged)).dtype == np.uint8
        except DataError as error:
            assert str(error).startswith("image ")


def test_formats_that_run_other_programs_are_not_opened() -> None:
    with pytest.raises(CorruptFileError, match="not a known image format"):
        decode_image(encode(Image.new("RGB", (4, 4)), "EPS"))


def bomb(width: int, height: int) -> bytes:
    """A PNG that claims to be huge and has no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT\x35\xaf\x06\x1e"


@pytest.mark.parametrize("side", [8_000, 100_000])
def test_bombs_are_refused_before_decoding(side: int) -> None:
    with pytest.raises(
        DataError, match=r"big\.png has .* pixels.* the limit of 50000000"
    ) as caught:
        decode_image(bomb(side, side), name="big.png")
    assert not isinstance(caught.value, CorruptFileError)


def test_max_pixels_is_the_callers() -> None:
    body = encode(Image.fromarray(ramp()))
    assert decode_image(body, max_pixels=12).shape == (3, 4, 1)
    with pytest.raises(DataError, match="4x3 pixels, more than the limit of 11"):
        decode_image(body, max_pixels=11)


def test_a_fitting_image_is_left_alone() -> None:
    image = ramp()[..., None]
    fitted, notes = fit_image(image, image_signature(3, 4, 1))
    assert fitted is image
    assert notes == ()


def test_rgb_to_grey_by_luma() -> None:
    image = np.full((2, 2, 3), [255, 0, 0], np.uint8)
    fitted, notes = fit_image(image, image_signature(2, 2, 1))
    assert fitted.tolist() == np.full((2, 2, 1), 76).tolist()
    assert notes == ("RGB to grey",)


def test_grey_to_rgb_repeats_the_values() -> None:
    fitted, notes = fit_image(ramp()[..., None], image_signature(3, 4, 3))
    assert np.array_equal(fitted, np.repeat(ramp()[..., None], 3, axis=2))
    assert notes == ("grey to RGB",)


def test_resize_keeps_the_picture() -> None:
    image = np.zeros((56, 56, 1), np.uint8)
    image[:, 28:] = 200
    fitted, notes = fit_image(image, image_signature())
    assert fitted.shape == (28, 28, 1)
    assert fitted.dtype == np.uint8
    assert fitted[:, :13].max() == 0
    assert fitted[:, 15:].min() == 200
    assert notes == ("resized 56x56 to 28x28",)


def test_all_changes_are_noted() -> None:
    _, notes = fit_image(np.zeros((30, 28, 3), np.uint8), image_signature())
    assert notes == ("RGB to grey", "resized 30x28 to 28x28")


@pytest.mark.parametrize("shape", [(28, 32, 1), (32, 28, 1), (1, 28, 1)])
def test_another_aspect_ratio_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(SignatureError, match=f"{shape[0]}x{shape[1]} .*28x28.*crop or pad"):
        fit_image(np.zeros(shape, np.uint8), image_signature())


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((28, 28), np.uint8), r"got uint8 \[28, 28\]"),
        (np.zeros((28, 28, 4), np.uint8), r"got uint8 \[28, 28, 4\]"),
        (np.zeros((28, 28, 1), np.float32), "got float32"),
        (np.zeros((0, 28, 1), np.uint8), "0x28 pixels is empty"),
    ],
)
def test_what_is_no_image_is_refused(image: Any, message: str) -> None:
    with pytest.raises(SignatureError, match=message):
        fit_image(image, image_signature())


def test_unsuitable_signatures_are_refused() -> None:
    with pytest.raises(SignatureError, match="audio-8000hz-8000 is expected"):
        fit_image(ramp()[..., None], audio_signature())
    with pytest.raises(SignatureError, match="cannot become one of 2"):
        fit_image(ramp()[..., None], image_signature(3, 4, 2))
