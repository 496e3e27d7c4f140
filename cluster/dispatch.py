"""The dispatcher on the cluster: from inputs to answers.

`NetworkDispatcher` is the plain class: it is told of every new network view and is given what
runs pathways. Serve's ingress replicas and the dispatcher actor of the Python client hold one
each. Requests that wait at the same moment are scored together and run together.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from cluster.coalesce import Coalescer
from cluster.errors import TaskUnavailable
from cluster.inputs import Batch, Input, fit
from cluster.messages import Activation, Answer, NetworkView, Value
from cluster.meter import Meter, NoMeter
from cluster.registry import Registry
from cluster.running import Given, Running
from dispatcher import (
    Blended,
    Decision,
    Dispatcher,
    SelectConfig,
    Snapshot,
    blend,
    gate,
    make_features,
    merge,
    rows_by_task,
)
from dispatcher.features import Features
from pathways import Inputs, PathwayId, Signature

INLINE_ROWS = 48
"""Up to so many rows are computed in the event loop's own thread: handing them to another
costs more than the few milliseconds they take."""
_BATCH_ROWS = 256
_CATCH_UP_S, _LOOK_S = 5.0, 0.005

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


_Parts = dict[str, Given]
"""Task → what its pathway says of one row: class probabilities [classes], or a number's mean and
deviation [2]; or why it says nothing."""


@dataclass(frozen=True)
class _Network:
    """One view with the dispatcher made from it; swapped whole."""

    view: NetworkView
    dispatcher: Dispatcher


@dataclass(frozen=True, eq=False)
class _Asked:
    """One request, or the part of it that has one signature."""

    key: str
    x: Inputs
    task: str | None


class NetworkDispatcher:
    """Answers inputs from the newest network view."""

    def __init__(self, config: SelectConfig, running: Running, meter: Meter | None = None) -> None:
        self._config = config
        self._running = running
        self._meter = meter or NoMeter()
        self._network: _Network | None = None
        self._together: Coalescer[_Asked, list[Answer]] = Coalescer(
            self._answer_together, size=lambda asked: len(asked.x), most=_BATCH_ROWS
        )
        self.used: Counter[PathwayId] = Counter()
        """Rows each pathway ran since somebody last took the count."""

    @property
    def view(self) -> NetworkView:
        """The network served now."""
        return self._served.view

    @property
    def _served(self) -> _Network:
        assert self._network is not None, "no network view was adopted yet"
        return self._network

    async def until(self, version: int) -> None:
        """Wait until the network served is no older than this: milliseconds, unless the controller
        does not answer."""
        waited_s = 0.0
        while self.view.registry.version < version and waited_s < _CATCH_UP_S:
            await asyncio.sleep(_LOOK_S)
            waited_s += _LOOK_S

    def adopt(self, view: NetworkView, snapshots: Mapping[str, Snapshot]) -> None:
        """Serve a newer network from now on; running requests end on the one they began with."""
        routes = {
            key: (features_for(Signature.parse(key), s.dim), s) for key, s in snapshots.items()
        }
        self._running.adopt(view)
        self._network = _Network(view, Dispatcher(routes, self._config, view.unavailable))

    def signature_for(self, observed: Signature, task: str | None = None) -> Signature:
        """The signature an input has to be converted to.

        Raises NoTaskFits, or UnknownTask if `task` is given and not known.
        """
        registry = self.view.registry
        if task is not None:
            return registry.entry(task).spec.signature
        known = registry.signatures
        return known[gate(observed, known.values())]

    async def answer(
        self, inputs: Sequence[Input] | Batch, task: str | None = None
    ) -> list[Answer]:
        """Answers to inputs as users give them, in their order; `task` given: no dispatching.

        Inputs are converted to the signature of the tasks they can go to, and each answer notes
        how. Raises NoTaskFits, SignatureError, UnknownTask, TaskUnavailable.
        """
        if isinstance(inputs, Batch):
            observed = inputs.observed
            if observed is not None and self.signature_for(observed, task) == observed:
                return await self.predict(observed, inputs.array, task)
            inputs = inputs.rows()
        answers: dict[int, Answer] = {}
        for signature, rows in self._by_signature(inputs, task).items():
            fitted = await _compute(len(rows), _fit_all, [inputs[row] for row in rows], signature)
            x = np.stack([array for array, _ in fitted])
            for row, answer, (_, notes) in zip(
                rows, await self.predict(signature, x, task), fitted, strict=True
            ):
                answers[row] = replace(answer, notes=notes) if notes else answer
        return [answers[row] for row in range(len(inputs))]

    def _by_signature(
        self, inputs: Sequence[Input], task: str | None
    ) -> dict[Signature, list[int]]:
        """The inputs by the signature that they have to be converted to."""
        wanted: dict[Signature, Signature] = {}
        groups: dict[Signature, list[int]] = {}
        for row, observed in enumerate(given.observed for given in inputs):
            if observed not in wanted:
                wanted[observed] = self.signature_for(observed, task)
            groups.setdefault(wanted[observed], []).append(row)
        return groups

    async def predict(
        self, signature: Signature, x: NDArray[Any], task: str | None = None
    ) -> list[Answer]:
        """Answers to typed inputs [n, *signature.shape]."""
        if task is not None:
            self._check_available(self.view, task)
        return await self._together(_Asked(signature.key, x, task)) if len(x) else []

    def _check_available(self, view: NetworkView, task: str) -> None:
        view.registry.entry(task)
        if reason := view.unavailable.get(task):
            raise TaskUnavailable(f"task {task} cannot be served: {reason}")

    async def _answer_together(self, batch: Sequence[_Asked]) -> list[list[Answer] | Exception]:
        """One answer a request; what fails for one leaves the others alone."""
        network = self._served
        groups: dict[tuple[str, bool], list[int]] = {}
        for place, asked in enumerate(batch):
            groups.setdefault((asked.key, asked.task is None), []).append(place)
        alike = [[batch[place] for place in places] for places in groups.values()]
        given = await asyncio.gather(
            *(self._answer_alike(network, group) for group in alike), return_exceptions=True
        )
        answers: dict[int, list[Answer] | Exception] = {}
        for places, found in zip(groups.values(), given, strict=True):
            if isinstance(found, BaseException):
                found = [_as_error(found)] * len(places)
            answers.update(zip(places, found, strict=True))
        return [answers[place] for place in range(len(batch))]

    async def _answer_alike(
        self, network: _Network, batch: Sequence[_Asked]
    ) -> list[list[Answer] | Exception]:
        """The same for requests of one signature, either all told their task or none."""
        x = batch[0].x if len(batch) == 1 else np.concatenate([asked.x for asked in batch])
        if batch[0].task is None:
            decisions, parts = await self._dispatch(network, batch[0].key, x)
        else:
            told = [Decision((asked.task,), (1.0,), 0.0) for asked in batch if asked.task]
            decisions = [d for d, asked in zip(told, batch, strict=True) for _ in asked.x]
            parts = await self._run(network.view, decisions, x)
        started = time.perf_counter()
        ends = np.cumsum([len(asked.x) for asked in batch]).tolist()
        starts = [0, *ends[:-1]]
        answers = [
            _answers(network.view.registry, decisions[start:end], parts[start:end])
            for start, end in zip(starts, ends, strict=True)
        ]
        self._meter.stage("merge", time.perf_counter() - started)
        self._count(network.view.registry, decisions)
        return answers

    def _count(self, registry: Registry, decisions: Sequence[Decision]) -> None:
        """Tell the meter what these inputs activated."""
        activated = Counter(() if d.unknown else d.tasks for d in decisions)
        self._meter.unknown(activated.pop((), 0))
        by_task: Counter[str] = Counter()
        share = 0.0
        for tasks, rows in activated.items():
            share += rows * registry.active_share(registry.entry(task).id for task in tasks)
            by_task.update(dict.fromkeys(tasks, rows))
        if known := activated.total():
            self._meter.share(share / known, known)
        for task, rows in by_task.items():
            self._meter.activated(task, rows)

    async def _dispatch(
        self, network: _Network, key: str, x: Inputs
    ) -> tuple[list[Decision], list[_Parts]]:
        """Decide and run; a task found unavailable is passed over, as a newer view will say."""
        dispatcher = network.dispatcher
        self._meter.batch(len(x))
        while True:
            started = time.perf_counter()
            decisions = await _compute(len(x), dispatcher.decide, key, x)
            self._meter.stage("route", time.perf_counter() - started)
            parts = await self._run(network.view, decisions, x)
            away = {t for p in parts for t, r in p.items() if isinstance(r, TaskUnavailable)}
            if not away:
                return decisions, parts
            dispatcher = dispatcher.without(away)

    async def _run(
        self, view: NetworkView, decisions: Sequence[Decision], x: Inputs
    ) -> list[_Parts]:
        """For each row, what each of its pathways says."""
        rows = rows_by_task(decisions)
        ids = {task: view.registry.entry(task).id for task in rows}
        self.used.update({ids[task]: len(its_rows) for task, its_rows in rows.items()})
        groups = {ids[task]: x if len(its) == len(x) else x[its] for task, its in rows.items()}
        given = await self._running.run(groups)
        parts: list[_Parts] = [{} for _ in decisions]
        for task, its_rows in rows.items():
            result = given[ids[task]]
            for place, row in enumerate(its_rows):
                parts[row][task] = result if isinstance(result, Exception) else result[place]
        return parts


async def _compute(
    rows: int, work: Callable[_Given, _Result], *given: _Given.args, **named: _Given.kwargs
) -> _Result:
    """Arithmetic over so many rows: here if it is over soon, else off the event loop."""
    if rows <= INLINE_ROWS:
        return work(*given, **named)
    return await asyncio.to_thread(work, *given, **named)


def _fit_all(inputs: Sequence[Input], signature: Signature) -> list[tuple[Inputs, tuple[str, ...]]]:
    return [fit(given, signature) for given in inputs]


@lru_cache(maxsize=16)  # megabytes each, drawn in some milliseconds
@lru_cache(maxsize=64)
def features_for(signature: Signature, dim: int | None = None) -> Features:
    """The router's fixed features of a signature; the same in every process.

    dim: their length where a router has been made with them.
    """
    return make_features(signature.modality, signature.shape, signature.rate_hz, dim=dim)


def _as_error(error: BaseException) -> Exception:
    """An error that belongs to requests; what ends the process is passed on."""
    if isinstance(error, Exception):
        return error
    raise error


def _answers(
    registry: Registry,
    decisions: Sequence[Decision],
    parts: Sequence[_Parts],
) -> list[Answer] | Exception:
    """One request's answers, or why one of its inputs could not be answered."""
    answers = []
    for decision, given in zip(decisions, parts, strict=True):
        if failed := [result for result in given.values() if isinstance(result, Exception)]:
            return failed[0]
        answers.append(_merged(registry, decision, given))  # type: ignore[arg-type]
    return answers


def _value(blended: Blended) -> Value:
    return Value(**vars(blended))


def _merged(
    registry: Registry, decision: Decision, given: Mapping[str, NDArray[np.float32]]
) -> Answer:
    if decision.unknown:
        return Answer(
            probabilities=(), activated=(), unknown=True, network_version=registry.version
        )
    entries = [registry.entry(task) for task in decision.tasks]
    chosen = list(zip(entries, decision.weights, strict=True))
    classes, numbers = [], []
    for entry, weight in chosen:
        spec, said = entry.spec, given[entry.id.task]
        if spec.output == "number":
            numbers.append((weight, spec.labels[0], float(said[0]), float(said[1])))
        else:
            classes.append((weight, spec.labels, said))
    return Answer(
        probabilities=tuple(merge(classes)) if classes else (),
        values=tuple(map(_value, blend(numbers))),
        activated=tuple(Activation(pathway=entry.id, weight=w) for entry, w in chosen),
        unknown=False,
        network_version=registry.version,
    )
