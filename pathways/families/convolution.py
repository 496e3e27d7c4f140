"""The layers that the convolutional families share."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

_LAYERS = 3
MIN_SIDE = 2**_LAYERS
"""Pictures must have this many pixels each way, as every layer halves them."""


def convolutions(
    side: tuple[int, int], channels_in: int, channels: int, hidden: int, dropout: float = 0.0
) -> nn.Sequential:
    """Pictures [n, channels_in, *side] → ReLU units [n, hidden].

    Three times 3×3 convolution → 2×2 max pooling → normalisation → ReLU, with twice as many
    channels each time, then Linear → normalisation → ReLU; normalisation is over the batch
    (Ioffe and Szegedy 2015). Pooling comes first because everything after it then works on a
    quarter of the numbers.
    """
    sizes = [channels_in, *(channels * 2**i for i in range(_LAYERS))]
    pooled = sizes[-1] * (side[0] // MIN_SIDE) * (side[1] // MIN_SIDE)
    return nn.Sequential(
        *(_layer(*pair) for pair in pairwise(sizes)),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(pooled, hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
    ).to(memory_format=torch.channels_last)  # twice as fast on a CPU


def _layer(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    )
