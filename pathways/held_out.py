"""How good a new pathway is on the examples that were set aside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pathways.data.task import TaskData
from pathways.device import device_of
from pathways.model import PathwayModel, as_tensor, hidden_in_batches
from pathways.outputs import Number
from pathways.transfer import Source

NINETY = 1.6449
"""Standard deviations to either side of the mean that hold 90 % of a normal distribution."""

_ENOUGH = 20  # examples from which their errors tell how sure to be


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was found; None where there is nothing to find it with, or it does not apply."""

    accuracy: float | None = None
    r2: float | None = None
    rmse: float | None = None
    coverage: float | None = None
    """Share of the examples within the interval told to hold 90 %."""


def measure(model: PathwayModel, source: Source | None, data: TaskData) -> Measured:
    """Look at a trained model, with the source it reads, on examples it was not trained on."""
    answers = _answers(model, source, data)
    if data.values is None:
        return Measured(accuracy=float((answers.argmax(axis=1) == data.y).mean()))
    wanted = data.values.astype(np.float64)
    squares = (answers[:, 0] - wanted) ** 2
    return Measured(
        r2=float(1 - squares.sum() / ((wanted - wanted.mean()) ** 2).sum()),
        rmse=float(np.sqrt(squares.mean())),
        coverage=_coverage(_errors(answers, wanted)),
    )


def settle(model: PathwayModel, data: TaskData) -> None:
    """Stretch a number's deviations so that they are as large as its errors on these examples.

    A model that has seen few examples is too sure of what it learned by heart. One factor is fitted
    to all of them, so it is hardly the examples' own.
    """
    assert isinstance(model.output, Number) and data.values is not None
    if len(data) >= _ENOUGH:
        errors = _errors(_answers(model, None, data), data.values.astype(np.float64))
        model.output.stretch.fill_(float(np.sqrt((errors**2).mean())))


def _coverage(errors: NDArray[np.float64]) -> float:
    """Share within the 90 % interval, each judged by the factor that all others would have given.

    errors: [n] over the settled deviations, so that the mean of their squares is 1.
    """
    if len(errors) < _ENOUGH:
        return float((np.abs(errors) <= NINETY).mean())
    others = np.sqrt(((errors**2).sum() - errors**2) / (len(errors) - 1))
    return float((np.abs(errors) <= NINETY * others).mean())


def _errors(answers: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    return (wanted - answers[:, 0]) / answers[:, 1]


@torch.inference_mode()
def _answers(model: PathwayModel, source: Source | None, data: TaskData) -> NDArray[np.float64]:
    """float64 [n, width of the answer]"""
    x = as_tensor(data.x, device_of(model))
    own = model.head(hidden_in_batches(model.body, model.body.prepare(x)))
    given: Tensor = model.output(model.combine(own, source.hidden(x) if source else None))
    return given.cpu().numpy().astype(np.float64)
