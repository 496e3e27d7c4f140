"""The slot pool: owns the slots' actors and carries out what `Residency` decides."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from ray.exceptions import RayActorError

from cluster.errors import NotResident, SenError, TaskUnavailable
from cluster.registry import PathwayEntry
from cluster.residency import Placement, Residency
from pathways import PathwayId, PathwaysError

logger = logging.getLogger(__name__)

_TRIES = 3


class SlotPool:
    """Wakes pathways into slots. Lives in one event loop."""

    def __init__(
        self,
        residency: Residency,
        start: Callable[[int], Any],
        on_change: Callable[[], None],
    ) -> None:
        self._residency = residency
        self._start = start
        self._on_change = on_change
        self._actors: dict[int, Any] = {}
        self._loading: dict[PathwayId, asyncio.Task[None]] = {}

    def placement(self) -> dict[PathwayId, Any]:
        """Pathways that are loaded and ready, with their slot's handle."""
        ready = self._residency.resident.items()
        return {p: self._actors[slot] for p, slot in ready if p not in self._loading}

    def slots(self) -> dict[PathwayId, int]:
        """Pathways that are loaded and ready, with their slot's number."""
        ready = self._residency.resident.items()
        return {p: slot for p, slot in ready if p not in self._loading}

    def handles(self) -> Mapping[int, Any]:
        """Every running slot's actor."""
        return dict(self._actors)

    def use(self, pathways: Mapping[PathwayId, int]) -> None:
        """Note which pathways ran, so that they stay."""
        for pathway in pathways:
            self._residency.use(pathway)

    async def adopt(self, slot: int, handle: Any) -> None:
        """Take over a slot that an earlier controller started."""
        self._actors[slot] = handle
        self._residency.adopt(slot, await handle.resident.remote())
        self._on_change()

    async def wake(self, entry: PathwayEntry, source: PathwayEntry | None) -> Any:
        """Make a pathway resident; returns its slot's handle.

        Raises TaskUnavailable if its files are damaged, NotResident if it was evicted, or its
        slot ended, again and again while it was woken.
        """
        for _ in range(_TRIES):
            try:
                await self._load(entry, source)
            except NotResident as error:
                logger.warning("%s", error)
            slot = self._residency.slot_of(entry.id)
            if slot is not None:
                return self._actors[slot]
        raise NotResident(f"{entry.id} could not be kept in a slot; are there too few slots?")

    async def _load(self, entry: PathwayEntry, source: PathwayEntry | None) -> None:
        while self._residency.slot_of(entry.id) is None:
            # What is being loaded stays, or two wakes could evict each other for ever.
            placement = self._residency.place(entry.id, keep=self._loading.keys())
            if placement is None:
                await asyncio.wait(self._loading.values(), return_when=asyncio.FIRST_COMPLETED)
                continue
            if placement.start:
                self._actors[placement.slot] = self._start(placement.slot)
            carrying_out = self._carry_out(placement, entry, source)
            self._loading[entry.id] = asyncio.create_task(carrying_out)
        if loading := self._loading.get(entry.id):
            await asyncio.shield(loading)

    async def reconcile(self, pathway: PathwayId) -> None:
        """A dispatcher did not find `pathway` where it should be: look at its slot again."""
        slot = self._residency.slot_of(pathway)
        if slot is None or pathway in self._loading:
            return
        actor = self._actors[slot]
        try:
            held = set(await actor.resident.remote())
        except RayActorError as error:
            if self._actors.get(slot) is not actor:
                return  # another caller has seen to it
            logger.warning("slot %d is lost: %s", slot, error)
            self._residency.lose_slot(slot)
            self._actors.pop(slot)
        else:
            if self._actors.get(slot) is not actor:
                return
            for missing in self._residency.slots[slot] - held - set(self._loading):
                self._residency.drop(missing)
        self._on_change()

    async def _carry_out(
        self, placement: Placement, entry: PathwayEntry, source: PathwayEntry | None
    ) -> None:
        actor = self._actors[placement.slot]
        try:
            if placement.evict is not None:
                # Calls of one caller run in order, so the load below comes after this.
                actor.unload.remote(placement.evict)
            await actor.load.remote(entry, source)
        except RayActorError as error:
            self._residency.drop(entry.id)
            raise NotResident(f"slot {placement.slot} ended while it loaded {entry.id}") from error
        except (PathwaysError, SenError) as error:
            self._residency.drop(entry.id)
            raise TaskUnavailable(f"{entry.id} cannot be loaded: {error}") from error
        finally:
            self._loading.pop(entry.id)
            self._on_change()
