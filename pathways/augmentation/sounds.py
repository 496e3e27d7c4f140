"""Small random changes of recordings: another voice, another microphone, another room."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

_SPEED = 0.08  # share by which a recording gets faster or slower, and higher or lower with it
_TILT_NEPERS = 0.5  # standard deviation of the gain at a knot of the filter; 4.3 dB
_TILT_KNOTS = 8  # from 0 Hz to half the rate, with linear interpolation between them
_NOISE_DB = (25.0, 60.0)  # signal-to-noise ratio, lowest and highest


def vary(waves: Tensor, rate_hz: int) -> Tensor:
    """Waveforms float32 [n, samples] of -1..1, each played at another speed (Ko et al. 2015),
    through another smooth filter and with white noise added; of the same shape.

    No change depends on `rate_hz`. Draws from torch's global generator.
    """
    return _noisy(_filtered(_at_other_speeds(waves)))


def _at_other_speeds(waves: Tensor) -> Tensor:
    """Linear interpolation about the middle; what comes in at the ends is silence."""
    n, samples = waves.shape
    speed = (1 + (torch.rand(n, 1) * 2 - 1) * _SPEED).to(waves.device)
    middle = (samples - 1) / 2
    place = (torch.arange(samples, device=waves.device) - middle) * speed + middle  # [n, samples]
    inside = (place >= 0) & (place <= samples - 1)
    before = place.clamp(0, samples - 1).long()
    after = (before + 1).clamp_max(samples - 1)
    share = place - before
    return (waves.gather(1, before) * (1 - share) + waves.gather(1, after) * share) * inside


def _filtered(waves: Tensor) -> Tensor:
    """Without delay; the gain in nepers (log of the amplitude) is piecewise linear in frequency."""
    spectrum = torch.fft.rfft(waves)
    knots = (torch.randn(len(waves), 1, _TILT_KNOTS) * _TILT_NEPERS).to(waves.device)
    gain = F.interpolate(knots, spectrum.shape[1], mode="linear", align_corners=True)[:, 0]
    filtered: Tensor = torch.fft.irfft(spectrum * gain.exp(), n=waves.shape[1])
    return filtered


def _noisy(waves: Tensor) -> Tensor:
    """White noise of a power relative to the recording's mean power, so silence stays silence."""
    lowest, highest = _NOISE_DB
    ratio_db = lowest + (highest - lowest) * torch.rand(len(waves), 1)
    share = (10 ** (-ratio_db / 10)).to(waves.device)
    power = waves.square().mean(dim=1, keepdim=True) * share
    return waves + torch.randn_like(waves) * power.sqrt()
