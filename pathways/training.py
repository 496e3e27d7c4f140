"""Minimising the loss on one task's data (Algorithm 1, step 5)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pathways.augmentation import vary
from pathways.errors import DataError
from pathways.families import Body
from pathways.model import PathwayModel
from pathways.transfer import Source

_WARM_UP = 0.1  # share of the steps over which the learning rate rises to its peak
_LEAST_SCHEDULE = 20  # steps; of a schedule that is all peak OneCycleLR makes nonsense


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Budget and optimiser of one task (Adam, one-cycle learning rate)."""

    epochs: int = 10
    """Passes over the data, unless `min_steps` asks for more."""
    min_steps: int = 300
    """Gradient steps at least, so that few-shot tasks are trained as well as large ones."""
    batch_size: int = 128
    """Examples a step at most; the last batch of an epoch is no smaller than the others."""
    learning_rate: float = 3e-3
    """At its peak, after a tenth of the steps; from there it falls to zero."""
    augment: bool = False
    """Whether every example is changed a little, and differently, each time it is seen."""
    mixed_precision: bool = False
    """Whether layers compute in bfloat16 during training; weights stay float32. Convolutions
    take half the time on processors with bfloat16 matrix units, and longer on others."""
    own_loss_weight: float = 0.5
    """Share of the loss that asks a linked pathway's own head to be right alone, so that it
    can lend its hidden units to later tasks without its own source. On validation data capital
    letters that start from small ones alone are right 7 points more often with 0.5 than with 0.3
    (two seeds), and the small letters, learned in full, 0.2 points less often."""

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

    def steps_for(self, examples: int) -> int:
        """Steps in one epoch of so many examples."""
        return math.ceil(examples / self.batch_size)

    def epochs_for(self, examples: int) -> int:
        """Epochs that give at least `min_steps` steps on so many examples."""
        return max(self.epochs, math.ceil(self.min_steps / self.steps_for(examples)))


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far training is after an epoch, or fitting after a part of it."""

    epoch: int
    epochs: int
    loss: float
    """Mean loss of the epoch, nats; NaN of what is fitted."""
    accuracy: float
    """Share of training examples that were right during the epoch, 0..1; of numbers the share of
    their variance that was explained, or 0; NaN until a model is fitted."""
    unit: str = "epoch"
    """What is counted: `epoch`, or what a fitted family is made of, for example `tree`."""


Objective = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Rows int64 [b] of the training data → (loss to minimise, raw outputs [b, width] of the rows)."""

Right = Callable[[Tensor, Tensor], Tensor]
"""Raw outputs [b, width], what was wanted [b] → how many are right."""


def _right_classes(logits: Tensor, y: Tensor) -> Tensor:
    return (logits.argmax(dim=1) == y).sum()


def minimise(
    parameters: Iterable[nn.Parameter],
    objective: Objective,
    y: Tensor,
    config: TrainConfig,
    report: Callable[[Progress], None],
    right_of: Right = _right_classes,
) -> Progress:
    """Minimise `objective` over the rows of `y` [n]: classes int64, or what `right_of` takes.

    Draws the order of the rows from torch's global generator, which the caller seeds, on the CPU
    wherever the rows are.
    """
    epochs, steps = config.epochs_for(len(y)), config.steps_for(len(y))
    optimiser, schedule = one_cycle(parameters, config, epochs * steps)
    for epoch in range(1, epochs + 1):
        loss_sum = right = torch.zeros((), device=y.device)
        # Of equal size: a last batch of a single example has no variance to normalise by.
        for rows in torch.randperm(len(y)).to(y.device).tensor_split(steps):
            loss, raw = objective(rows)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            loss_sum = loss_sum + loss.detach() * len(rows)
            right = right + right_of(raw.detach(), y[rows])
        progress = Progress(
            epoch=epoch,
            epochs=epochs,
            loss=float(loss_sum) / len(y),
            accuracy=max(0.0, float(right) / len(y)),
        )
        report(progress)
    return progress


def one_cycle(
    parameters: Iterable[nn.Parameter], config: TrainConfig, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Adam and the learning rate of each of so many steps."""
    optimiser = torch.optim.Adam(parameters, lr=config.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        config.learning_rate,
        total_steps=max(steps + 1, _LEAST_SCHEDULE),
        pct_start=_WARM_UP,
        anneal_strategy="linear",
        cycle_momentum=False,
    )
    return optimiser, schedule


def train(
    model: PathwayModel,
    x: Tensor,
    y: Tensor,
    source: Source | None,
    config: TrainConfig,
    report: Callable[[Progress], None],
) -> Progress:
    """Train every parameter of `model`; the source stays as it is and is only read.

    x: raw inputs [n, *shape]; y: classes int64 [n], or numbers float32 [n]. Draws from torch's
    global generator.
    """
    read = Reading(model, x, source, config)

    def objective(rows: Tensor) -> tuple[Tensor, Tensor]:
        raw, own = read(rows)
        return label_loss(raw, own, y[rows], model, config), raw

    model.train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return minimise(trained, objective, y, config, report, model.output.right)


def hidden_units(body: Body, prepared: Tensor, config: TrainConfig) -> Tensor:
    """Hidden units float32 [n, width] of a body that is trained, computed as `config` says."""
    with torch.autocast(prepared.device.type, torch.bfloat16, enabled=config.mixed_precision):
        hidden: Tensor = body(prepared)
    return hidden.float()


class Reading:
    """A model over inputs to train on, which are changed at random where the budget says so."""

    def __init__(
        self, model: PathwayModel, x: Tensor, source: Source | None, config: TrainConfig
    ) -> None:
        """x: raw inputs [n, *shape]."""
        self._model = model
        self._inputs = (_VariedInputs if config.augment else _FixedInputs)(x, model.body, source)
        self._config = config

    def __call__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(raw outputs, those of the own head alone), [b, width] each, of rows int64 [b]."""
        prepared, lent = self._inputs(rows)
        own = self._model.head(hidden_units(self._model.body, prepared, self._config))
        return self._model.combine(own, lent), own


class _FixedInputs:
    """What a body reads and what the source says to it, computed once for all epochs."""

    def __init__(self, x: Tensor, body: Body, source: Source | None) -> None:
        self._prepared = body.prepare(x)
        self._lent = source.hidden(x) if source else None

    def __call__(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        return self._prepared[rows], None if self._lent is None else self._lent[rows]


class _VariedInputs:
    """The same of inputs that are changed at random each time; body and source see one change."""

    def __init__(self, x: Tensor, body: Body, source: Source | None) -> None:
        self._x, self._body, self._source = x, body, source

    def __call__(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        x = vary(self._x[rows], self._body.signature)
        # A clone may be kept for the backward pass; what inference mode made may not.
        lent = self._source.hidden(x).clone() if self._source else None
        return self._body.prepare(x), lent


def label_loss(
    raw: Tensor, own: Tensor, y: Tensor, model: PathwayModel, config: TrainConfig
) -> Tensor:
    """The loss on what is known of the rows, in nats; of a linked pathway also that of its own head
    alone."""
    loss = model.output.loss(raw, y)
    if model.link is None:
        return loss
    weight = config.own_loss_weight
    return (1 - weight) * loss + weight * model.output.loss(own, y)
