"""Spoken digits from a source and a filter: glottal pulses and noise shaped by formants.

Clips are made in batches. Each has tracks of pitch, loudness and formants, one value a frame;
the source's short-time spectrum is multiplied by the formants' response and added back up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pathways.data.embedded.phonemes import WORDS, Sound
from pathways.signature import DEFAULT_CLIP_SAMPLES, DEFAULT_RATE_HZ

_HOP = 80  # 10 ms, the time in which a mouth hardly moves
_WINDOW = 4 * _HOP
_FRAMES = DEFAULT_CLIP_SAMPLES // _HOP + 3  # frame f is centred on sample (f - 1) * _HOP
_FRAME_S = (np.arange(_FRAMES) - 1) * _HOP / DEFAULT_RATE_HZ
_BANDWIDTH_HZ = (70.0, 100.0, 150.0, 250.0)
_BATCH = 64  # clips made at once: bounds the work arrays to some 30 MB

# Pitch in Hz and length of the throat (a factor on the formants) of a small choir.
_SPEAKERS = (
    (96.0, 0.90), (112.0, 0.96), (128.0, 1.00), (145.0, 0.98),
    (172.0, 1.08), (198.0, 1.13), (224.0, 1.17), (255.0, 1.24),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Tracks:
    """How one batch of clips moves, a value for each clip and frame."""

    formants: NDArray[np.float32]
    """[n, frames, 4], Hz."""

    voice: NDArray[np.float32]
    noise: NDArray[np.float32]
    """Loudness of both sources [n, frames]."""

    band: NDArray[np.float32]
    """Middle and spread of the noise [n, frames, 2], Hz."""

    pitch: NDArray[np.float32]
    """[n, frames], Hz."""


def spoken_clips(per_class: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """`per_class` clips of each digit in turn: float32 [n, 8000] in -1..1, one second at 8 kHz."""
    digits = np.repeat(np.arange(len(WORDS)), per_class)
    batches = np.split(digits, range(_BATCH, len(digits), _BATCH))
    return np.concatenate([_clips(batch, rng) for batch in batches])


def _clips(digits: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float32]:
    tracks = _stacked([_track(WORDS[digit], rng) for digit in digits])
    n = len(digits)
    wave = _filtered(_pulses(tracks.pitch), _voice_response(tracks))
    wave += _filtered(rng.normal(0.0, 1.0, wave.shape), _noise_response(tracks))
    wave /= np.abs(wave).max(axis=1, keepdims=True)
    hum = rng.normal(0.0, 1.0, wave.shape) * 10 ** rng.uniform(-3.0, -1.0, (n, 1))
    loud = 10 ** rng.uniform(-0.9, -0.05, (n, 1))
    return np.clip((wave + hum) * loud, -1.0, 1.0).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class _Timing:
    """When the sounds of one utterance are heard, in seconds."""

    start_s: float
    end_s: float

    knots: NDArray[np.float64]
    """The first and last moment of each sound [2 * sounds]."""

    def over(self, values: ArrayLike) -> NDArray[np.float64]:
        """Values at the knots, read at every frame: [frames]."""
        return np.interp(_FRAME_S, self.knots, np.asarray(values, np.float64))

    def fading(self, values: ArrayLike) -> NDArray[np.float64]:
        """Like `over`, but 0 before and after the utterance."""
        inner = np.asarray(values, np.float64)
        at = np.concatenate([[self.start_s - 0.008], self.knots, [self.end_s + 0.03]])
        return np.interp(_FRAME_S, at, np.pad(inner, 1))


def _timing(word: tuple[Sound, ...], rng: np.random.Generator) -> _Timing:
    tempo = np.exp(rng.normal(0.12, 0.15))
    spans = np.array([s.ms for s in word]) * tempo * np.exp(rng.normal(0.0, 0.18, len(word))) / 1e3
    spans *= min(1.0, 0.9 / spans.sum())
    start = rng.uniform(0.02, 0.98 - spans.sum())
    ends = start + np.cumsum(spans)
    # Both edges of a sound are knots a little inside it, so neighbours blend over some 20 ms.
    inset = np.minimum(0.012, spans / 3)
    knots = np.stack([ends - spans + inset, ends - inset], axis=1).ravel()
    return _Timing(start_s=start, end_s=float(ends[-1]), knots=knots)


def _track(word: tuple[Sound, ...], rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    """One speaker's way to say `word`, at every frame: formants [frames, 3], others [frames]."""
    pitch_hz, throat = _SPEAKERS[int(rng.integers(len(_SPEAKERS)))]
    pitch_hz *= np.exp(rng.normal(0.0, 0.06))
    mouth = throat * np.exp(rng.normal(0.0, 0.03) + rng.normal(0.0, 0.075, 3))
    time = _timing(word, rng)
    formants = np.array([f for s in word for f in (s.start, s.end)]) * mouth
    fall = np.exp(rng.uniform(-0.35, 0.12) * np.linspace(-0.5, 0.5, len(formants)))
    tremor = np.exp(np.cumsum(rng.normal(0.0, 0.006, _FRAMES)))
    stress = np.exp(rng.normal(0.0, 0.25, (2, len(word))))
    return {
        "formants": np.stack([time.over(track) for track in formants.T], axis=1),
        "voice": time.fading(np.repeat([s.voice for s in word] * stress[0], 2)),
        "noise": time.fading(np.repeat([s.noise for s in word] * stress[1], 2)),
        "noise_hz": time.over(np.repeat([s.noise_hz for s in word], 2) * throat**0.5),
        "noise_width_hz": time.over(np.repeat([s.noise_width_hz for s in word], 2)),
        "pitch": time.over(pitch_hz * fall) * tremor,
    }


def _stacked(tracks: list[dict[str, NDArray[np.float64]]]) -> _Tracks:
    every = {name: np.stack([t[name] for t in tracks]).astype(np.float32) for name in tracks[0]}
    fourth = np.maximum(every["formants"][..., 2:] + 900.0, 3400.0)
    return _Tracks(
        formants=np.concatenate([every["formants"], fourth], axis=2),
        voice=every["voice"],
        noise=every["noise"],
        band=np.stack([every["noise_hz"], every["noise_width_hz"]], axis=-1),
        pitch=every["pitch"],
    )


def _pulses(pitch: NDArray[np.float32]) -> NDArray[np.float64]:
    """A pulse at each turn of the vocal cords, of unit power: [n, DEFAULT_CLIP_SAMPLES + pad]."""
    hz = np.repeat(pitch, _HOP, axis=1).astype(np.float64)
    turns = np.cumsum(hz / DEFAULT_RATE_HZ, axis=1)
    # The part of a turn by which a pulse falls between two samples is shared among both.
    whole = np.floor(turns)
    starts = np.diff(whole, axis=1, prepend=0.0) > 0
    late = np.where(starts, (turns - whole) * DEFAULT_RATE_HZ / hz, 0.0)
    height = np.where(starts, np.sqrt(DEFAULT_RATE_HZ / hz), 0.0)
    early = np.roll(height * late, -1, axis=1)
    return np.asarray(height * (1.0 - late) + early, np.float64)


def _bins() -> NDArray[np.float32]:
    return np.fft.rfftfreq(_WINDOW, 1 / DEFAULT_RATE_HZ).astype(np.float32)


def _voice_response(tracks: _Tracks) -> NDArray[np.float32]:
    """The vocal tract's gain at each frame and frequency: [n, frames, bins]."""
    hz = _bins()
    gain = tracks.voice[..., None] / (1.0 + (hz / 500.0) ** 2) ** 0.5  # the cords' own slope
    for i, width in enumerate(_BANDWIDTH_HZ):
        centre = tracks.formants[..., i, None]
        apart = (hz / centre) ** 2
        gain = gain / np.sqrt((1.0 - apart) ** 2 + apart * (width / centre) ** 2)
    return np.asarray(gain, np.float32)


def _noise_response(tracks: _Tracks) -> NDArray[np.float32]:
    """The gain of the turbulent air at each frame and frequency: [n, frames, bins]."""
    centre, width = tracks.band[..., :1], tracks.band[..., 1:]
    return np.asarray(
        tracks.noise[..., None] * 3.0 * np.exp(-0.5 * ((_bins() - centre) / width) ** 2), np.float32
    )


def _filtered(source: NDArray[np.float64], gain: NDArray[np.float32]) -> NDArray[np.float64]:
    """Shape `source` [n, frames * hop] by `gain` [n, frames, bins]; returns [n, 8000].

    Squared Hann windows a quarter of their length apart add up to a constant.
    """
    n = len(source)
    window = np.hanning(_WINDOW + 1)[:-1]
    padded = np.pad(source, ((0, 0), (_WINDOW // 2, _WINDOW)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW, axis=1)
    frames = frames[:, : _FRAMES * _HOP : _HOP] * window
    shaped = np.fft.irfft(np.fft.rfft(frames) * gain, _WINDOW) * (window / 1.5)
    out = np.zeros((n, (_FRAMES + 3) * _HOP))
    for quarter in range(4):
        part = shaped[..., quarter * _HOP : (quarter + 1) * _HOP].reshape(n, -1)
        out[:, quarter * _HOP : (quarter + _FRAMES) * _HOP] += part
    start = _WINDOW // 2 + _HOP
    return out[:, start : start + DEFAULT_CLIP_SAMPLES]
