"""Features of audio: a log-mel spectrogram pooled over time; then a random kernel map.

Mel bands and a logarithm are what speech recognition has long started from (Davis and
Mermelstein 1980). Levels are relative to the loudest frame, so the volume does not matter.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dispatcher.errors import FeatureError
from dispatcher.novelty import view_dim
from dispatcher.random_map import RandomFourier, RandomProjection

_WINDOW_S, _HOP_S = 0.032, 0.016
_N_BANDS, _N_SEGMENTS = 32, 8
_POOLED_DIM = 2 * _N_BANDS * _N_SEGMENTS
_LOWEST_HZ = 60.0
_FLOOR = 1e-6
"""Power below this share of the loudest (-60 dB) counts as silence."""

_BANDWIDTH = 1.3
_CHUNK = 256


class AudioFeatures:
    """Features of mono float32 clips [n, samples]."""

    def __init__(self, shape: tuple[int, ...], rate_hz: int, *, seed: int, dim: int) -> None:
        if len(shape) != 1 or shape[0] < 1 or rate_hz < 1_000:
            raise FeatureError(
                f"a clip has one size and a rate of 1,000 Hz or more, got {shape}, {rate_hz} Hz"
            )
        self._shape = shape
        self._dim = dim
        self._hop = round(_HOP_S * rate_hz)
        self._window = torch.hann_window(round(_WINDOW_S * rate_hz))
        self._bands = torch.from_numpy(_mel_bands(len(self._window), rate_hz))
        viewed = view_dim(dim)
        self._view = RandomProjection(_POOLED_DIM, viewed, seed)
        self._map = RandomFourier(_POOLED_DIM, dim - viewed, _BANDWIDTH, seed + 1)

    @property
    def dim(self) -> int:
        """Length of a feature vector."""
        return self._dim

    @torch.inference_mode()
    def __call__(self, x: NDArray[np.generic]) -> NDArray[np.float32]:
        """Features [n, dim] of a batch; raises FeatureError if it is of another shape."""
        if x.shape[1:] != self._shape or x.dtype != np.float32:
            raise FeatureError(
                f"expected float32 clips [n, {self._shape}], got {x.dtype} {x.shape}"
            )
        out = np.empty((len(x), self._dim), dtype=np.float32)
        for start in range(0, len(x), _CHUNK):
            pooled = self._pooled(x[start : start + _CHUNK])
            parts = [self._view(pooled), self._map(pooled)]
            out[start : start + _CHUNK] = torch.cat(parts, dim=1).numpy()
        return out

    def _pooled(self, x: NDArray[np.generic]) -> Tensor:
        """Unit vectors [n, _POOLED_DIM]: level and its change within each segment."""
        clips = torch.from_numpy(x.astype(np.float32))
        spectrum = torch.stft(
            F.pad(clips, (0, max(0, len(self._window) - clips.shape[1]))),
            n_fft=len(self._window),
            hop_length=self._hop,
            window=self._window,
            pad_mode="constant",
            return_complex=True,
        )
        power = self._bands @ spectrum.abs().square()
        loudest = power.amax(dim=(1, 2), keepdim=True).clamp_(min=1e-12)
        level = 1.0 + (power / loudest + _FLOOR).log10() / -np.log10(_FLOOR)
        mean = F.adaptive_avg_pool1d(level, _N_SEGMENTS)
        square = F.adaptive_avg_pool1d(level.square(), _N_SEGMENTS)
        spread = (square - mean.square()).clamp_(min=0.0).sqrt_()
        return F.normalize(torch.cat([mean, spread], dim=1).flatten(1), dim=1)


def _mel_bands(n_fft: int, rate_hz: int) -> NDArray[np.float32]:
    """Triangular bands [n_bands, n_fft // 2 + 1], evenly spaced on the mel scale."""
    hz = np.linspace(0.0, rate_hz / 2, n_fft // 2 + 1)
    lowest, highest = (2595.0 * np.log10(1.0 + f / 700.0) for f in (_LOWEST_HZ, rate_hz / 2))
    edges = 700.0 * (10.0 ** (np.linspace(lowest, highest, _N_BANDS + 2) / 2595.0) - 1.0)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (hz - low) / (centre - low), (high - hz) / (high - centre)
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)), dtype=np.float32)
