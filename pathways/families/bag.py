"""A small text model: the mean of the tokens' learned vectors, then one hidden layer.

As fastText's classifier (Joulin et al. 2016) with a hidden layer; the order of tokens is not seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pathways.families.base import Body
from pathways.signature import Signature

_PADDING = 0


@dataclass(frozen=True, kw_only=True)
class BagOptions:
    embedding: int = 64
    """Numbers in the vector of a token."""
    hidden: int = 128
    """Units of the hidden layer."""


class BagBody(Body):
    """Token ids → mean of their vectors, padding left out → Linear → ReLU."""

    modalities = ("text",)
    Options = BagOptions
    vectorises = False

    def __init__(self, signature: Signature, options: BagOptions) -> None:
        super().__init__(signature, options)
        self.width = options.hidden
        self.vectors = nn.EmbeddingBag(
            signature.vocabulary, options.embedding, mode="mean", padding_idx=_PADDING
        )
        self.layer = nn.Linear(options.embedding, options.hidden)

    def prepare(self, x: Tensor) -> Tensor:
        return x

    def forward(self, prepared: Tensor) -> Tensor:
        with torch.autocast(prepared.device.type, enabled=False):  # sums over long texts
            mean = self.vectors(prepared)
        hidden: Tensor = self.layer(mean).relu()
        return hidden
