"""Fitting in place of training, for families that scikit-learn fits (Algorithm 1, step 5)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from pathways.data.task import TaskData
from pathways.errors import FamilyError
from pathways.families.fitted import FittedBody
from pathways.model import PathwayModel, as_tensor, freeze, hidden_in_batches
from pathways.outputs import Output
from pathways.training import Progress

if TYPE_CHECKING:
    from pathways.learning import LearnConfig


def fit(
    body: FittedBody, data: TaskData, config: LearnConfig, report: Callable[[Progress], None]
) -> tuple[PathwayModel, Progress]:
    """A model of the body's kind fitted to a task, and how far it came."""
    total = 0

    def step(done: int, of: int) -> None:
        nonlocal total
        total = of
        report(_progress(body, done, of, math.nan))

    x = as_tensor(data.x)
    found = body.fit(x, data.y, len(data.labels), config.seed, step)
    model = PathwayModel(found.body, len(data.labels))
    with torch.no_grad():
        model.head.weight.copy_(found.weight)
        model.head.bias.copy_(found.bias)
    freeze(model)
    last = _progress(body, total, total, _accuracy(model, data))
    report(last)
    return model, last


def check_fitting(config: LearnConfig, output: Output) -> None:
    """Raises FamilyError if the settings ask for what fitting cannot give."""
    family = config.family
    if output == "number":
        raise FamilyError(
            f"family {family} tells classes apart and cannot learn a number; take another family"
        )
    if config.shots == 0:
        raise FamilyError(
            f"family {family} has no hidden layer that links could lead to, so it cannot be "
            "learned from links alone; give it examples (shots of 1 or more), or take another "
            "family"
        )
    if config.train.augment or config.train.mixed_precision:
        asked = "augment" if config.train.augment else "mixed_precision"
        raise FamilyError(
            f"family {family} is fitted to the examples as they are; leave {asked} out"
        )


def _progress(body: FittedBody, done: int, of: int, accuracy: float) -> Progress:
    return Progress(epoch=done, epochs=of, loss=math.nan, accuracy=accuracy, unit=body.unit)


@torch.inference_mode()
def _accuracy(model: PathwayModel, data: TaskData) -> float:
    """Share of the examples it was fitted to that it gets right, 0..1."""
    logits = model.head(hidden_in_batches(model.body, model.body.prepare(as_tensor(data.x))))
    return float((logits.argmax(dim=1).numpy() == data.y).mean())
