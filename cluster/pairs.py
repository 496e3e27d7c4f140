"""Queries of two inputs: a batch of them is decided and run as any other, then each is given one
answer (together.py)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cluster.batches import BATCH_ROWS, Network, Parts, compute, fit_all
from cluster.coalesce import Coalescer, in_place
from cluster.inputs import Input
from cluster.messages import Answer
from cluster.meter import Meter
from cluster.registry import Registry
from cluster.together import activated, answer_pair, named_notes, pair_up, word
from dispatcher import Decision
from pathways import Inputs, Signature

Sides = Sequence[tuple[str, Inputs]]
"""Signature key and inputs [n, ...], for each signature that is asked."""

Choose = Callable[[list[list[Decision]]], list[list[Decision]]]
"""Narrows what was decided for the inputs of each signature."""


class Dispatching(Protocol):
    """What pairs need of a dispatcher."""

    @property
    def served(self) -> Network: ...

    def signature_for(self, observed: Signature, task: str | None = None) -> Signature: ...

    async def dispatch(
        self, network: Network, sides: Sides, choose: Choose
    ) -> tuple[list[list[Decision]], list[list[Parts]]]: ...

    def count(self, registry: Registry, decisions: Sequence[Decision]) -> None: ...


@dataclass(frozen=True, eq=False)
class _Asked:
    """The pairs of one request whose inputs have these two signatures."""

    keys: tuple[str, str]
    sides: tuple[NDArray[Any], NDArray[Any]]
    """[n, ...] each: the firsts and the seconds of n pairs."""
    words: tuple[str, str]
    """What to call them."""
    told: tuple[str, str] | None
    """The tasks they go to, where the caller says so."""


class Pairs:
    """Answers pairs of inputs that show the same thing."""

    def __init__(self, dispatcher: Dispatching, meter: Meter) -> None:
        self._dispatcher = dispatcher
        self._meter = meter
        self._together: Coalescer[_Asked, list[Answer]] = Coalescer(
            self._answer_batch, size=lambda asked: len(asked.sides[0]), most=BATCH_ROWS
        )

    async def answer(
        self, pairs: Sequence[Sequence[Input]], told: Mapping[str, str]
    ) -> list[Answer]:
        """An answer to each pair, in their order; told: modality → task, where that was said.

        Raises as NetworkDispatcher.answer does.
        """
        ordered = [sorted(pair, key=word) for pair in pairs]
        groups: dict[tuple[Signature, ...], list[int]] = {}
        for row, pair in enumerate(ordered):
            groups.setdefault(tuple(given.observed for given in pair), []).append(row)
        alike = [[ordered[row] for row in rows] for rows in groups.values()]
        given = await asyncio.gather(*(self._answer_alike(group, told) for group in alike))
        answers: dict[int, Answer] = {}
        for rows, found in zip(groups.values(), given, strict=True):
            answers.update(zip(rows, found, strict=True))
        return [answers[row] for row in range(len(pairs))]

    async def _answer_alike(
        self, pairs: Sequence[Sequence[Input]], told: Mapping[str, str]
    ) -> list[Answer]:
        """The same for pairs whose inputs have the same two types; told: modality → task."""
        columns = list(zip(*pairs, strict=True))
        observed = [column[0].observed for column in columns]
        tasks = [told.get(signature.modality) for signature in observed]
        signatures = [
            self._dispatcher.signature_for(signature, task)
            for signature, task in zip(observed, tasks, strict=True)
        ]
        fitted = [
            await compute(len(pairs), fit_all, column, signature)
            for column, signature in zip(columns, signatures, strict=True)
        ]
        words = [word(given) for given in pairs[0]]
        first, second = (np.stack([array for array, _ in side]) for side in fitted)
        keys = (signatures[0].key, signatures[1].key)
        pair = (tasks[0], tasks[1]) if tasks[0] and tasks[1] else None
        asked = _Asked(keys, (first, second), (words[0], words[1]), pair)
        given = await self._together(asked)
        answers = []
        for row, answer in enumerate(given):
            notes = named_notes({w: side[row][1] for w, side in zip(words, fitted, strict=True)})
            answers.append(replace(answer, notes=(*notes, *answer.notes)))
        return answers

    async def _answer_batch(self, batch: Sequence[_Asked]) -> Sequence[list[Answer] | Exception]:
        """One request's answers each; what fails for one leaves the others alone."""
        network = self._dispatcher.served
        groups: dict[tuple[tuple[str, str] | None, ...], list[int]] = {}
        for place, asked in enumerate(batch):
            groups.setdefault((asked.keys, asked.told), []).append(place)
        alike = [[batch[place] for place in places] for places in groups.values()]
        given = await asyncio.gather(
            *(self._run(network, group) for group in alike), return_exceptions=True
        )
        return in_place(groups.values(), given)

    async def _run(
        self, network: Network, batch: Sequence[_Asked]
    ) -> list[list[Answer] | Exception]:
        """The same for requests of the same two signatures, and tasks if they were told."""
        registry = network.view.registry
        sides = [
            (key, np.concatenate([asked.sides[side] for asked in batch]))
            for side, key in enumerate(batch[0].keys)
        ]
        of_noise = [await compute(len(sides[0][1]), network.novelty_of_noise, k) for k, _ in sides]
        decided, parts = await self._dispatcher.dispatch(
            network, sides, lambda decisions: pair_up(registry, decisions, of_noise, batch[0].told)
        )
        started = time.perf_counter()
        rows = iter(zip(*decided, *parts, strict=True))
        answers = [
            _answers(registry, list(islice(rows, len(asked.sides[0]))), asked) for asked in batch
        ]
        self._meter.stage("merge", time.perf_counter() - started)
        done = (given for given in answers if not isinstance(given, Exception))
        self._dispatcher.count(registry, [activated(answer) for given in done for answer in given])
        return answers


def _answers(
    registry: Registry,
    rows: Sequence[tuple[Decision, Decision, Parts, Parts]],
    asked: _Asked,
) -> list[Answer] | Exception:
    """The answers to one request's pairs, or why one of them could not be answered."""
    answers = []
    for first, second, *parts in rows:
        results = [next(iter(given.values()), None) for given in parts]
        if failed := [result for result in results if isinstance(result, Exception)]:
            return failed[0]
        pair, told = (first, second), asked.told is not None
        answers.append(answer_pair(registry, pair, results, asked.words, told=told))  # type: ignore[arg-type]
    return answers
