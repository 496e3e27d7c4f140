"""Changes of the network: what the store holds first, what followers are told, what goes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cluster import Store
from cluster.announcer import Announcer
from cluster.background import Background
from cluster.errors import StoreError, TaskInUse, UnknownTask, VersionUnknown
from cluster.expansion import write_version
from cluster.messages import Learned, NetworkView
from cluster.names import change_path
from cluster.publisher import Publisher, Removal
from cluster.registry import PathwayEntry, Registry
from cluster.registry_log import RegistryLog
from cluster.router_keeper import RouterKeeper
from cluster.routers import Routers
from pathways import PathwayId, Revision, StoredPathway, TaskData
from tests.unit.networks import publish_all

KEY = "image-28x28x1"


@dataclass
class Network:
    """What the controller holds, without one."""

    store: Store
    retired: list[PathwayId] = field(default_factory=list)

    async def start(self) -> Network:
        self.log = RegistryLog(self.store)
        registry = self.log.load()
        first = NetworkView(epoch=1, registry=registry, placement={})
        self.announcer = Announcer(first, lambda: ({}, {}, {}))
        self.routers = Routers(self.store)
        keeper = RouterKeeper(
            self.routers, lambda arrays: arrays, self.announcer.route, self.announcer.withdraw
        )
        await keeper.load(registry)
        self.background = Background("a test")
        self.publisher = Publisher(
            self.store,
            self.log,
            registry,
            keeper,
            self.announcer,
            retire=self._retire,
            reroot=self._reroot,
            background=self.background,
        )
        self.announcer.renew()
        return self

    def _retire(self, pathways: Collection[PathwayId]) -> None:
        self.retired += sorted(pathways)

    async def _reroot(
        self, readers: Sequence[PathwayEntry], registry: Registry
    ) -> Sequence[Learned]:
        """The same weights under a new number; what re-rooting does to them is tested elsewhere."""
        return [next_version(self.store, registry, e.id.task, source=None) for e in readers]

    @property
    def told(self) -> NetworkView:
        self.announcer.renew()
        return self.announcer.newest

    @property
    def in_service(self) -> list[str]:
        assert self.told.registry == self.publisher.registry == RegistryLog(self.store).load()
        return [str(entry.id) for entry in self.told.registry.entries()]


def next_version(
    store: Store, registry: Registry, task: str, source: PathwayId | None = None
) -> Learned:
    """A new version of a task: the same weights under the next number."""
    entry = registry.entry(task)
    spec = replace(
        entry.spec,
        id=PathwayId(task, registry.next_version(task)),
        revision=Revision(kind="improved", of=entry.id),
        source=source,
    )
    stored = StoredPathway(spec=spec, weights=store.read(entry.weights_path))
    return write_version(store, stored, entry)


async def improve(network: Network, task: str) -> None:
    registry = network.publisher.registry
    made = next_version(network.store, registry, task, registry.entry(task).spec.source)
    await network.publisher.publish([entry_of(registry, task, made)])


def entry_of(registry: Registry, task: str, made: Learned) -> PathwayEntry:
    return made.entry(registry.entry(task).request, datetime.now(UTC))


@pytest.fixture
def store(
    tmp_path: Path,
    stored: dict[str, StoredPathway],
    sets: dict[str, tuple[TaskData, TaskData]],
) -> Store:
    """digits, lower (reads digits), upper (reads lower), fashion and spoken."""
    return publish_all(
        tmp_path / "store", stored, {n: train for n, (train, _) in sets.items()}
    ).store


def run(store: Store, work: Callable[[Network], Awaitable[None]]) -> None:
    async def all() -> None:
        await work(await Network(store).start())

    asyncio.run(all())


def files_of(store: Store, task: str) -> list[str]:
    root = Path(store.path(""))
    return sorted(str(p.relative_to(root)) for p in root.rglob(f"*/{task}/**/*") if p.is_file())


async def removed(store: Store, task: str) -> None:
    """Files are removed in the background."""
    async with asyncio.timeout(10):
        while files_of(store, task):
            await asyncio.sleep(0.01)


def test_a_new_version_replaces_the_old_one_and_can_be_rolled_back(store: Store) -> None:
    async def work(network: Network) -> None:
        await improve(network, "digits")
        assert "digits@2" in network.in_service
        assert network.retired == [PathwayId("digits", 1)]
        done = await network.publisher.serve_again("digits")
        assert done.pathway == PathwayId("digits", 1)
        assert done.network_version == network.told.registry.version
        assert "digits@1" in network.in_service
        await network.publisher.serve_again("digits", 2)
        assert "digits@2" in network.in_service
        await improve(network, "digits")
        assert "digits@3" in network.in_service

    run(store, work)


def test_what_cannot_be_rolled_back_is_said(store: Store) -> None:
    async def work(network: Network) -> None:
        for task, version, error, said in (
            ("digits", None, VersionUnknown, "digits@1 has no earlier version"),
            ("digits", 1, VersionUnknown, "digits@1 is in service already"),
            ("digits", 9, VersionUnknown, "has no version 9; it has 1"),
            ("x", None, UnknownTask, "no task is called 'x'"),
        ):
            with pytest.raises(error, match=said):
                await network.publisher.serve_again(task, version)
        assert network.told.registry.version == len(network.in_service)

    run(store, work)


def test_a_damaged_version_is_served_no_more_until_it_is_rolled_back(store: Store) -> None:
    async def work(network: Network) -> None:
        await improve(network, "digits")
        network.announcer.withdraw("digits", "its file is damaged")
        assert "digits" in network.told.unavailable
        await network.publisher.serve_again("digits")
        assert not network.told.unavailable

    run(store, work)


def test_a_removed_task_is_gone_with_its_files_and_its_routing(store: Store) -> None:
    async def work(network: Network) -> None:
        await improve(network, "spoken")
        assert files_of(store, "spoken")
        removal = await network.publisher.remove("spoken", reroot=False)
        ids = (PathwayId("spoken", 1), PathwayId("spoken", 2))
        assert removal == Removal(task="spoken", network_version=7, dropped=ids)
        assert network.in_service == ["digits@1", "lower@1", "upper@1", "fashion@1"]
        assert set(network.told.registry.signatures) == {KEY}
        assert not network.told.unavailable
        await removed(store, "spoken")
        assert set(network.retired) >= set(ids)

    run(store, work)


def test_a_router_is_told_without_the_removed_task(store: Store) -> None:
    async def work(network: Network) -> None:
        await network.publisher.remove("upper", reroot=False)
        assert network.routers.solve(KEY).tasks == ("digits", "fashion", "lower")
        assert network.told.routers[KEY].extensions == ()

    run(store, work)


def test_a_task_that_others_read_is_not_removed_unasked(store: Store) -> None:
    async def work(network: Network) -> None:
        before = network.in_service
        with pytest.raises(TaskInUse, match="task lower cannot be removed, since upper@1 read"):
            await network.publisher.remove("lower", reroot=False)
        assert network.in_service == before
        assert not network.told.unavailable

    run(store, work)


def test_readers_are_rerooted_when_asked(store: Store) -> None:
    async def work(network: Network) -> None:
        removal = await network.publisher.remove("lower", reroot=True)
        assert removal.rerooted == (PathwayId("upper", 2),)
        assert removal.dropped == (PathwayId("lower"), PathwayId("upper", 1))
        assert "upper@2" in network.in_service
        entry = network.told.registry.entry("upper")
        assert entry.request.endswith("upper")
        assert store.exists(entry.weights_path) and store.exists(entry.statistics_path)
        await removed(store, "lower")
        assert "upper" in network.routers.solve(KEY).tasks

    run(store, work)


def test_a_removal_that_cannot_be_written_changes_nothing(store: Store) -> None:
    async def work(network: Network) -> None:
        before = network.in_service
        another_writer_was_first = change_path(network.publisher.registry.version + 1)
        store.write_new(another_writer_was_first, b"{}")
        with pytest.raises(StoreError):
            await network.publisher.remove("spoken", reroot=False)
        store.delete([another_writer_was_first])
        assert not network.told.unavailable
        assert network.in_service == before
        assert files_of(store, "spoken")

    run(store, work)


def test_a_router_that_cannot_forget_is_not_asked_for_the_task(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(network: Network) -> None:
        monkeypatch.setattr(network.routers, "remove", impossible)
        await network.publisher.remove("spoken", reroot=False)
        assert "spoken@1" not in network.in_service
        assert dict(network.told.unavailable) == {"spoken": "it is being removed"}

    def impossible(*of: object) -> None:
        raise ArithmeticError("no factor")

    run(store, work)


def test_files_left_by_a_crash_are_removed_at_the_next_start(store: Store) -> None:
    async def work(network: Network) -> None:
        registry = RegistryLog(store).load()
        entry = registry.entry("spoken")
        kept = {p: store.read(p) for p in (entry.weights_path, entry.statistics_path)}
        await network.publisher.remove("spoken", reroot=False)
        await removed(store, "spoken")
        for path, body in kept.items():
            store.write_content(path, body)
        again = await Network(store).start()
        again.publisher.delete_files(again.log.dropped, again.publisher.registry)
        assert files_of(store, "spoken") == []

    run(store, work)
