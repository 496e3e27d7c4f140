"""What comes out of a pathway: probabilities of classes, or a number and how sure it is of it.

Either is a small module behind the head: how many raw outputs it takes, the loss on them, and how
they are read.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Output = Literal["classes", "number"]

_LOG_VARIANCES = (
    -8.0,
    4.0,
)  # of a standardised target: nothing is known better, or worse, than this
_BETA = 0.5


class Classes(nn.Module):
    """Raw outputs are logits."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.width = classes

    def forward(self, raw: Tensor) -> Tensor:
        """Probabilities [n, classes]."""
        return raw.softmax(dim=1)

    def loss(self, raw: Tensor, wanted: Tensor) -> Tensor:
        """Mean cross-entropy in nats; wanted int64 [n]."""
        return F.cross_entropy(raw, wanted)

    def right(self, raw: Tensor, wanted: Tensor) -> Tensor:
        """How many of the n are right."""
        return (raw.argmax(dim=1) == wanted).sum()


class Number(nn.Module):
    """Raw outputs are mean and log variance of the standardised target.

    The target's own mean and deviation, and a factor for the uncertainty, are buffers: they are in
    the weight file.
    """

    width = 2

    def __init__(self) -> None:
        super().__init__()
        self.centre: Tensor
        self.spread: Tensor
        self.stretch: Tensor
        self.register_buffer("centre", torch.zeros(()))
        self.register_buffer("spread", torch.ones(()))
        self.register_buffer("stretch", torch.ones(()))

    def measure(self, values: Tensor) -> None:
        """Standardise by these targets, float32 [n], from here on."""
        exact = values.double()
        self.centre.copy_(exact.mean())
        self.spread.copy_(exact.std(correction=0))

    def forward(self, raw: Tensor) -> Tensor:
        """Mean and standard deviation float32 [n, 2] in the target's own unit."""
        mean = raw[:, 0] * self.spread + self.centre
        deviation = (_log_variance(raw) / 2).exp() * self.spread * self.stretch
        return torch.stack([mean, deviation], dim=1)

    def loss(self, raw: Tensor, wanted: Tensor) -> Tensor:
        """Mean β-NLL (Seitzer et al. 2022) in nats; wanted float32 [n], in its own unit.

        The plain likelihood learns a mean slowly wherever it has declared much variance; weighing
        every example by its variance to the power β mends that.
        """
        variance = _log_variance(raw).exp()
        standard = (wanted - self.centre) / self.spread
        each = F.gaussian_nll_loss(raw[:, 0], standard, variance, reduction="none")
        return (each * variance.detach() ** _BETA).mean()

    def right(self, raw: Tensor, wanted: Tensor) -> Tensor:
        """n less the squared errors of the standardised target: over n, R²."""
        standard = (wanted - self.centre) / self.spread
        return len(raw) - (raw[:, 0] - standard).square().sum()


def _log_variance(raw: Tensor) -> Tensor:
    return raw[:, 1].clamp(*_LOG_VARIANCES)


def make_output(output: Output, labels: int) -> Classes | Number:
    """What reads the outputs of a task with so many labels."""
    return Number() if output == "number" else Classes(labels)
