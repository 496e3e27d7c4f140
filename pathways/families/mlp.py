"""The paper's image model (§4.2): one hidden layer of 128 ReLU units on the raw pixels; the same
on the standardised columns of a table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pathways.families.base import Body
from pathways.signature import Signature

_LARGEST = 1e30  # so that nothing becomes infinite on the way
_FARTHEST = 10.0  # deviations from the mean; what lies farther out counts as lying there


@dataclass(frozen=True, kw_only=True)
class MlpOptions:
    hidden: int = 128
    """Units of the hidden layer."""


class MlpBody(Body):
    """Pixels in 0..1, or columns of mean 0 and deviation 1 → Linear → ReLU."""

    modalities = ("image", "table")
    Options = MlpOptions
    units = "hidden"

    def __init__(self, signature: Signature, options: MlpOptions) -> None:
        super().__init__(signature, options)
        self.width = options.hidden
        # Columns have any scale; pixels have none of their own.
        table = signature.modality == "table"
        self.columns = Columns(signature.shape[0]) if table else None
        self.layer = nn.Linear(math.prod(signature.shape), options.hidden)

    def calibrate(self, x: Tensor) -> None:
        if self.columns is not None:
            self.columns.measure(x)

    def prepare(self, x: Tensor) -> Tensor:
        return x.flatten(1).float() / 255 if self.columns is None else x

    def forward(self, prepared: Tensor) -> Tensor:
        inputs = prepared if self.columns is None else self.columns(prepared)
        hidden: Tensor = self.layer(inputs).relu()
        return hidden


class Columns(nn.Module):
    """Standardises a table's columns by the mean and deviation of the training data.

    Part of `forward`, not of `prepare`: every pathway has its own, which a pack of them stacks.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))

    def measure(self, x: Tensor) -> None:
        """Take mean and deviation from float32 [n, features]; constant columns count as 0."""
        exact = x.double()
        deviation = exact.std(dim=0, correction=0)
        # Of a constant column nothing is left but rounding, which must not be blown up.
        constant = deviation <= 1e-6 * exact.abs().amax(dim=0)
        self.mean.copy_(exact.mean(dim=0))
        self.scale.copy_((1 / deviation).clamp_max(_LARGEST).masked_fill(constant, 0.0))

    def forward(self, x: Tensor) -> Tensor:
        """float32 [n, features] about -1..1."""
        finite = (x - self.mean).clamp(-_LARGEST, _LARGEST)
        return (finite * self.scale).clamp(-_FARTHEST, _FARTHEST)
