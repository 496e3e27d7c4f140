"""The paper's image model (§4.2): one hidden layer of 128 ReLU units on the raw pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor, nn

from pathways.families.base import Body
from pathways.signature import Signature


@dataclass(frozen=True, kw_only=True)
class MlpOptions:
    hidden: int = 128
    """Units of the hidden layer."""


class MlpBody(Body):
    """Pixels in 0..1 → Linear → ReLU."""

    modality = "image"
    Options = MlpOptions
    units = "hidden"

    def __init__(self, signature: Signature, options: MlpOptions) -> None:
        super().__init__(signature, options)
        self.width = options.hidden
        self.layer = nn.Linear(math.prod(signature.shape), options.hidden)

    def prepare(self, x: Tensor) -> Tensor:
        return x.flatten(1).float() / 255

    def forward(self, prepared: Tensor) -> Tensor:
        hidden: Tensor = self.layer(prepared).relu()
        return hidden
