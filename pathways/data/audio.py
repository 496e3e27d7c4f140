"""Sounds: bytes to mono float32 arrays, and arrays to a signature."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathways.data.changes import Change
from pathways.errors import CorruptFileError, DataError, SignatureError, TooLargeError
from pathways.signature import Signature

MIN_RATE_HZ, MAX_RATE_HZ = 1_000, 384_000

_MAGIC = (b"RIFF", b"RIFX", b"RF64", b"fLaC")
_BLOCK_FRAMES = 1 << 16
_UNKNOWN_FRAMES = 1 << 62
_STREAMED = 0x7FFFF000  # lengths from here on mean "not known when the header was written"


def decode_audio(
    body: bytes, *, name: str = "sound", max_s: float = 600, max_samples: int | None = None
) -> tuple[NDArray[np.float32], int]:
    """A WAV or FLAC file as (mono float32 [samples] in -1..1, rate in Hz).

    Channels are averaged; float files are clipped to -1..1. Raises CorruptFileError when
    `body` cannot be decoded, TooLargeError when it is longer than `max_s` seconds or has more
    than `max_samples`, DataError when it is empty, holds NaN or has an unusable rate; all name
    `name`.
    """
    import soundfile

    _check_container(body, name)
    try:
        with soundfile.SoundFile(io.BytesIO(body)) as file:
            rate_hz = check_rate(int(file.samplerate), name)
            _check_length(file.frames, rate_hz, name, max_s, max_samples)
            wave = _read_mono(file, name, max_s, max_samples)
    except soundfile.SoundFileError as error:
        raise CorruptFileError(
            f"{name} cannot be decoded as WAV or FLAC ({_reason(error)}); replace or remove it"
        ) from error
    check_wave(wave, name)
    return np.clip(wave, -1, 1), rate_hz


def _check_container(body: bytes, name: str) -> None:
    """Refuse what libsndfile would take too kindly: noise read as MP3, and cut-off WAV files."""
    if not body.startswith(_MAGIC):
        raise CorruptFileError(
            f"{name} is neither WAV nor FLAC (it starts with {body[:4]!r}); convert or remove it"
        )
    size = int.from_bytes(body[4:8], "little") if body.startswith(b"RIFF") else 0
    # One byte of slack: some writers count the padding of the last chunk and leave it out.
    if size < _STREAMED and len(body) + 1 < size + 8:
        raise CorruptFileError(
            f"{name} is cut off: {len(body)} bytes of {size + 8}; copy it again or remove it"
        )


def _reason(error: Exception) -> str:
    """libsndfile's own sentence; soundfile's prefix names a memory address."""
    return str(error).rsplit(": ", 1)[-1].rstrip(".")


def _check_length(
    frames: int, rate_hz: int, name: str, max_s: float, max_samples: int | None
) -> None:
    if frames >= _UNKNOWN_FRAMES:
        return  # it was streamed: known only once read
    if frames > max_s * rate_hz:
        raise TooLargeError(f"{name} is longer than {max_s:g} s; cut it into shorter sounds")
    if max_samples is not None and frames > max_samples:
        raise TooLargeError(
            f"{name} has more samples than the limit of {max_samples}; cut it into shorter sounds"
        )


def _read_mono(file: Any, name: str, max_s: float, max_samples: int | None) -> NDArray[np.float32]:
    """All frames, averaged over channels [samples]; in blocks, as a FLAC head may lie."""
    blocks: list[NDArray[np.float32]] = []
    frames = 0
    while len(block := file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)):
        frames += len(block)
        _check_length(frames, file.samplerate, name, max_s, max_samples)
        blocks.append(block.mean(axis=1, dtype=np.float32))
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def check_rate(rate_hz: int, name: str) -> int:
    """`rate_hz` itself; raises DataError naming `name` if it is no sampling rate."""
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise DataError(
            f"{name} has a rate of {rate_hz} Hz; sounds of {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz "
            "can be used"
        )
    return rate_hz


def check_wave(wave: NDArray[np.float32], name: str) -> None:
    """Raises DataError naming `name` if the wave [samples] is empty or not finite."""
    if wave.size == 0:
        raise DataError(f"{name} is empty (no samples); replace or remove it")
    if not np.isfinite(wave).all():
        raise DataError(f"{name} holds NaN or infinite samples; repair or remove it")


def fit_audio(
    wave: NDArray[np.float32], rate_hz: int, signature: Signature
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """A wave float32 [samples] at `rate_hz` in the signature's shape, with notes on changes.

    Resampled if the rates differ; zeros are added at the end of a short wave, without a note;
    of a long one the loudest window is kept. Raises SignatureError if the signature or the
    wave's shape does not suit, DataError for an empty or non-finite wave.
    """
    fitted, changes = change_audio(wave, rate_hz, signature)
    return fitted, tuple(change.note for change in changes)


def change_audio(
    wave: NDArray[np.float32], rate_hz: int, signature: Signature
) -> tuple[NDArray[np.float32], tuple[Change, ...]]:
    """As `fit_audio`, with structured changes."""
    if signature.modality != "audio":
        raise SignatureError(
            f"a sound was given where {signature.key} is expected; send {signature.noun} instead"
        )
    if wave.dtype != np.float32 or wave.ndim != 1:
        raise SignatureError(
            f"a sound must be mono float32 [samples], got {wave.dtype} {list(wave.shape)}; "
            "convert it first"
        )
    check_wave(wave, "the sound")
    check_rate(rate_hz, "the sound")
    wave, resampled = _resample(wave, rate_hz, signature.rate_hz)
    wave, cut = _to_length(wave, signature)
    return wave, resampled + cut


def _resample(
    wave: NDArray[np.float32], before_hz: int, after_hz: int
) -> tuple[NDArray[np.float32], tuple[Change, ...]]:
    if before_hz == after_hz:
        return wave, ()
    from scipy.signal import resample_poly

    changed = np.asarray(resample_poly(wave, after_hz, before_hz), dtype=np.float32)
    change = Change(
        note=f"resampled {before_hz} Hz to {after_hz} Hz",
        verb="resampled",
        result=f"{after_hz} Hz",
    )
    return np.clip(changed, -1, 1), (change,)  # the filter overshoots at steep edges


def _to_length(
    wave: NDArray[np.float32], signature: Signature
) -> tuple[NDArray[np.float32], tuple[Change, ...]]:
    wanted = signature.shape[0]
    if len(wave) <= wanted:
        return np.pad(wave, (0, wanted - len(wave))), ()
    start = _loudest(wave, wanted)
    before, after = (_seconds(n / signature.rate_hz) for n in (len(wave), wanted))
    change = Change(note=f"cut from {before} to {after}", verb="cut", result=after)
    return wave[start : start + wanted].copy(), (change,)


def _loudest(wave: NDArray[np.float32], window: int) -> int:
    """Where the window with the most energy starts; the first of equals."""
    # Exact sums of 16-bit samples: rounding must not prefer one silent window to another.
    energy = np.cumsum(np.pad(np.rint(wave * 32_768).astype(np.int64) ** 2, (1, 0)))
    return int(np.argmax(energy[window:] - energy[:-window]))


def _seconds(duration_s: float) -> str:
    """`1.0 s`, `2.28 s`: up to three decimals, at least one."""
    whole, decimals = f"{duration_s:.3f}".split(".")
    return f"{whole}.{decimals.rstrip('0') or '0'} s"
