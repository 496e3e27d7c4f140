"""Minimising the loss on one task's data (Algorithm 1, step 5)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pathways.errors import DataError
from pathways.model import PathwayModel


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Budget and optimiser of one task (Adam)."""

    epochs: int = 10
    """Passes over the data, unless `min_steps` asks for more."""
    min_steps: int = 300
    """Gradient steps at least, so that few-shot tasks are trained as well as large ones."""
    batch_size: int = 128
    learning_rate: float = 1e-3
    own_loss_weight: float = 0.3
    """Share of the loss that asks a linked pathway's own head to be right alone, so that it
    can lend its hidden units to later tasks without its own source."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise DataError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.min_steps < 0:
            raise DataError(f"min_steps must not be negative, got {self.min_steps}")
        if not self.learning_rate > 0:
            raise DataError(f"learning_rate must be above 0, got {self.learning_rate}")
        if not 0 <= self.own_loss_weight <= 1:
            raise DataError(f"own_loss_weight must lie in 0..1, got {self.own_loss_weight}")

    def epochs_for(self, examples: int) -> int:
        """Epochs that give at least `min_steps` steps on so many examples."""
        steps = math.ceil(examples / self.batch_size)
        return max(self.epochs, math.ceil(self.min_steps / steps))


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far training is after an epoch."""

    epoch: int
    epochs: int
    loss: float
    """Mean cross-entropy of the epoch, nats."""
    accuracy: float
    """Share of training examples that were right during the epoch, 0..1."""


def train(
    model: PathwayModel,
    prepared: Tensor,
    y: Tensor,
    source_hidden: Tensor | None,
    config: TrainConfig,
    report: Callable[[Progress], None],
) -> Progress:
    """Train every parameter of `model`; the source stays as it is (only its output comes in).

    prepared: [n, …]; y: int64 [n]; source_hidden: [n, source width] or None. Draws from
    torch's global generator, which the caller seeds.
    """
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    epochs = config.epochs_for(len(y))
    model.train()
    for epoch in range(1, epochs + 1):
        loss_sum = right = torch.zeros(())
        for rows in torch.randperm(len(y)).split(config.batch_size):
            source_rows = None if source_hidden is None else source_hidden[rows]
            own = model.head(model.body(prepared[rows]))
            logits = model.combine(own, source_rows)
            loss = _loss(logits, own, y[rows], model.link is not None, config)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            loss_sum = loss_sum + loss.detach() * len(rows)
            right = right + (logits.detach().argmax(dim=1) == y[rows]).sum()
        progress = Progress(
            epoch=epoch,
            epochs=epochs,
            loss=float(loss_sum) / len(y),
            accuracy=float(right) / len(y),
        )
        report(progress)
    return progress


def _loss(logits: Tensor, own: Tensor, y: Tensor, linked: bool, config: TrainConfig) -> Tensor:
    loss = F.cross_entropy(logits, y)
    if not linked:
        return loss
    weight = config.own_loss_weight
    return (1 - weight) * loss + weight * F.cross_entropy(own, y)
