"""The picture of a spoken word, from which loudness, microphone, pauses and pace are removed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pathways.families.mel import MelPower

_WINDOW_S = 0.032
_HOP_S = 0.010
_FLOOR = 1e-4  # power below which a band counts as silent
_RANGE = 10.0  # nepers of power below the loudest band that are heard; 43 dB
_SOUND = 1.2  # nepers above that range's lower end at which a frame counts as sound
_SCALE = 4.0  # brings log power to about -1..2


class WordPicture(nn.Module):
    """Waveforms float32 [n, samples] → pictures float32 [n, bands, frames]; nothing is learnt.

    0 is the mean of a band, or silence. The defaults are those of `melcnn`.
    """

    def __init__(self, *, rate_hz: int, bands: int = 24, frames: int = 48) -> None:
        super().__init__()
        self._frames = frames
        self._mel = MelPower(rate_hz=rate_hz, bands=bands, window_s=_WINDOW_S, hop_s=_HOP_S)

    def forward(self, waves: Tensor) -> Tensor:
        power: Tensor = self._mel(waves)
        spectrum = _below_the_loudest(power.clamp_min(_FLOOR).log().transpose(1, 2))
        return _without_band_means(_stretched(spectrum, self._frames)) / _SCALE


def _below_the_loudest(spectrum: Tensor) -> Tensor:
    """Log power [n, bands, frames] in 0.._RANGE, _RANGE at each recording's loudest place."""
    return (spectrum - spectrum.amax(dim=(1, 2), keepdim=True) + _RANGE).clamp_min(0)


def _stretched(spectrum: Tensor, frames: int) -> Tensor:
    """The part from the first to the last frame with sound, resampled linearly to `frames`."""
    last = spectrum.shape[2] - 1
    # Somewhere it is _RANGE, so there always is a frame with sound.
    sound = (spectrum > _SOUND).any(dim=1).int()  # [n, frames of the recording]
    start = sound.argmax(dim=1, keepdim=True)
    end = last + 1 - sound.flip(1).argmax(dim=1, keepdim=True)
    share = (torch.arange(frames, device=spectrum.device) + 0.5) / frames
    place = (start + (end - start) * share - 0.5).clamp(0, last)  # [n, frames]
    before = place.long()
    after = (before + 1).clamp_max(last)
    weight = (place - before)[:, None]
    return _frames_at(spectrum, before) * (1 - weight) + _frames_at(spectrum, after) * weight


def _frames_at(spectrum: Tensor, places: Tensor) -> Tensor:
    """spectrum [n, bands, any], places int64 [n, frames] → [n, bands, frames]."""
    return spectrum.gather(2, places[:, None].expand(-1, spectrum.shape[1], -1))


def _without_band_means(spectrum: Tensor) -> Tensor:
    """Less each band's mean over the frames with any sound, which carries the microphone's
    response (cepstral mean subtraction, Atal 1974); frames without any are 0.
    """
    heard = (spectrum > 0).any(dim=1, keepdim=True).float()
    mean = (spectrum * heard).sum(dim=2, keepdim=True) / heard.sum(dim=2, keepdim=True)
    return (spectrum - mean) * heard
