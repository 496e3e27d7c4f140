"""The controller: the one actor that changes the network.

It owns the registry, the queue of expansions, the routers and the slot pool; everything it
knows is in the store, so a new controller continues where one was lost. Arithmetic and disk
work run off its event loop.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import ray
from ray.exceptions import RayError

from cluster.activity import Activity
from cluster.config import SenConfig
from cluster.errors import SenError, StoreDamagedError, TaskUnavailable
from cluster.expansions import Expansions, JobLost
from cluster.messages import (
    ExpansionStatus,
    Learned,
    NetworkActivity,
    NetworkView,
    Verification,
    WaitingTask,
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
from cluster.ray_nodes import ON_HEAD, nodes_alive
from cluster.registry import PathwayEntry, RegistryLog
from cluster.residency import Residency
from cluster.routers import Routers
from cluster.slot import start_slot, stop_slot
from cluster.store import Store
from cluster.training_job import TrainingJob, run_training_job
from cluster.verification import verify_stored, with_residents
from dispatcher import DispatcherError
from pathways import LearnConfig, PathwayId, Progress, TaskData

logger = logging.getLogger(__name__)

_TEND_EVERY_S = 1.0


class Controller:
    """The network's owner; wrapped into an actor by `start_controller`."""

    def __init__(self, config: SenConfig) -> None:
        self._config = config
        self._store = Store.open(config.store, create=True)
        self._log = RegistryLog(self._store)
        self._registry = self._log.load()
        learned = [entry.request for entry in self._registry.pathways.values()]
        self._expansions = Expansions(
            self._store, config.expansion, learned, self._run_job, RayExpansionMeter()
        )
        self._routers = Routers(self._store)
        self._snapshots: dict[str, Any] = {}  # signature key → object reference
        self._unavailable: dict[str, str] = {}
        self._pool = SlotPool(
            Residency(config.slots),
            lambda seat: start_slot(seat, config.slots, config.store),
            stop_slot,
            self._entry_and_source,
            self._changed,
        )
        self._activity = Activity()
        # From the clock: dispatchers compare epochs across restarts of the controller.
        self._epoch = time.time_ns()
        self._change = asyncio.Event()
        self._publishing = asyncio.Lock()
        self._background: set[asyncio.Task[None]] = set()

    # --- starting -------------------------------------------------------------------------

    async def start(self) -> None:
        """Bring back what the store holds: routers, running slots, waiting expansions."""
        self._pool.see(await asyncio.to_thread(nodes_alive))
        await self._adopt_slots()
        keys = set()
        for entry in self._registry.entries():
            try:
                keys.add(await asyncio.to_thread(self._routers.add, entry))
            except (StoreDamagedError, DispatcherError) as error:
                self._set_unavailable(entry.id.task, str(error))
        for key in keys:
            await self._solve(key)
        await asyncio.to_thread(self._expansions.resume)
        self._spawn(self._wake_all(self._registry.entries()))
        self._spawn(self._tend_slots())
        self._spawn(self._expansions.run_jobs())
        self._spawn(self._expansions.tell_waiting())
        self._changed()

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
        entry = self._registry.pathways[pathway]
        return entry, self._registry.source_of(entry)

    # --- the network as others see it ------------------------------------------------------

    def view(self) -> NetworkView:
        """The network now."""
        return NetworkView(
            epoch=self._epoch,
            registry=self._registry,
            placement=self._pool.placement(),
            slots=self._pool.slots(),
            nodes=self._pool.nodes(),
            routers=dict(self._snapshots),
            unavailable=dict(self._unavailable),
            small=self._config.slots.small,
        )

    async def watch(self, epoch: int, timeout_s: float = 30.0) -> NetworkView:
        """The network as soon as it is newer than `epoch`, or unchanged after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._epoch <= epoch:
                    await self._change.wait()
        except TimeoutError:
            logger.debug("no change after epoch %d within %.0f s", epoch, timeout_s)
        return self.view()

    def config(self) -> SenConfig:
        """The settings this network runs with."""
        return self._config

    def used(self, counts: Mapping[PathwayId, int], inputs: int, unknown: int) -> None:
        """A dispatcher tells which pathways it ran, on how many inputs; see Activity.add."""
        self._pool.use(counts)
        self._activity.add(counts, inputs, unknown)

    def activity(self) -> NetworkActivity:
        """What ran since this controller started."""
        view = self.view()
        here = [e.id for e in self._registry.entries() if view.state(e) in ("resident", "local")]
        return self._activity.report(self._registry.version, here)

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
            self._set_unavailable(pathway.task, str(error))
            raise

    def _changed(self) -> None:
        self._epoch += 1
        self._change.set()
        self._change = asyncio.Event()

    def _set_unavailable(self, task: str, reason: str) -> None:
        logger.error("task %s cannot be served: %s", task, reason)
        self._unavailable[task] = reason
        self._changed()

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

    async def submit(self, task: str, data: TaskData, config: LearnConfig) -> str:
        """Take a task to learn; see Expansions.submit."""
        return await self._expansions.submit(task, data, config, self._registry.current)

    def expansion(self, request: str) -> ExpansionStatus:
        """Where an expansion stands."""
        return self._expansions.status(request)

    def expansions(self) -> list[ExpansionStatus]:
        """All expansions since the controller started."""
        return self._expansions.all()

    async def take(self) -> WaitingTask | None:
        """For the training worker: the next task; None when it should end."""
        return await self._expansions.take()

    def progress(self, request: str, progress: Progress) -> None:
        """For the training worker: an epoch is done."""
        self._expansions.progress(request, progress)

    async def fail(self, request: str, reason: str) -> None:
        """For the training worker: the task cannot be learned."""
        await self._expansions.failed(request, reason)

    async def publish(self, request: str, learned: Learned) -> int:
        """For the training worker: commit a learned task; returns the network version.

        The registry entry is the commit. What follows can be done again after a crash.
        """
        async with self._publishing:
            if self._expansions.status(request).ended:
                return self._registry.version  # a worker thought lost was here before
            entry = learned.entry(request, datetime.now(UTC))
            self._registry = await asyncio.to_thread(self._log.commit, self._registry, [entry])
            await self._solve(await asyncio.to_thread(self._routers.add, entry))
            self._changed()
            await self._expansions.learned(request, self._registry.version)
        self._spawn(self._wake_all([entry]))
        return self._registry.version

    async def _solve(self, key: str) -> None:
        snapshot = await asyncio.to_thread(self._routers.solve, key)
        self._snapshots[key] = ray.put(snapshot.to_arrays())

    async def _run_job(self) -> None:
        """Run one training job; raises JobLost if its worker died."""
        job = TrainingJob(
            controller=ray.get_runtime_context().current_actor,
            store_uri=self._config.store,
            config=self._config.expansion,
        )
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

    def _spawn(self, work: Any) -> None:
        """Run in the background; asyncio only keeps weak references to tasks."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("background work of the controller failed", exc_info=error)


class ControllerActor(Controller):
    """The controller as an actor: it brings the store back whenever its process starts."""

    async def __init__(self, config: SenConfig) -> None:  # type: ignore[misc]
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
