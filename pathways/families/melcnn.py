"""A small convolutional audio model for few recordings a class: it reads a picture of the word
from which loudness, microphone, pauses and pace are removed beforehand.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pathways.errors import FamilyError
from pathways.families.base import Body
from pathways.families.convolution import MIN_SIDE, convolutions
from pathways.families.words import WordPicture
from pathways.signature import Signature

_SHIFT_BANDS, _SHIFT_FRAMES = 0.1, 0.15  # share of the picture
_ZOOM_BANDS, _ZOOM_FRAMES = 0.075, 0.15
_MASK = 0.2  # longest share of the bands, and of the frames, that is blanked
_DROPOUT = 0.2


@dataclass(frozen=True, kw_only=True)
class MelCnnOptions:
    bands: int = 24
    """Bands of the Mel spectrum: few, so that the voice's pitch leaves little trace."""
    frames: int = 48
    """Frames to which the part with sound is stretched."""
    channels: int = 16
    """Filters of the first convolution; each further one has twice as many."""
    hidden: int = 128
    """Units of the hidden layer."""


class MelCnnBody(Body):
    """Waveform → picture [bands, frames] → three convolutions and a hidden layer.

    In training, every picture is warped and partly blanked at random (SpecAugment, Park et
    al. 2019).
    """

    modalities = ("audio",)
    Options = MelCnnOptions
    units = "hidden"

    def __init__(self, signature: Signature, options: MelCnnOptions) -> None:
        super().__init__(signature, options)
        if min(options.bands, options.frames) < MIN_SIDE:
            raise FamilyError(
                f"family melcnn needs at least {MIN_SIDE} bands and frames, "
                f"got {options.bands} and {options.frames}"
            )
        self.width = options.hidden
        self._picture = WordPicture(
            rate_hz=signature.rate_hz, bands=options.bands, frames=options.frames
        )
        self.layers = convolutions(
            (options.bands, options.frames), 1, options.channels, options.hidden, _DROPOUT
        )

    def prepare(self, x: Tensor) -> Tensor:
        """Pictures float32 [n, 1, bands, frames]."""
        picture: Tensor = self._picture(x)
        return picture[:, None]

    def forward(self, prepared: Tensor) -> Tensor:
        pictures = _blanked(_warped(prepared)) if self.training else prepared
        hidden: Tensor = self.layers(pictures.contiguous(memory_format=torch.channels_last))
        return hidden


def _warped(pictures: Tensor) -> Tensor:
    """Shifted and scaled in both directions, bilinearly; what comes in at the edges is 0.

    Along the bands it stands for another length of the vocal tract (Jaitly and Hinton 2013).
    """
    n, zero = len(pictures), torch.zeros(len(pictures))
    across = torch.stack([1 + _uniform(n, _ZOOM_FRAMES), zero, _uniform(n, 2 * _SHIFT_FRAMES)])
    down = torch.stack([zero, 1 + _uniform(n, _ZOOM_BANDS), _uniform(n, 2 * _SHIFT_BANDS)])
    maps = torch.stack([across, down]).permute(2, 0, 1).to(pictures.device)
    grid = F.affine_grid(maps, list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, align_corners=False)


def _blanked(pictures: Tensor) -> Tensor:
    """With one run of bands and one of frames set to 0, the mean."""
    n, _, bands, frames = pictures.shape
    masked = _runs(n, bands)[:, None, :, None] | _runs(n, frames)[:, None, None, :]
    return pictures.masked_fill(masked.to(pictures.device), 0.0)


def _runs(n: int, size: int) -> Tensor:
    """bool [n, size]: true for a run of up to `_MASK` of the size, anywhere."""
    start = torch.rand(n, 1) * size
    places = torch.arange(size)
    return (places >= start) & (places < start + torch.rand(n, 1) * size * _MASK)


def _uniform(n: int, limit: float) -> Tensor:
    return (torch.rand(n) * 2 - 1) * limit
