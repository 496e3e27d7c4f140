"""Running pathways where they are: in this process, in a slot's actor, or first to be woken."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from immutables import Map
from numpy.typing import NDArray
from ray.exceptions import RayError

from cluster.errors import NotResident, SenError, TaskUnavailable
from cluster.local import LocalSlot
from cluster.messages import NetworkView
from cluster.meter import Meter, NoMeter
from pathways import FrozenPathway, Inputs, PathwayId, PathwaysError, run_together

logger = logging.getLogger(__name__)

_TRIES = 5  # a slot may be restarting, or another dispatcher's wake may evict this pathway
_INLINE_ROWS = 96  # rows of small pathways that take less than handing them to a thread

Given = NDArray[np.float32] | Exception
"""Class probabilities [n, classes], or why there are none."""

Groups = Mapping[PathwayId, Inputs]

Run = Callable[[Any, Sequence[tuple[PathwayId, Inputs]]], Awaitable[list[NDArray[np.float32]]]]
"""Run groups of inputs in the slot with this handle; raises NotResident or SlotGone."""


class Wake(Protocol):
    """Make a pathway resident and return its slot's handle; `missing`: it was not where it
    should be. Raises TaskUnavailable."""

    def __call__(self, pathway: PathwayId, *, missing: bool) -> Awaitable[Any]: ...


class SlotGone(Exception):  # noqa: N818
    """The slot's process ended during a call."""


class Running:
    """Runs groups of inputs, each by its pathway; one call a slot carries all groups for it."""

    def __init__(
        self,
        run: Run,
        wake: Wake,
        local: LocalSlot | None = None,
        meter: Meter | None = None,
    ) -> None:
        self._run = run
        self._wake = wake
        self._local = local
        self._meter = meter or NoMeter()
        self._view: NetworkView | None = None
        self._placement: Map[PathwayId, Any] = Map()
        self._waking = asyncio.Lock()

    def adopt(self, view: NetworkView) -> None:
        """Where pathways are from now on."""
        self._view = view
        self._placement = Map(view.placement)  # shared, not copied, if it is such a map already
        if self._local:
            self._local.keep_only(view.registry.pathways)

    async def run(self, groups: Groups) -> dict[PathwayId, Given]:
        """Every group's result; a pathway that cannot be run has its reason in its place."""
        started = time.perf_counter()
        here = {p: x for p, x in groups.items() if self._is_local(p)}
        elsewhere = {p: x for p, x in groups.items() if p not in here}
        if elsewhere:
            parts = await asyncio.gather(self._run_here(here), self._run_elsewhere(elsewhere))
            done = {**parts[0], **parts[1]}
        else:
            done = await self._run_here(here)
        self._meter.stage("run", time.perf_counter() - started)
        return done

    def _is_local(self, pathway: PathwayId) -> bool:
        assert self._view is not None, "no network view was adopted yet"
        return self._local is not None and self._local.takes(self._view.registry.pathways[pathway])

    # --- in this process ---------------------------------------------------------------------

    async def _run_here(self, groups: Groups) -> dict[PathwayId, Given]:
        if self._local is None or not groups:
            return {}
        found = {pathway: self._local.find(pathway) for pathway in groups}
        rows = sum(len(x) for x in groups.values())
        hits = sum(pathway is not None for pathway in found.values())
        self._meter.residency(hits, len(found) - hits)
        if all(found.values()) and rows <= _INLINE_ROWS:
            done = self._compute(groups, found)
        else:
            done = await asyncio.to_thread(self._compute, groups, found)
        for pathway, given in done.items():
            if isinstance(given, Exception):
                # The controller sees for itself, and tells everybody if it cannot be served.
                done[pathway] = await self._wake_and_run(pathway, groups[pathway], missing=False)
        return done

    def _compute(
        self, groups: Groups, found: Mapping[PathwayId, FrozenPathway | None]
    ) -> dict[PathwayId, Given]:
        done: dict[PathwayId, Given] = {}
        ready: dict[PathwayId, FrozenPathway] = {}
        for id in groups:
            try:
                pathway = found[id] or self._wake_here(id)
                pathway.check(groups[id])
                ready[id] = pathway
            except (PathwaysError, SenError) as error:
                logger.warning("%s cannot run here: %s", id, error)
                done[id] = error
        results = run_together([(pathway, groups[id]) for id, pathway in ready.items()])
        return done | dict(zip(ready, results, strict=True))

    def _wake_here(self, id: PathwayId) -> FrozenPathway:
        assert self._local is not None and self._view is not None
        registry = self._view.registry
        entry = registry.pathways[id]
        started = time.perf_counter()
        woken = self._local.wake(entry, registry.source_of(entry))
        self._meter.stage("wake", time.perf_counter() - started)
        return woken

    # --- in slots' actors --------------------------------------------------------------------

    async def _run_elsewhere(self, groups: Groups) -> dict[PathwayId, Given]:
        """Residents at once, one call a slot; then the dormant, one by one."""
        placed = {p: self._placement[p] for p in groups if p in self._placement}
        done: dict[PathwayId, Given] = dict(await self._run_residents(groups, placed))
        self._meter.residency(len(done), len(groups) - len(done))
        for pathway, x in groups.items():
            if pathway not in done:
                done[pathway] = await self._wake_and_run(pathway, x, missing=pathway in placed)
        return done

    async def _run_residents(
        self, groups: Groups, placed: Mapping[PathwayId, Any]
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

    async def _wake_and_run(self, pathway: PathwayId, x: Inputs, *, missing: bool) -> Given:
        """Run a pathway that has to be woken.

        One at a time: what was woken runs before the next wake can evict it, so a batch may
        need more pathways than there are places.
        """
        async with self._waking:
            for _ in range(_TRIES):
                try:
                    started = time.perf_counter()
                    handle = await self._wake(pathway, missing=missing)
                    self._meter.stage("wake", time.perf_counter() - started)
                    self._placement = self._placement.set(pathway, handle)
                    (result,) = await self._run(handle, [(pathway, x)])
                    return result
                except (NotResident, SlotGone):
                    missing = True
                except (SenError, PathwaysError, RayError) as error:
                    return error
        return TaskUnavailable(f"{pathway} did not answer after {_TRIES} tries; try again")
