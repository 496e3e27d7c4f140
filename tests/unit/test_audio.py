"""Decoding sounds and fitting them to a signature."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import soundfile

from pathways.data.audio import decode_audio, fit_audio
from pathways.errors import CorruptFileError, DataError, SignatureError
from pathways.signature import audio_signature, image_signature


def encode(wave: np.ndarray, rate_hz: int = 8_000, kind: str = "WAV", **options: Any) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, wave, rate_hz, format=kind, **options)
    return buffer.getvalue()


def tone(hz: float, seconds: float, rate_hz: int = 8_000) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate_hz)) / rate_hz)).astype(
        np.float32
    )


@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
def test_mono_keeps_its_samples(kind: str) -> None:
    wave, rate_hz = decode_audio(encode(tone(440, 0.1), 16_000, kind))
    assert rate_hz == 16_000
    assert wave.dtype == np.float32
    assert wave.shape == (800,)
    assert np.abs(wave - tone(440, 0.1)).max() < 1e-4


def test_channels_are_averaged() -> None:
    stereo = np.stack([np.full(10, 0.5), np.full(10, -0.25)], axis=1)
    wave, _ = decode_audio(encode(stereo, subtype="FLOAT"))
    assert wave.tolist() == [0.125] * 10


def test_long_sounds_are_read_whole() -> None:
    wave, _ = decode_audio(encode(tone(100, 20)))
    assert wave.shape == (160_000,)
    assert np.abs(wave - tone(100, 20)).max() < 1e-4


def test_float_files_are_clipped() -> None:
    wave, _ = decode_audio(encode(np.array([2.0, -3.0, 0.5]), subtype="FLOAT"))
    assert wave.tolist() == [1, -1, 0.5]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "neither WAV nor FLAC"),
        (b"ID3 or noise", "neither WAV nor FLAC"),
        (b"RIFF\x04\x00\x00\x00WAVE", "cannot be decoded"),
        (encode(tone(440, 0.1))[:900], "cut off: 900 bytes of 1644"),
        (encode(tone(440, 1), kind="FLAC")[:900], "cannot be decoded"),
    ],
)
def test_damaged_bytes_are_named(body: bytes, message: str) -> None:
    with pytest.raises(CorruptFileError, match=rf"dog/7\.wav .*{message}"):
        decode_audio(body, name="dog/7.wav")


def test_a_streamed_wav_of_unknown_length_is_read() -> None:
    body = bytearray(encode(tone(440, 0.1)))
    body[4:8] = body[40:44] = b"\xff\xff\xff\xff"
    assert decode_audio(bytes(body))[0].shape == (800,)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_is_refused(value: float) -> None:
    body = encode(np.array([0, value]), subtype="FLOAT")
    with pytest.raises(DataError, match=r"x\.wav holds NaN"):
        decode_audio(body, name="x.wav")


def test_empty_sound_is_refused() -> None:
    with pytest.raises(DataError, match=r"x\.wav is empty"):
        decode_audio(encode(np.zeros(0)), name="x.wav")


def test_length_is_limited() -> None:
    body = encode(tone(440, 1))
    assert len(decode_audio(body, max_s=1)[0]) == 8_000
    with pytest.raises(DataError, match=r"x\.wav is longer than 0\.5 s"):
        decode_audio(body, name="x.wav", max_s=0.5)


@pytest.mark.parametrize("rate_hz", [10, 500_000])
def test_odd_rates_are_refused(rate_hz: int) -> None:
    with pytest.raises(DataError, match=f"rate of {rate_hz} Hz"):
        decode_audio(encode(tone(440, 0.1), rate_hz))


def test_a_fitting_sound_is_left_as_it_is() -> None:
    fitted, notes = fit_audio(tone(440, 1), 8_000, audio_signature())
    assert np.array_equal(fitted, tone(440, 1))
    assert notes == ()


def test_short_sounds_are_padded_at_the_end() -> None:
    fitted, notes = fit_audio(tone(440, 0.25), 8_000, audio_signature())
    assert fitted.shape == (8_000,)
    assert fitted.dtype == np.float32
    assert np.array_equal(fitted[:2_000], tone(440, 0.25))
    assert not fitted[2_000:].any()
    assert notes == ()


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 4_000])
def test_resampling_keeps_the_tone(rate_hz: int) -> None:
    fitted, notes = fit_audio(tone(440, 1, rate_hz), rate_hz, audio_signature())
    assert fitted.dtype == np.float32
    assert np.abs(fitted - tone(440, 1))[200:-200].max() < 0.01
    assert notes == (f"resampled {rate_hz} Hz to 8000 Hz",)


def test_resampling_stays_in_range() -> None:
    square = np.sign(tone(100, 1, 16_000) + np.float32(1e-3))
    fitted, _ = fit_audio(square, 16_000, audio_signature())
    assert np.abs(fitted).max() == 1


def test_cutting_keeps_the_loudest_window() -> None:
    wave = np.zeros(18_400, np.float32)
    wave[9_000:17_000] = tone(440, 1)
    fitted, notes = fit_audio(wave, 8_000, audio_signature())
    # A sine may start with a zero: the windows that skip it are as loud.
    assert np.abs(fitted - tone(440, 1)).max() < 0.2
    assert np.sum(fitted**2) == pytest.approx(np.sum(tone(440, 1) ** 2))
    assert notes == ("cut from 2.3 s to 1.0 s",)


def test_cutting_silence_keeps_its_start() -> None:
    fitted, notes = fit_audio(np.zeros(8_080, np.float32), 8_000, audio_signature())
    assert not fitted.any()
    assert notes == ("cut from 1.01 s to 1.0 s",)


def test_all_changes_are_noted() -> None:
    _, notes = fit_audio(tone(440, 1.5, 16_000), 16_000, audio_signature(samples=4_000))
    assert notes == ("resampled 16000 Hz to 8000 Hz", "cut from 1.5 s to 0.5 s")


@pytest.mark.parametrize(
    ("wave", "rate_hz", "error", "message"),
    [
        (np.zeros((2, 8), np.float32), 8_000, SignatureError, r"got float32 \[2, 8\]"),
        (np.zeros(8), 8_000, SignatureError, "got float64"),
        (np.zeros(0, np.float32), 8_000, DataError, "empty"),
        (np.full(8, np.nan, np.float32), 8_000, DataError, "NaN"),
        (np.zeros(8, np.float32), 0, DataError, "rate of 0 Hz"),
    ],
)
def test_what_is_no_sound_is_refused(
    wave: Any, rate_hz: int, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        fit_audio(wave, rate_hz, audio_signature())


def test_an_image_signature_is_refused() -> None:
    with pytest.raises(SignatureError, match="image-28x28x1 is expected"):
        fit_audio(tone(440, 1), 8_000, image_signature())
