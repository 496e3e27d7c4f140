"""Modules as users write them, good ones and bad ones, found by import path."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor, nn


class Conv(nn.Module):
    """Keeps the contract, with normalisation over the batch and a weight under two names."""

    def __init__(self, channels: int = 4, sizes: list[int] | None = None) -> None:
        super().__init__()
        width, kernel = sizes or [8, 3]
        self.conv = nn.Conv2d(1, channels, kernel, padding=kernel // 2)
        self.norm = nn.BatchNorm2d(channels)
        self.out = nn.LazyLinear(width)
        self.dropout = nn.Dropout(0.1)
        self.again = self.conv

    def forward(self, images: Tensor) -> Tensor:
        assert images.ndim == 4 and 0 <= float(images.min()) <= float(images.max()) <= 1
        hidden = nn.functional.max_pool2d(self.norm(self.conv(images)).relu(), 4)
        return self.out(self.dropout(hidden.flatten(1))).relu()


class Sound(nn.Module):
    """Reads [n, samples]."""

    def forward(self, waves: Tensor) -> Tensor:
        return waves.unflatten(1, (20, -1)).abs().mean(2)


class Returns(nn.Module):
    """Gives what it is told to give."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what
        self.layer = nn.Linear(784, 4)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.layer(images.flatten(1))
        if self.what == "raises":
            raise ZeroDivisionError("in the user's code")
        if self.what == "raises in training" and self.training:
            raise ZeroDivisionError("in the user's code")
        if self.what == "exits":
            sys.exit(3)
        if self.what == "noise":
            return hidden + torch.rand_like(hidden)
        if self.what == "nan":
            return hidden * float("nan")
        given = {
            "images": images,
            "one row": hidden[:1],
            "integers": hidden.int(),
            "tuple": (hidden, hidden),
            "double": hidden.double(),
            "grown": torch.cat([hidden, hidden], 1) if len(images) > 2 else hidden,
        }
        return given.get(self.what, hidden)  # type: ignore[return-value]


class Diverges(nn.Module):
    """Gradients that no learning rate stands."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(784, 4)

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.layer(images.flatten(1))
        return hidden * float("inf") if self.training else hidden


class Hidden(nn.Module):
    """Keeps what it computes with out of its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(784, 8)
        self.kept = torch.rand(8)

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.flatten(1)) * self.kept


class Stubborn(nn.Linear):
    """Takes no weights from outside."""

    def __init__(self) -> None:
        super().__init__(784, 4)

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.flatten(1))

    def load_state_dict(self, *given: Any, **named: Any) -> Any:
        raise ValueError("not from you")


class NoModule:
    """A class of another kind."""


def function() -> None:
    """No class."""
