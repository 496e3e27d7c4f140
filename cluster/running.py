"""Running pathways where they are: in this process, in a slot's actor, or first to be woken."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from immutables import Map
from numpy.typing import NDArray
from ray.exceptions import RayActorError, RayError

from cluster.errors import NotResident, SenError, TaskUnavailable
from cluster.local import LocalSlot
from cluster.messages import NetworkView
from cluster.meter import Meter, NoMeter
from pathways import FrozenPathway, Inputs, PathwayId, PathwaysError, run_together

logger = logging.getLogger(__name__)

_TRIES = 6  # a slot may be lost, or another dispatcher's wake may evict this pathway
_PAUSE_S = 0.1  # before the third try; twice as long before each further one
_WAKES = 16  # pathways that one dispatcher has woken at once
_INLINE_ROWS = 96  # rows of small pathways that take less than handing them to a thread

Given = NDArray[np.float32] | Exception
"""Class probabilities [n, classes], a number's mean and deviation [n, 2], or why there are none."""

Groups = Mapping[PathwayId, Inputs]

Results = list[NDArray[np.float32] | None]

Run = Callable[[Any, Sequence[tuple[PathwayId, Inputs]]], Awaitable[Results]]
"""Run groups of inputs in the slot with this handle, None for a pathway that is not resident in
it; raises SlotGone."""


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
        self._placement: Map[PathwayId, tuple[Any, ...]] = Map()
        self._calls: Counter[Any] = Counter()  # slot's handle → calls that have not returned
        self._waking = asyncio.Semaphore(_WAKES)

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
        """Residents at once, one call a slot; at the same time the dormant are woken."""
        placed = {p: self._placement[p] for p in groups if p in self._placement}
        dormant = [pathway for pathway in groups if pathway not in placed]
        # In this order, so that no wake takes a place from what runs here.
        residents, done = await asyncio.gather(
            self._run_residents(groups, placed), self._wake_all(groups, dormant, missing=False)
        )
        lost = [pathway for pathway in placed if pathway not in residents]
        self._meter.residency(len(residents), len(groups) - len(residents))
        return {**residents, **done, **await self._wake_all(groups, lost, missing=True)}

    async def _run_residents(
        self, groups: Groups, placed: Mapping[PathwayId, tuple[Any, ...]]
    ) -> dict[PathwayId, NDArray[np.float32]]:
        by_slot: dict[Any, list[tuple[PathwayId, Inputs]]] = {}
        for pathway, handles in placed.items():
            by_slot.setdefault(self._least_busy(handles), []).append((pathway, groups[pathway]))
        done: dict[PathwayId, NDArray[np.float32]] = {}
        with self._calling(by_slot):
            for given in await asyncio.gather(*(self._run_slot(h, g) for h, g in by_slot.items())):
                done.update(given)
        return done

    def _least_busy(self, handles: tuple[Any, ...]) -> Any:
        """Of a pathway's slots; one at random among equals."""
        if len(handles) == 1:
            return handles[0]
        least = min(self._calls[handle] for handle in handles)
        return random.choice([handle for handle in handles if self._calls[handle] == least])

    @contextmanager
    def _calling(self, handles: Iterable[Any]) -> Iterator[None]:
        """Count calls from before they are sent, so that those chosen next go elsewhere."""
        counted = list(handles)
        self._calls.update(counted)
        try:
            yield
        finally:
            self._calls.subtract(counted)
            for handle in counted:
                if not self._calls[handle]:
                    del self._calls[handle]

    async def _run_slot(
        self, handle: Any, groups: list[tuple[PathwayId, Inputs]]
    ) -> dict[PathwayId, NDArray[np.float32]]:
        """A slot's results; none of pathways, or of the process, that it lost meanwhile."""
        try:
            given = await self._run(handle, groups)
        except SlotGone:
            return {}
        found = zip((pathway for pathway, _ in groups), given, strict=True)
        return {pathway: result for pathway, result in found if result is not None}

    async def _wake_all(
        self, groups: Groups, pathways: Sequence[PathwayId], *, missing: bool
    ) -> dict[PathwayId, Given]:
        """Wake and run each by itself: what was woken stays in its slot until it has run, so a
        batch may need more pathways than there are places."""
        given = await asyncio.gather(
            *(self._wake_and_run(p, groups[p], missing=missing) for p in pathways)
        )
        return dict(zip(pathways, given, strict=True))

    async def _wake_and_run(self, pathway: PathwayId, x: Inputs, *, missing: bool) -> Given:
        """Run a pathway that has to be woken."""
        async with self._waking:
            for tried in range(_TRIES):
                if tried > 1:
                    await asyncio.sleep(_PAUSE_S * 2 ** (tried - 2))
                try:
                    return await self._try_to_run(pathway, x, missing=missing)
                except (NotResident, SlotGone, RayActorError) as error:
                    logger.info("%s is tried again: %s", pathway, error)
                    missing = True
                except (SenError, PathwaysError, RayError) as error:
                    return error
        return TaskUnavailable(f"{pathway} did not answer after {_TRIES} tries; try again")

    async def _try_to_run(
        self, pathway: PathwayId, x: Inputs, *, missing: bool
    ) -> NDArray[np.float32]:
        started = time.perf_counter()
        handle = await self._wake(pathway, missing=missing)
        self._meter.stage("wake", time.perf_counter() - started)
        self._placement = self._placement.set(pathway, (handle,))
        with self._calling([handle]):
            (result,) = await self._run(handle, [(pathway, x)])
        if result is None:
            raise NotResident(f"{pathway} was unloaded before it ran")
        return result
