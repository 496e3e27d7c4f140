"""What batches of inputs work with, whether each input asks alone or two ask together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import ParamSpec, TypeVar

from cluster.inputs import Input, fit
from cluster.messages import NetworkView
from cluster.running import Given
from dispatcher import Dispatcher
from pathways import Inputs, PathwayId, Signature
from pathways.frozen import probe_inputs

INLINE_ROWS = 48
"""Up to so many rows are computed in the event loop's own thread: handing them to another
costs more than the few milliseconds they take."""
BATCH_ROWS = 256
"""Inputs of one batch at most, but for a request that has more."""

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")

Parts = dict[str, Given]
"""Task → its class probabilities of one row [classes], or why there are none."""


@dataclass(frozen=True)
class Network:
    """One view with the dispatcher made from it; swapped whole."""

    view: NetworkView
    dispatcher: Dispatcher

    @cached_property
    def _of_noise(self) -> dict[str, float]:
        return {}  # filled when first wanted

    def novelty_of_noise(self, key: str) -> float:
        """How unlike everything of a signature pure noise is; takes milliseconds, once a view."""
        if key not in self._of_noise:
            noise = probe_inputs(Signature.parse(key)).numpy()
            novelty = [decision.novelty for decision in self.dispatcher.decide(key, noise)]
            self._of_noise[key] = median(novelty)
        return self._of_noise[key]


async def compute(
    rows: int, work: Callable[_Given, _Result], *given: _Given.args, **named: _Given.kwargs
) -> _Result:
    """Arithmetic over so many rows: here if it is over soon, else off the event loop."""
    if rows <= INLINE_ROWS:
        return work(*given, **named)
    return await asyncio.to_thread(work, *given, **named)


def fit_all(inputs: Sequence[Input], signature: Signature) -> list[tuple[Inputs, tuple[str, ...]]]:
    """Each input's array as tasks of `signature` read it, and notes on what was converted.

    Raises SignatureError.
    """
    return [fit(given, signature) for given in inputs]


def by_row(
    n: int,
    rows: Mapping[str, Sequence[int]],
    ids: Mapping[str, PathwayId],
    given: Mapping[PathwayId, Given],
) -> list[Parts]:
    """What pathways gave for their rows, as what each of n rows was given."""
    parts: list[Parts] = [{} for _ in range(n)]
    for task, its_rows in rows.items():
        result = given[ids[task]]
        for place, row in enumerate(its_rows):
            parts[row][task] = result if isinstance(result, Exception) else result[place]
    return parts
