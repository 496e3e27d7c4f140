"""The dispatcher on the cluster: from inputs to answers.

`NetworkDispatcher` is the plain class: it is told of every new network view and is given what
runs pathways. Serve's ingress replicas and the dispatcher actor of the Python client hold one
each. Requests that wait at the same moment are scored together and run together.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.batches import BATCH_ROWS, Network, Parts, by_row, compute, fit_all
from cluster.coalesce import Coalescer, in_place
from cluster.concepts import as_shown
from cluster.errors import TaskUnavailable
from cluster.inputs import Batch, Input
from cluster.messages import Activation, Answer, NetworkView
from cluster.meter import Meter, NoMeter
from cluster.pairs import Choose, Pairs, Sides
from cluster.registry import Registry
from cluster.running import Running
from cluster.together import check_together, told_apart, values_of
from dispatcher import (
    Decision,
    Dispatcher,
    SelectConfig,
    Snapshot,
    gate,
    make_features,
    merge,
    rows_by_task,
)
from dispatcher.features import Features
from pathways import Inputs, PathwayId, Signature

_CATCH_UP_S, _LOOK_S = 5.0, 0.005


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
        self._network: Network | None = None
        self._together: Coalescer[_Asked, list[Answer]] = Coalescer(
            self._answer_together, size=lambda asked: len(asked.x), most=BATCH_ROWS
        )
        self._pairs = Pairs(self, self._meter)
        self.used: Counter[PathwayId] = Counter()
        """Rows each pathway ran since somebody last took the count."""

    @property
    def view(self) -> NetworkView:
        """The network served now."""
        return self.served.view

    @property
    def served(self) -> Network:
        """The same with the dispatcher made from it."""
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
        self._network = Network(view, Dispatcher(routes, self._config, view.unavailable))

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
            fitted = await compute(len(rows), fit_all, [inputs[row] for row in rows], signature)
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

    async def answer_together(
        self, elements: Sequence[Sequence[Input]], tasks: Sequence[str] = ()
    ) -> list[Answer]:
        """An answer to every element: one input, or two of different modalities that show the same
        thing, of which each activates one pathway; `tasks`, one of each modality: no dispatching.

        Raises DataError for other elements, and as `answer` does.
        """
        check_together(elements)
        told = told_apart(self.view.registry, tasks) if tasks else {}
        for task in told.values():
            self._check_available(self.view, task)
        pairs = [row for row, element in enumerate(elements) if len(element) > 1]
        lone: dict[str | None, list[int]] = {}
        for row, element in enumerate(elements):
            if len(element) == 1:
                lone.setdefault(told.get(element[0].observed.modality), []).append(row)
        given = await asyncio.gather(
            self._pairs.answer([elements[row] for row in pairs], told),
            *(self.answer([elements[r][0] for r in rows], task) for task, rows in lone.items()),
        )
        answers: dict[int, Answer] = {}
        for rows, found in zip([pairs, *lone.values()], given, strict=True):
            answers.update(zip(rows, found, strict=True))
        return [answers[row] for row in range(len(elements))]

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
        network = self.served
        groups: dict[tuple[str, bool], list[int]] = {}
        for place, asked in enumerate(batch):
            groups.setdefault((asked.key, asked.task is None), []).append(place)
        alike = [[batch[place] for place in places] for places in groups.values()]
        given = await asyncio.gather(
            *(self._answer_alike(network, group) for group in alike), return_exceptions=True
        )
        return in_place(groups.values(), given)

    async def _answer_alike(
        self, network: Network, batch: Sequence[_Asked]
    ) -> list[list[Answer] | Exception]:
        """The same for requests of one signature, either all told their task or none."""
        x = batch[0].x if len(batch) == 1 else np.concatenate([asked.x for asked in batch])
        if batch[0].task is None:
            (decisions,), (parts,) = await self.dispatch(network, [(batch[0].key, x)])
        else:
            told = [Decision((asked.task,), (1.0,), 0.0) for asked in batch if asked.task]
            decisions = [d for d, asked in zip(told, batch, strict=True) for _ in asked.x]
            (parts,) = await self._run(network.view, [(decisions, x)])
        started = time.perf_counter()
        ends = np.cumsum([len(asked.x) for asked in batch]).tolist()
        starts = [0, *ends[:-1]]
        answers = [
            _answers(network.view.registry, decisions[start:end], parts[start:end])
            for start, end in zip(starts, ends, strict=True)
        ]
        self._meter.stage("merge", time.perf_counter() - started)
        self.count(network.view.registry, decisions)
        return answers

    def count(self, registry: Registry, decisions: Sequence[Decision]) -> None:
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

    async def dispatch(
        self,
        network: Network,
        sides: Sides,
        choose: Choose = lambda decided: decided,
    ) -> tuple[list[list[Decision]], list[list[Parts]]]:
        """Decide and run the inputs of some signatures, all at once; `choose` may narrow what was
        decided. A task found unavailable is passed over, as a newer view will say."""
        dispatcher = network.dispatcher
        passed_over: set[str] = set()
        self._meter.batch(sum(len(x) for _, x in sides))
        while True:
            started = time.perf_counter()
            decided = [await compute(len(x), dispatcher.decide, key, x) for key, x in sides]
            decided = choose(decided)
            self._meter.stage("route", time.perf_counter() - started)
            runs = [(decisions, x) for decisions, (_, x) in zip(decided, sides, strict=True)]
            parts = await self._run(network.view, runs)
            given = (item for side in parts for row in side for item in row.items())
            away = {task for task, result in given if isinstance(result, TaskUnavailable)}
            if away <= passed_over:  # none, or what `choose` insists on
                return decided, parts
            passed_over |= away
            dispatcher = dispatcher.without(away)

    async def _run(
        self, view: NetworkView, sides: Sequence[tuple[Sequence[Decision], Inputs]]
    ) -> list[list[Parts]]:
        """For each row of each side, what each of its pathways says."""
        rows = [rows_by_task(decisions) for decisions, _ in sides]
        ids = {task: view.registry.entry(task).id for side in rows for task in side}
        groups = {}
        for side, (_, x) in zip(rows, sides, strict=True):
            for task, its in side.items():
                groups[ids[task]] = x if len(its) == len(x) else x[its]
        self.used.update({id: len(x) for id, x in groups.items()})
        given = await self._running.run(groups)
        return [by_row(len(d), r, ids, given) for (d, _), r in zip(sides, rows, strict=True)]


@lru_cache(maxsize=16)  # megabytes each, drawn in some milliseconds
@lru_cache(maxsize=64)
def features_for(signature: Signature, dim: int | None = None) -> Features:
    """The router's fixed features of a signature; the same in every process.

    dim: their length where a router has been made with them.
    """
    return make_features(signature.modality, signature.shape, signature.rate_hz, dim=dim)


def _answers(
    registry: Registry,
    decisions: Sequence[Decision],
    parts: Sequence[Parts],
) -> list[Answer] | Exception:
    """One request's answers, or why one of its inputs could not be answered."""
    answers = []
    for decision, given in zip(decisions, parts, strict=True):
        if failed := [result for result in given.values() if isinstance(result, Exception)]:
            return failed[0]
        answers.append(_merged(registry, decision, given))  # type: ignore[arg-type]
    return answers


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
            classes.append((weight, spec.concepts, said))
    return Answer(
        probabilities=as_shown(merge(classes), [e.spec for e in entries]) if classes else (),
        values=values_of(numbers),
        activated=tuple(Activation(pathway=entry.id, weight=w) for entry, w in chosen),
        unknown=False,
        network_version=registry.version,
    )
