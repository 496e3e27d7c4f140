"""Parting a task's data for a revision: what it trains on, and what decides about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pathways.data.task import TaskData
from pathways.errors import DataError
from pathways.learning import LearnConfig, divide
from pathways.revising.known import data_of
from pathways.revising.proof import repeated
from pathways.spec import PathwaySpec

FEWEST = 20
"""Held-out examples, below which nothing is decided."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """No input is in both."""

    train: TaskData
    held_out: TaskData
    share: float
    """What was set aside of the data; 0 if the held-out examples came from elsewhere."""


def part(
    spec: PathwaySpec,
    data: TaskData,
    held_out: TaskData | None,
    share: float,
    shots: int | None = None,
) -> Parts:
    """Part the data of a learned task.

    Without `held_out`, the examples are set aside that were when the version in service was
    learned, if `data` are what it was learned from; `share` of them if it set none aside. Then
    `shots` examples a class are taken from the rest (None: all). Raises DataError if the data are
    not of this task, too few, or held out and trained on at once.
    """
    data = data_of(spec, data)
    if held_out is None:
        parts = _divided(spec, data, share, shots)
    else:
        held_out = data_of(spec, held_out, "held-out data")
        _check_apart(data, held_out)
        rng = np.random.default_rng(spec.training.seed)
        train = data.shots(shots, rng) if shots else data
        parts = Parts(train=train, held_out=held_out, share=0.0)
    if len(parts.held_out) < FEWEST:
        raise DataError(
            f"{len(parts.held_out)} held-out examples are too few to judge a version of {spec.id} "
            f"by; give at least {FEWEST}"
        )
    return parts


def halves(held_out: TaskData, seed: int) -> tuple[TaskData, TaskData]:
    """Two parts of held-out data: one to search with, one to confirm what was found."""
    first, second = held_out.split(0.5, np.random.default_rng(seed))
    if second is None or len(second) < FEWEST:
        raise DataError(
            f"{len(held_out)} held-out examples are too few to search with one half and confirm "
            f"with the other; give at least {2 * FEWEST}, and two of every class"
        )
    return first, second


def _divided(spec: PathwaySpec, data: TaskData, share: float, shots: int | None) -> Parts:
    share = spec.training.held_out_share or share
    how = LearnConfig(held_out_share=share, seed=spec.training.seed, shots=shots)
    examples = divide(data, how)
    if examples.held_out is None:
        raise DataError(
            f"{len(data)} examples are too few to hold {share:g} of every class out: the smallest "
            f"class has {int(data.counts().min())}; give held-out data of their own"
        )
    return Parts(
        train=examples.train,
        held_out=_without_twins(examples.held_out, examples.train),
        share=share,
    )


def _without_twins(held_out: TaskData, train: TaskData) -> TaskData:
    """Data may hold an input twice; it then cannot be held out."""
    rows = np.flatnonzero(~repeated(held_out, train))
    if len(np.unique(held_out.y[rows])) < len(held_out.labels):
        raise DataError(
            f"of {len(held_out)} examples set aside, {len(held_out) - len(rows)} are in the "
            "training data a second time, among them all of one class; remove the doubles"
        )
    return held_out.take(rows)


def _check_apart(data: TaskData, held_out: TaskData) -> None:
    twins = repeated(held_out, data)
    if twins.any():
        raise DataError(
            f"{int(twins.sum())} of {len(held_out)} held-out examples are in the training data, "
            f"the first of them example {int(twins.argmax())}; held-out examples must be others"
        )
