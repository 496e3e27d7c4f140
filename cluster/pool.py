"""The slot pool: owns the slots' actors and carries out what `Residency` decides."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, TypeVar

from ray.exceptions import ActorUnschedulableError

from cluster.background import Background
from cluster.code import LOADED
from cluster.errors import NotResident, SenError, TaskUnavailable
from cluster.instructions import Placement, Stop, Unload, Wake
from cluster.nodes import Node
from cluster.places import Seat
from cluster.registry import PathwayEntry
from cluster.residency import Residency
from cluster.slot import GONE
from pathways import PathwayId, PathwaysError

logger = logging.getLogger(__name__)

_PATIENCE_S = 20.0  # a caller waits so long for a pathway
_LOAD_S = 60.0  # a slot that needs longer to start and load is given up
_STAY_S = 2.0  # a woken pathway is not evicted before its caller has run it, for so long
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 0.5

_Key = TypeVar("_Key")

Find = Callable[[PathwayId], tuple[PathwayEntry, PathwayEntry | None]]
"""A pathway's registry entry and its source's."""


class SlotPool:
    """Wakes pathways into slots. Lives in one event loop."""

    def __init__(
        self,
        residency: Residency,
        start: Callable[[Seat], Any],
        stop: Callable[[Any], Awaitable[None]],
        find: Find,
        on_change: Callable[[], None],
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._residency = residency
        self._start = start
        self._stop = stop
        self._find = find
        self._on_change = on_change
        self._patience_s = patience_s
        self._actors: dict[int, Any] = {}
        self._waking: dict[PathwayId, asyncio.Task[None]] = {}
        self._checking: dict[int, asyncio.Task[None]] = {}
        self._background = Background("the slot pool")
        self._turn = asyncio.Lock()  # those who wait for room get it in their order
        self._settled = asyncio.Event()  # something changed that room can come of

    # --- what is where -----------------------------------------------------------------------

    def placement(self) -> dict[PathwayId, tuple[Any, ...]]:
        """Pathways that are loaded and ready, with their slots' handles."""
        resident = self._residency.resident.items()
        return {p: tuple(self._actors[slot] for slot in slots) for p, slots in resident}

    def slots(self) -> dict[PathwayId, tuple[int, ...]]:
        """Pathways that are loaded and ready, with their slots' numbers."""
        return self._residency.resident

    def nodes(self) -> dict[int, str]:
        """Every running slot, with its node."""
        return self._residency.slots

    def placed(self) -> tuple[dict[PathwayId, Any], dict[PathwayId, Any], dict[int, str]]:
        """All three."""
        return self.placement(), self.slots(), self.nodes()

    @property
    def capacity(self) -> int:
        """Places for pathways on the nodes there are."""
        return self._residency.capacity

    @property
    def outdated(self) -> int:
        """Slots that run older code, and are replaced one after the other."""
        return self._residency.outdated

    # --- what happens ------------------------------------------------------------------------

    def use(self, pathways: Mapping[PathwayId, int]) -> None:
        """Note which pathways ran how many rows, so that they stay."""
        self._residency.use(pathways)

    def see(self, nodes: Iterable[Node]) -> None:
        """These are the nodes alive now."""
        before = self._residency.capacity
        lost = self._residency.nodes(nodes)
        for slot in lost:
            logger.warning("slot %d is lost with its node", slot)
            self._actors.pop(slot, None)  # one that is being stopped has left already
        if lost or self._residency.capacity != before:
            self._told()

    async def adopt(self, seat: Seat, handle: Any) -> None:
        """Take over a slot that an earlier controller started, if it still answers."""
        try:
            held, code = await asyncio.gather(handle.resident.remote(), handle.code.remote())
        except GONE as error:
            logger.warning("the slot at %s does not answer: %s", seat, error)
            return
        sources = {pathway: self._find(pathway)[0].spec.source for pathway in held}
        slot = self._residency.adopt(seat, sources, outdated=code != LOADED)
        self._actors[slot] = handle
        self._told()

    def tend(self) -> None:
        """Do what should be done besides what callers want: called every second or so."""
        self._settled.set()  # a node may be trusted again by now
        instructions = self._residency.tend()
        for instruction in instructions:
            match instruction:
                case Wake(pathway=pathway):
                    self._background.spawn(self._wake_again(pathway))
                case Placement():
                    self._begin(instruction)
                    self._background.spawn(self._copy(instruction))
                case Unload(pathway=pathway, slot=slot):
                    self._actors[slot].unload.remote(pathway)
                case Stop(slot=slot):
                    self._background.spawn(self._end(slot, self._actors.pop(slot)))
        if instructions:
            self._told()

    async def _end(self, slot: int, actor: Any) -> None:
        await self._stop(actor)
        if slot in self._residency.slots:  # else it was lost with its node meanwhile
            self._residency.stopped(slot)
            self._told()

    def retire(self, pathways: Iterable[PathwayId]) -> None:
        """These are not in service any more: unload them, as others will want their places."""
        for pathway in pathways:
            for slot in self._residency.ready(pathway):
                self._residency.drop(pathway, slot)
                self._actors[slot].unload.remote(pathway)
        self._told()

    # --- waking ------------------------------------------------------------------------------

    async def wake(self, pathway: PathwayId, *, awaited: bool = True) -> Any:
        """Make a pathway resident; returns the handle of a slot that holds it.

        awaited: somebody will run it at once, so it stays until then.
        Raises TaskUnavailable if its files are damaged, NotResident if it could not be kept in a
        slot for as long as the caller has patience.
        """
        try:
            async with asyncio.timeout(self._patience_s):
                return await self._wake(pathway, _STAY_S if awaited else 0.0)
        except TimeoutError as error:
            raise NotResident(
                f"{pathway} could not be kept in a slot within {self._patience_s:g} s; are there "
                f"too few slots? There are places for {self._residency.capacity} pathways"
            ) from error

    async def _wake(self, pathway: PathwayId, stay_s: float) -> Any:
        pause = _FIRST_PAUSE_S
        while not (slots := self._residency.ready(pathway)):
            try:
                await self._once(self._waking, pathway, lambda p: self._bring(p, stay_s))
            except NotResident as error:
                logger.warning("%s", error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
        return self._actors[slots[0]]

    async def _wake_again(self, pathway: PathwayId) -> None:
        """Nobody waits for it, so there is nobody to tell that it failed."""
        try:
            await self.wake(pathway, awaited=False)
        except SenError as error:
            logger.error("%s was lost and cannot be woken: %s", pathway, error)

    async def _bring(self, pathway: PathwayId, stay_s: float) -> None:
        entry, source = self._find(pathway)
        pause = _FIRST_PAUSE_S / 10
        while not await self._carry_out(await self._room_for(entry), entry, source, stay_s):
            await asyncio.sleep(pause)  # what should make room has not run yet
            pause = min(2 * pause, _FIRST_PAUSE_S)

    async def _room_for(self, entry: PathwayEntry) -> Placement:
        async with self._turn:
            while (placement := self._residency.place(entry.id, entry.spec.source)) is None:
                self._settled.clear()
                await self._settled.wait()
            self._begin(placement)
            return placement

    async def _copy(self, placement: Placement) -> None:
        """Load one copy more, of what is hot or moves."""
        try:
            await self._carry_out(placement, *self._find(placement.load))
        except SenError as error:
            logger.warning("%s stays where it is: %s", placement.load, error)

    def _begin(self, placement: Placement) -> None:
        if placement.start is not None:
            self._actors[placement.slot] = self._start(placement.start)

    async def _carry_out(
        self,
        placement: Placement,
        entry: PathwayEntry,
        source: PathwayEntry | None,
        stay_s: float = 0.0,
    ) -> bool:
        """False if the slot would not evict what a caller waits for."""
        actor = self._actors.get(placement.slot)
        if actor is None:
            raise NotResident(f"slot {placement.slot} was lost before it loaded {entry.id}")
        try:
            async with asyncio.timeout(_LOAD_S):
                loaded = await actor.load.remote(entry, source, placement.evict, stay_s)
        except (PathwaysError, SenError) as error:
            self._damaged(placement)
            raise TaskUnavailable(f"{entry.id} cannot be loaded: {error}") from error
        except ActorUnschedulableError as error:
            self._cannot_start(placement.slot, actor)
            raise NotResident(f"Ray has no room for slot {placement.slot}: {error}") from error
        except (*GONE, TimeoutError) as error:
            self._residency.refused(placement)
            await self._check(placement.slot)
            raise NotResident(f"slot {placement.slot} ended while it loaded {entry.id}") from error
        if loaded:
            self._loaded(placement)
        else:
            self._residency.refused(placement)
            self._settled.set()
        return loaded

    def _loaded(self, placement: Placement) -> None:
        self._residency.loaded(placement)
        if placement.leave in self._actors:
            self._actors[placement.leave].unload.remote(placement.load)
        self._told()

    def _cannot_start(self, slot: int, actor: Any) -> None:
        if self._actors.get(slot) is actor:  # else another caller has seen to it
            self._residency.cannot_start(slot)
            del self._actors[slot]
            self._told()

    def _damaged(self, placement: Placement) -> None:
        self._residency.drop(placement.load, placement.slot)
        if placement.evict is not None:  # it made room all the same
            self._residency.drop(placement.evict, placement.slot)
        self._told()

    # --- slots that are lost -----------------------------------------------------------------

    async def reconcile(self, pathway: PathwayId) -> None:
        """A dispatcher did not find `pathway` where it should be: look at its slots again."""
        slots = self._residency.ready(pathway)
        await asyncio.gather(*(self._check(slot) for slot in slots))

    async def _check(self, slot: int) -> None:
        """Ask a slot what it holds; all who want to know at this moment ask once."""
        await self._once(self._checking, slot, self._ask)

    async def _ask(self, slot: int) -> None:
        actor = self._actors.get(slot)
        if actor is None:
            return  # another caller has seen to it
        expected = self._residency.ready_in(slot)
        try:
            async with asyncio.timeout(_LOAD_S):
                held = set(await actor.resident.remote())
        except (*GONE, TimeoutError) as error:
            if self._actors.get(slot) is actor:
                self._lose(slot, error)
        else:
            if self._actors.get(slot) is actor:
                for missing in expected - held:
                    self._residency.missing(missing, slot)
                if expected - held:
                    self._told()

    def _lose(self, slot: int, error: BaseException) -> None:
        """Forget a slot, and see whether the others on its node still are there."""
        logger.warning("slot %d is lost: %s", slot, error)
        node = self._residency.slots[slot]
        self._residency.lose_slot(slot)
        del self._actors[slot]
        self._told()
        for other, its_node in self._residency.slots.items():
            if its_node == node:
                self._background.spawn(self._check(other))

    async def _once(
        self,
        running: dict[_Key, asyncio.Task[None]],
        key: _Key,
        work: Callable[[_Key], Coroutine[Any, Any, None]],
    ) -> None:
        """Work that all who want it at the same moment share; it goes on if they go away."""
        if key not in running:
            running[key] = task = asyncio.create_task(work(key))
            task.add_done_callback(lambda ended: (running.pop(key), ended.exception()))
        await asyncio.shield(running[key])

    def _told(self) -> None:
        self._settled.set()
        self._on_change()
