"""The dispatcher on the cluster: from inputs to answers, over the pathways' slots.

`NetworkDispatcher` is the plain class: it is told of every new network view and is given two
calls, one that runs groups in a slot and one that wakes a pathway. Serve's ingress replicas
and the dispatcher actor of the Python client hold one each.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cluster.errors import NotResident, TaskUnavailable
from cluster.inputs import Input, fit
from cluster.messages import Activation, Answer, NetworkView
from cluster.slot import Inputs
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
from pathways import PathwayId, Signature

_TRIES = 5  # a slot may be restarting, or another dispatcher's wake may evict this pathway

Run = Callable[[Any, Sequence[tuple[PathwayId, Inputs]]], Awaitable[list[NDArray[np.float32]]]]
"""Run groups of inputs in the slot with this handle; raises NotResident or SlotGone."""


class Wake(Protocol):
    """Make a pathway resident and return its slot's handle; `missing`: it was not where it
    should be. Raises TaskUnavailable."""

    def __call__(self, pathway: PathwayId, *, missing: bool) -> Awaitable[Any]: ...


class SlotGone(Exception):  # noqa: N818
    """The slot's process ended during a call."""


@dataclass(frozen=True)
class _Network:
    """One view with the dispatcher made from it; swapped whole."""

    view: NetworkView
    dispatcher: Dispatcher


class NetworkDispatcher:
    """Answers inputs from the newest network view."""

    def __init__(self, config: SelectConfig, run: Run, wake: Wake) -> None:
        self._config = config
        self._run = run
        self._wake = wake
        self._features: dict[str, Features] = {}
        self._network: _Network | None = None
        self._placement: dict[PathwayId, Any] = {}
        self._waking = asyncio.Lock()
        self.used: Counter[PathwayId] = Counter()
        """Rows each pathway ran since somebody last took the count."""

    @property
    def view(self) -> NetworkView:
        """The network served now."""
        assert self._network is not None, "no network view was adopted yet"
        return self._network.view

    def adopt(self, view: NetworkView, snapshots: Mapping[str, Snapshot]) -> None:
        """Serve a newer network from now on; running requests end on the one they began with."""
        routes = {key: (self._features_of(key), s) for key, s in snapshots.items()}
        self._placement = dict(view.placement)
        self._network = _Network(view, Dispatcher(routes, self._config, view.unavailable))

    def _features_of(self, key: str) -> Features:
        if key not in self._features:
            self._features[key] = features_for(Signature.parse(key))
        return self._features[key]

    def signature_for(self, observed: Signature, task: str | None = None) -> Signature:
        """The signature an input has to be converted to.

        Raises NoTaskFits, or UnknownTask if `task` is given and not known.
        """
        registry = self.view.registry
        if task is not None:
            return registry.entry(task).spec.signature
        known = {e.spec.signature.key: e.spec.signature for e in registry.entries()}
        return known[gate(observed, known.values())]

    async def answer(self, inputs: Sequence[Input], task: str | None = None) -> list[Answer]:
        """Answers to inputs as users give them, in their order; `task` given: no dispatching.

        Inputs are converted to the signature of the tasks they can go to, and each answer notes
        how. Raises NoTaskFits, SignatureError, UnknownTask, TaskUnavailable.
        """
        groups: dict[Signature, list[int]] = {}
        for row, given in enumerate(inputs):
            groups.setdefault(given.observed, []).append(row)
        answers: dict[int, Answer] = {}
        for observed, rows in groups.items():
            signature = self.signature_for(observed, task)
            fitted = [fit(inputs[row], signature) for row in rows]
            x = np.stack([array for array, _ in fitted])
            for row, answer, (_, notes) in zip(
                rows, await self.predict(signature, x, task), fitted, strict=True
            ):
                answers[row] = replace(answer, notes=notes) if notes else answer
        return [answers[row] for row in range(len(inputs))]

    async def predict(
        self, signature: Signature, x: NDArray[Any], task: str | None = None
    ) -> list[Answer]:
        """Answers to typed inputs [n, *signature.shape]."""
        assert self._network is not None, "no network view was adopted yet"
        network = self._network
        if task is None:
            # Scoring takes milliseconds of arithmetic: off the event loop.
            decide = network.dispatcher.decide
            decisions = await asyncio.to_thread(decide, signature.key, x)
        else:
            self._check_available(network.view, task)
            decisions = [Decision((task,), (1.0,), 0.0)] * len(x)
        return await self._answer(network.view, x, decisions)

    def _check_available(self, view: NetworkView, task: str) -> None:
        view.registry.entry(task)
        if reason := view.unavailable.get(task):
            raise TaskUnavailable(f"task {task} cannot be served: {reason}")

    async def _answer(
        self, view: NetworkView, x: Inputs, decisions: Sequence[Decision]
    ) -> list[Answer]:
        rows = rows_by_task(decisions)
        entries = {task: view.registry.entry(task) for task in rows}
        given = await self._run_all({entries[t].id: x[r] for t, r in rows.items()})
        by_row: list[dict[str, NDArray[np.float32]]] = [{} for _ in decisions]
        for task, its_rows in rows.items():
            for row, probabilities in zip(its_rows, given[entries[task].id], strict=True):
                by_row[row][task] = probabilities
        return [
            _merged(view, decision, parts)
            for decision, parts in zip(decisions, by_row, strict=True)
        ]

    async def _run_all(
        self, groups: Mapping[PathwayId, Inputs]
    ) -> dict[PathwayId, NDArray[np.float32]]:
        """Run every group: residents at once, one call a slot; then the dormant, one by one."""
        self.used.update({pathway: len(x) for pathway, x in groups.items()})
        placed = {p: self._placement[p] for p in groups if p in self._placement}
        done = await self._run_residents(groups, placed)
        for pathway, x in groups.items():
            if pathway not in done:
                done[pathway] = await self._wake_and_run(pathway, x, missing=pathway in placed)
        return done

    async def _run_residents(
        self, groups: Mapping[PathwayId, Inputs], placed: Mapping[PathwayId, Any]
    ) -> dict[PathwayId, NDArray[np.float32]]:
        by_slot: dict[Any, list[tuple[PathwayId, Inputs]]] = {}
        for pathway, handle in placed.items():
            by_slot.setdefault(handle, []).append((pathway, groups[pathway]))
        done: dict[PathwayId, NDArray[np.float32]] = {}
        for given in await asyncio.gather(*(self._run_slot(h, g) for h, g in by_slot.items())):
            done.update(given)
        return done

    async def _run_slot(
        self, handle: Any, groups: list[tuple[PathwayId, Inputs]]
    ) -> dict[PathwayId, NDArray[np.float32]]:
        """A slot's results; nothing if it lost a pathway or its process meanwhile."""
        try:
            given = await self._run(handle, groups)
        except (NotResident, SlotGone):
            return {}
        return {pathway: result for (pathway, _), result in zip(groups, given, strict=True)}

    async def _wake_and_run(
        self, pathway: PathwayId, x: Inputs, *, missing: bool
    ) -> NDArray[np.float32]:
        """Run a pathway that has to be woken.

        One at a time: what was woken runs before the next wake can evict it, so a batch may
        need more pathways than there are places.
        """
        async with self._waking:
            for _ in range(_TRIES):
                try:
                    handle = await self._wake(pathway, missing=missing)
                    self._placement[pathway] = handle
                    (result,) = await self._run(handle, [(pathway, x)])
                    return result
                except (NotResident, SlotGone):
                    missing = True
        raise TaskUnavailable(f"{pathway} did not answer after {_TRIES} tries; try again")


def features_for(signature: Signature) -> Features:
    """The router's fixed features of a signature; the same in every process."""
    return make_features(signature.modality, signature.shape, signature.rate_hz)


def _merged(
    view: NetworkView, decision: Decision, given: Mapping[str, NDArray[np.float32]]
) -> Answer:
    if decision.unknown:
        return Answer(
            probabilities=(), activated=(), unknown=True, network_version=view.registry.version
        )
    chosen = list(zip(decision.tasks, decision.weights, strict=True))
    entries = {task: view.registry.entry(task) for task in decision.tasks}
    parts = [(weight, entries[task].spec.labels, given[task]) for task, weight in chosen]
    return Answer(
        probabilities=tuple(merge(parts)),
        activated=tuple(Activation(pathway=entries[t].id, weight=w) for t, w in chosen),
        unknown=False,
        network_version=view.registry.version,
    )
