"""Waveforms → power in bands of the Mel scale: the front end of the audio families.

torchaudio is imported here only, so that a slot of image pathways never loads it.
"""

from __future__ import annotations

import torch
import torchaudio.functional
from torch import Tensor, nn


class MelPower(nn.Module):
    """Short-time power spectrum in overlapping triangular Mel bands; nothing in it is learnt."""

    def __init__(self, *, rate_hz: int, bands: int, window_s: float, hop_s: float) -> None:
        super().__init__()
        self._window = 2 * round(rate_hz * window_s / 2)
        self._hop = max(1, round(rate_hz * hop_s))
        bank = torchaudio.functional.melscale_fbanks(
            n_freqs=self._window // 2 + 1,
            f_min=0.0,
            f_max=rate_hz / 2,
            n_mels=bands,
            sample_rate=rate_hz,
        )
        # Fixed by the sizes, so not part of the weight file.
        self._bank: Tensor
        self._hann: Tensor
        self.register_buffer("_bank", bank, persistent=False)
        self.register_buffer("_hann", torch.hann_window(self._window), persistent=False)

    def forward(self, waves: Tensor) -> Tensor:
        """Power float32 [n, frames, bands] of waveforms float32 [n, samples] of -1..1."""
        spectrum = torch.stft(
            waves, self._window, self._hop, window=self._hann, return_complex=True
        )  # [n, frequencies, frames]
        return spectrum.abs().square().transpose(1, 2) @ self._bank
