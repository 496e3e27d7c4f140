"""A small convolutional image model: two convolutions with pooling, then one hidden layer."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from pathways.errors import FamilyError
from pathways.families.base import Body
from pathways.signature import Signature


@dataclass(frozen=True, kw_only=True)
class CnnOptions:
    channels: int = 16
    """Filters of the first convolution; the second has twice as many."""
    hidden: int = 128
    """Units of the hidden layer."""


class CnnBody(Body):
    """Pixels in 0..1 → (5×5 convolution → ReLU → 2×2 max pooling) twice → Linear → ReLU."""

    modality = "image"
    Options = CnnOptions

    def __init__(self, signature: Signature, options: CnnOptions) -> None:
        super().__init__(signature, options)
        height, width, channels = signature.shape
        if min(height, width) < 4:
            raise FamilyError(
                f"family cnn needs images of at least 4x4 pixels, got {signature.key}"
            )
        self.width = options.hidden
        self.layers = nn.Sequential(
            nn.Conv2d(channels, options.channels, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(options.channels, 2 * options.channels, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(2 * options.channels * (height // 4) * (width // 4), options.hidden),
            nn.ReLU(),
        )

    def prepare(self, x: Tensor) -> Tensor:
        return x.permute(0, 3, 1, 2).float() / 255

    def forward(self, prepared: Tensor) -> Tensor:
        hidden: Tensor = self.layers(prepared)
        return hidden
