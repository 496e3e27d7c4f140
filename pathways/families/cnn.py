"""A small convolutional image model: three normalised convolutions, then one hidden layer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pathways.errors import FamilyError
from pathways.families.base import Body
from pathways.families.convolution import MIN_SIDE, convolutions
from pathways.signature import Signature


@dataclass(frozen=True, kw_only=True)
class CnnOptions:
    channels: int = 16
    """Filters of the first convolution; each further one has twice as many."""
    hidden: int = 128
    """Units of the hidden layer."""


class CnnBody(Body):
    """Pixels in 0..1 → three convolutions and a hidden layer (see `convolution`)."""

    modalities = ("image",)
    Options = CnnOptions
    units = "hidden"

    def __init__(self, signature: Signature, options: CnnOptions) -> None:
        super().__init__(signature, options)
        height, width, channels = signature.shape
        if min(height, width) < MIN_SIDE:
            raise FamilyError(
                f"family cnn needs images of at least {MIN_SIDE}x{MIN_SIDE} pixels, "
                f"got {signature.key}; use mlp"
            )
        self.width = options.hidden
        self.layers = convolutions((height, width), channels, options.channels, options.hidden)

    def prepare(self, x: Tensor) -> Tensor:
        pixels = x.permute(0, 3, 1, 2).float() / 255
        return pixels.contiguous(memory_format=torch.channels_last)

    def forward(self, prepared: Tensor) -> Tensor:
        hidden: Tensor = self.layers(prepared)
        return hidden
