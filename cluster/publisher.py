"""Changes the network, one change at a time: first in the store, then for all who follow it.

Whatever is told of a task that goes away, dispatchers hear before it is gone: that it is
withdrawn, then a router without it, then a registry without it. So no request meets half of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cluster.announcer import Announcer
from cluster.background import Background
from cluster.errors import StoreError, TaskInUse, VersionUnknown
from cluster.messages import Learned
from cluster.names import spec_path
from cluster.registry import NAMED, PathwayEntry, Registry, RegistryChange
from cluster.registry_log import RegistryLog
from cluster.router_keeper import RouterKeeper
from cluster.store import Store
from pathways import PathwayId

logger = logging.getLogger(__name__)

Reroot = Callable[[Sequence[PathwayEntry], Registry], Awaitable[Sequence[Learned]]]
"""Makes versions of pathways that need no source any more, and writes their files."""


@dataclass(frozen=True, kw_only=True)
class Removal:
    """What went with a task."""

    task: str
    network_version: int
    rerooted: tuple[PathwayId, ...] = ()
    """New versions of tasks that had read it, which hold their own copy of what they need."""
    dropped: tuple[PathwayId, ...] = ()
    """Every version that is no more, its own and earlier ones of tasks that read it."""


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """An earlier version that is in service again."""

    pathway: PathwayId
    network_version: int


class Publisher:
    """The registry and who is told of it. Lives in one event loop."""

    def __init__(
        self,
        store: Store,
        log: RegistryLog,
        registry: Registry,
        routers: RouterKeeper,
        announcer: Announcer,
        *,
        retire: Callable[[Collection[PathwayId]], None],
        reroot: Reroot,
        background: Background,
    ) -> None:
        """registry: as `log` gave it; retire: these pathways are not in service any more."""
        self._store = store
        self._log = log
        self._routers = routers
        self._announcer = announcer
        self._retire = retire
        self._reroot = reroot
        self._background = background
        self._one_at_a_time = asyncio.Lock()
        self._snapshotting: asyncio.Future[None] | None = None
        self.registry = registry
        """The network now, as the store has it."""

    async def publish(self, entries: Sequence[PathwayEntry]) -> None:
        """Put new pathways into service, all or none; durable when this returns."""
        async with self._one_at_a_time:
            change = RegistryChange(publish=tuple(entries))
            before = self.registry
            await self._commit(change)
            for entry in entries:
                if entry.id.task in before.current:
                    self._announcer.restore(entry.id.task)
            await self._routers.learn(entries)
            self._tell(change, before)

    async def serve_again(self, task: str, version: int | None = None) -> Rollback:
        """Put an earlier version of a task into service, by default what the one in service was
        made of. Raises UnknownTask, VersionUnknown or StoreError."""
        async with self._one_at_a_time:
            before = self.registry
            entry = (
                before.version_before(task) if version is None else before.version_of(task, version)
            )
            if entry.id.version == before.current[task]:
                raise VersionUnknown(f"{entry.id} is in service already; name another version")
            change = RegistryChange(serve={task: entry.id.version})
            await self._commit(change)
            self._announcer.restore(task)
            self._tell(change, before)
            return Rollback(pathway=entry.id, network_version=self.registry.version)

    async def remove(self, task: str, *, reroot: bool) -> Removal:
        """Remove a task with all its versions, what the router learned of it, and their files.

        reroot: tasks that read its hidden units get a version with a copy of them; else the removal
        is refused. Raises UnknownTask, TaskInUse, StoreError or WeightsError.
        """
        async with self._one_at_a_time:
            before = self.registry
            removed = before.entry(task)
            readers = before.readers_of(task)
            served = [r for r in readers if before.current[r.id.task] == r.id.version]
            if served and not reroot:
                raise TaskInUse(_readers_named(task, served))
            made = await self._reroot(served, before) if served else []
            now = datetime.now(UTC)
            change = RegistryChange(
                publish=tuple(m.entry(r.request, now) for m, r in zip(made, served, strict=True)),
                drop=tuple(entry.id for entry in (*before.versions(task), *readers)),
            )
            await self._withdrawn(task, change)
            if await self._unrouted(removed):
                self._announcer.restore(task)
            self._tell(change, before)
            gone = [before.pathways[id] for id in change.drop]
            self._background.spawn(asyncio.to_thread(self.delete_files, gone, self.registry))
            return Removal(
                task=task,
                network_version=self.registry.version,
                rerooted=tuple(entry.id for entry in change.publish),
                dropped=change.drop,
            )

    async def _withdrawn(self, task: str, change: RegistryChange) -> None:
        """Commit while nobody is sent to the task any more."""
        self._announcer.withdraw(task, "it is being removed")
        try:
            await self._commit(change)
        except StoreError:
            self._announcer.restore(task)
            raise

    async def _unrouted(self, removed: PathwayEntry) -> bool:
        """Whether the router forgot the task. If not it stays withdrawn, so that nobody is sent
        there all the same: the removal is in the store and cannot fail any more."""
        try:
            await self._routers.remove(removed, self.registry)
        except Exception:
            logger.exception("the router still knows %s, which is gone", removed.id.task)
            return False
        return True

    async def _commit(self, change: RegistryChange) -> None:
        self.registry = await asyncio.to_thread(self._log.commit, self.registry, change)

    def _tell(self, change: RegistryChange, before: Registry) -> None:
        self._announcer.change(change)
        replaced = {entry.id.task for entry in change.publish} | set(change.serve)
        ids = {PathwayId(t, before.current[t]) for t in replaced if t in before.current}
        if out_of_service := ids | set(change.drop):
            self._retire(out_of_service)
        self._keep_snapshot()

    def _keep_snapshot(self) -> None:
        """See to a snapshot of the registry when one is due; publishing goes on meanwhile."""
        idle = self._snapshotting is None or self._snapshotting.done()
        if idle and self._log.snapshot_due(self.registry):
            writing = asyncio.to_thread(self._log.snapshot, self.registry)
            self._snapshotting = self._background.spawn(writing)

    def delete_files(self, gone: Iterable[PathwayEntry], registry: Registry) -> None:
        """Remove the files of dropped pathways that nothing in `registry` has. Blocks."""
        for entry in gone:
            kept = {other.statistics_path for other in registry.versions(entry.id.task)}
            files = [entry.weights_path, spec_path(entry.id, entry.spec.weights_sha256)]
            try:
                self._store.delete([*files, *({entry.statistics_path} - kept)])
            except StoreError as error:
                logger.warning("%s; nothing reads it any more", error)


def _readers_named(task: str, readers: Sequence[PathwayEntry]) -> str:
    named = ", ".join(str(entry.id) for entry in readers[:NAMED])
    more = f" and {len(readers) - NAMED} more" if len(readers) > NAMED else ""
    return (
        f"task {task} cannot be removed, since {named}{more} read its hidden units; remove them "
        "first, or have them re-rooted, with a copy of their own of what they need"
    )
