"""The controller: the one actor that changes the network.

It owns the registry, the queue of expansions, the routers and the slot pool; everything it
knows is in the store, so a new controller continues where one was lost. Arithmetic and disk
work run off its event loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import ray
from immutables import Map
from ray.exceptions import RayError

from cluster.activity import Activity
from cluster.announcer import Announcer
from cluster.background import Background
from cluster.changes import News
from cluster.coalesce import Coalescer
from cluster.code import LOADED, leave_if_outdated
from cluster.concepts import check_concepts
from cluster.config import SenConfig
from cluster.errors import ExpansionFailed, SenError, TaskUnavailable, UnknownTask
from cluster.expansions import Expansions, JobLost
from cluster.messages import (
    ExpansionStatus,
    Finished,
    NetworkActivity,
    NetworkView,
    NewTask,
    Rollout,
    Verification,
    Work,
    learned_long_ago,
)
from cluster.metrics import RayExpansionMeter
from cluster.names import (
    CONTROLLER,
    JOBS,
    NAMESPACE,
    parse_slot_actor_name,
    slot_actor_name,
)
from cluster.pool import SlotPool
from cluster.proposals import Proposal, propose
from cluster.publisher import Publisher, Removal, Rollback
from cluster.ray_nodes import ON_HEAD, nodes_alive
from cluster.registry import PathwayEntry, Registry
from cluster.registry_log import RegistryLog
from cluster.residency import Residency
from cluster.revising import reroot_stored
from cluster.router_keeper import RouterKeeper
from cluster.routers import Routers
from cluster.slot import start_slot, stop_slot
from cluster.store import Store
from cluster.training_job import TrainingJob, free_what_lost_jobs_hold, run_training_job
from cluster.verification import verify_stored, with_residents
from pathways import PathwayId, Progress

logger = logging.getLogger(__name__)

_TEND_EVERY_S = 1.0
_ALIKE = 8  # tasks that one is compared with, to propose pairs
_GROUP = 64  # learned tasks that are committed together at most


@dataclass(frozen=True, kw_only=True)
class _Publication:
    """A learned task that is to be published."""

    request: str
    finished: Finished
    last: Progress | None


class Controller:
    """The network's owner; wrapped into an actor by `start_controller`."""

    def __init__(self, config: SenConfig) -> None:
        self._config = config
        self._store = Store.open(config.store, create=True)
        log = RegistryLog(self._store)
        registry = log.load()
        self._dropped = log.dropped
        learned = [entry.request for entry in registry.pathways.values()]
        self._expansions = Expansions(
            self._store, config.expansion, learned, self._run_job, RayExpansionMeter()
        )
        self._routers = RouterKeeper(
            Routers(self._store),
            ray.put,
            lambda key, change: self._announcer.route(key, change),
            lambda task, reason: self._announcer.withdraw(task, reason),
        )
        residency = Residency(config.slots)
        self._pool = SlotPool(
            residency,
            lambda seat: start_slot(seat, config.slots, config.store, on_gpus=residency.on_gpus),
            stop_slot,
            self._entry_and_source,
            lambda: self._announcer.moved(),
        )
        self._activity = Activity()
        # From the clock: dispatchers compare epochs across restarts of the controller.
        first = NetworkView(
            epoch=time.time_ns(),
            registry=registry,
            placement=Map(),
            slots=Map(),
            small=config.slots.small,
        )
        self._announcer = Announcer(first, self._pool.placed)
        self._publish: Coalescer[_Publication, int] = Coalescer(
            self._publish_together, most=_GROUP, lanes=1
        )
        self._background = Background("the controller")
        self._publisher = Publisher(
            self._store,
            log,
            registry,
            self._routers,
            self._announcer,
            retire=self._pool.retire,
            reroot=lambda readers, now: reroot_stored.remote(config.store, readers, now),
            background=self._background,
        )

    @property
    def _registry(self) -> Registry:
        return self._publisher.registry

    # --- starting -------------------------------------------------------------------------

    async def start(self) -> None:
        """Bring back what the store holds: routers, running slots, waiting expansions."""
        self._pool.see(await asyncio.to_thread(nodes_alive))
        await self._adopt_slots()
        entries = self._registry.entries()
        await self._routers.load(self._registry)
        await asyncio.to_thread(self._expansions.resume)
        self._background.spawn(self._wake_all(entries))
        self._background.spawn(self._tend_slots())
        self._background.spawn(self._expansions.run_jobs())
        self._background.spawn(self._expansions.tell_waiting())
        self._background.spawn(self._expansions.tidy())
        self._background.spawn(self._routers.tend(lambda: self._registry.version))
        leftovers = asyncio.to_thread(self._publisher.delete_files, self._dropped, self._registry)
        self._background.spawn(leftovers)

    async def _adopt_slots(self) -> None:
        """Those of nodes that are alive; the others have gone with theirs."""
        names = [actor["name"] for actor in ray.util.list_named_actors(all_namespaces=True)]
        seats = [seat for seat in map(parse_slot_actor_name, names) if seat is not None]
        adopting = (
            self._pool.adopt(seat, ray.get_actor(slot_actor_name(seat), namespace=NAMESPACE))
            for seat in sorted(seats, key=lambda seat: (seat.number, seat.node))
        )
        await asyncio.gather(*adopting)

    async def _tend_slots(self) -> None:
        """Follow nodes that join and leave, and keep slots in order, for as long as this lives."""
        while True:
            await asyncio.sleep(_TEND_EVERY_S)
            try:
                self._pool.see(await asyncio.to_thread(nodes_alive))
            except RayError as error:
                logger.warning("the cluster does not say which nodes it has: %s", error)
            self._pool.tend()

    def _entry_and_source(self, pathway: PathwayId) -> tuple[PathwayEntry, PathwayEntry | None]:
        entry = self._registry.pathways.get(pathway)
        if entry is None:
            raise UnknownTask(f"{pathway} was removed")
        return entry, self._registry.source_of(entry)

    # --- the network as others see it ------------------------------------------------------

    def view(self) -> NetworkView:
        """The network now."""
        self._announcer.renew()
        return self._announcer.newest

    async def watch(self, epoch: int, timeout_s: float = 30.0) -> News:
        """What is new since `epoch` as soon as anything is; nothing after `timeout_s`."""
        return await self._announcer.watch(epoch, timeout_s)

    def config(self) -> SenConfig:
        """The settings this network runs with."""
        return self._config

    def rollout(self) -> Rollout:
        """How far this network runs the code that this controller runs."""
        slots = self._pool.nodes()
        return Rollout(
            code=LOADED, process=os.getpid(), slots=len(slots), outdated=self._pool.outdated
        )

    def used(self, counts: Mapping[PathwayId, int], inputs: int, unknown: int) -> None:
        """A dispatcher tells which pathways it ran, on how many inputs; see Activity.add."""
        self._pool.use(counts)
        self._activity.add(counts, inputs, unknown)

    def activity(self) -> NetworkActivity:
        """What ran since this controller started."""
        return self._activity.report(self._registry.version, self._announcer.newest.slots)

    async def wake(self, pathway: PathwayId, missing: bool = False) -> Any:
        """Make a pathway resident and return its slot's handle.

        missing: the caller did not find it where the view said. Raises TaskUnavailable.
        """
        if missing:
            await self._pool.reconcile(pathway)
        return await self._wake(pathway, awaited=True)

    async def _wake(self, pathway: PathwayId, *, awaited: bool) -> Any:
        try:
            return await self._pool.wake(pathway, awaited=awaited)
        except TaskUnavailable as error:
            self._announcer.withdraw(pathway.task, str(error))
            raise

    async def _wake_all(self, entries: list[PathwayEntry]) -> None:
        """Wake those that live in slots, as many as there is room for, pinned ones first."""
        slots = self._config.slots
        large = [e for e in entries if e.spec.active_parameters > slots.small]
        large.sort(key=lambda entry: entry.id.task not in slots.pinned)
        first = large[: self._pool.capacity]
        waking = (self._wake(entry.id, awaited=False) for entry in first)
        for outcome in await asyncio.gather(*waking, return_exceptions=True):
            if isinstance(outcome, BaseException) and not isinstance(outcome, SenError):
                raise outcome

    # --- expansions -------------------------------------------------------------------------

    async def submit(self, tasks: Sequence[NewTask]) -> list[str]:
        """Take tasks to learn or to change; see Expansions.submit. Raises DataError for a concept
        that no task in service has."""
        await asyncio.to_thread(check_concepts, tasks, self._registry)
        return await self._expansions.submit(tasks, self._registry)

    def expansion(self, request: str) -> ExpansionStatus:
        """Where an expansion stands; raises ExpansionFailed for an unknown id."""
        try:
            return self._expansions.status(request)
        except ExpansionFailed:
            if entry := self._registry.made_by(request):
                return learned_long_ago(entry)
            raise

    def expansions(self) -> list[ExpansionStatus]:
        """All expansions since the controller started."""
        return self._expansions.all()

    async def take(self, epoch: int) -> Work | None:
        """For a training worker: the next task and what is new since `epoch`; None when it
        should end."""
        waiting = await self._expansions.take()
        if waiting is None:
            return None
        self._announcer.renew()  # it shall know what was published before its task was taken
        return Work(waiting=waiting, news=self._announcer.since(epoch))

    def progress(self, request: str, progress: Progress) -> None:
        """For the training worker: an epoch is done."""
        self._expansions.progress(request, progress)

    async def fail(self, request: str, reason: str) -> None:
        """For the training worker: the task cannot be learned."""
        await self._expansions.failed(request, reason)

    async def publish(self, request: str, finished: Finished, last: Progress | None) -> int:
        """For a training worker: commit what it learned; returns a network version that has it.

        The registry entry is the commit. What follows can be done again after a crash. Tasks
        that several workers publish at the same moment are committed together.
        """
        if not finished.learned:
            if not self._expansions.ended(request):
                await self._expansions.unchanged(request, finished.outcome)
            return self._registry.version
        return await self._publish(_Publication(request=request, finished=finished, last=last))

    async def _publish_together(self, group: Sequence[_Publication]) -> Sequence[int | Exception]:
        # A worker thought lost may have been here before.
        fresh = {p.request: p for p in group if not self._expansions.ended(p.request)}
        for outdated in [p for p in fresh.values() if not self._has_sources(p.finished)]:
            del fresh[outdated.request]
            self._expansions.again(outdated.request)
        if fresh:
            now = datetime.now(UTC)
            entries = [
                learned.entry(p.request, now)
                for p in fresh.values()
                for learned in p.finished.learned
            ]
            await self._publisher.publish(entries)
            for p in fresh.values():
                self._expansions.learned(
                    p.request, self._registry.version, p.last, p.finished.outcome
                )
            self._background.spawn(self._wake_all(entries))
        return [self._registry.version] * len(group)

    def _has_sources(self, finished: Finished) -> bool:
        """Whether nothing that was learned reads a pathway that was removed meanwhile."""
        made = {learned.pathway.spec.id for learned in finished.learned}
        sources = {learned.pathway.spec.source for learned in finished.learned} - {None}
        return all(s in made or s in self._registry.pathways for s in sources)

    async def rollback(self, task: str, version: int | None = None) -> Rollback:
        """Put an earlier version of a task into service; see Publisher.serve_again."""
        self._registry.entry(task)
        self._expansions.check_idle(task)
        done = await self._publisher.serve_again(task, version)
        self._background.spawn(self._wake_all([self._registry.pathways[done.pathway]]))
        return done

    async def proposals(self, most: int) -> list[Proposal]:
        """Pairs of tasks from which backward transfer may make something, best first."""
        likeness = await self._routers.likeness(_ALIKE)
        return propose(self._registry, likeness, most)

    async def remove(self, task: str, reroot: bool = False) -> Removal:
        """Remove a task; see Publisher.remove."""
        for changed in (task, *(e.id.task for e in self._registry.readers_of(task))):
            self._registry.entry(changed)
            self._expansions.check_idle(changed)
        return await self._publisher.remove(task, reroot=reroot)

    async def _run_job(self) -> None:
        """Run one training job; raises JobLost if its worker died."""
        job = TrainingJob(
            controller=ray.get_runtime_context().current_actor,
            store_uri=self._config.store,
            config=self._config.expansion,
        )
        await asyncio.to_thread(free_what_lost_jobs_hold)
        name = f"expansion-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
        try:
            await run_training_job.remote(job, name, self._store.path_for_others(JOBS))
        except RayError as error:
            raise JobLost(str(error).strip().splitlines()[-1]) from error

    # --- proof ------------------------------------------------------------------------------

    async def verify(self) -> list[Verification]:
        """Check every task in service: files against their hashes, answers to probe inputs."""
        registry, resident = self._registry, self._pool.placement()
        entries = registry.entries()
        lenders = [registry.source_of(entry) for entry in entries]
        stored = await verify_stored.remote(self._config.store, entries, lenders)
        asked = [(e.id, handle) for e in entries for handle in resident.get(e.id, ())]
        probed = [handle.verify.remote(id) for id, handle in asked]
        outcomes = await asyncio.gather(*probed, return_exceptions=True)
        return with_residents(stored, zip((id for id, _ in asked), outcomes, strict=True))


class ControllerActor(Controller):
    """The controller as an actor: it brings the store back whenever its process starts."""

    async def __init__(self, config: SenConfig) -> None:  # type: ignore[misc]
        leave_if_outdated()
        super().__init__(config)
        await self.start()


def start_controller(config: SenConfig) -> Any:
    """Start the network's controller; it outlives its caller and restarts after a crash."""
    return (
        ray.remote(ControllerActor)
        .options(
            name=CONTROLLER,
            namespace=NAMESPACE,
            lifetime="detached",
            num_cpus=0,
            max_restarts=-1,
            resources=ON_HEAD,
        )
        .remote(config)
    )
