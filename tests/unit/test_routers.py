"""Routers fed from the store: what is told when a task comes, and how a start goes quickly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from cluster.changes import RouterChange
from cluster.names import router_directory, statistics_path
from cluster.registry import PathwayEntry, Registry
from cluster.router_files import RouterFiles
from cluster.router_keeper import RouterKeeper
from cluster.routers import Routers
from cluster.store import Store
from dispatcher import Part, Snapshot, StatisticsBuilder
from pathways import PathwayId, StoredPathway
from pathways.weights import sha256

DIM = 40
KEY = "image-28x28x1"

Publish = Callable[[int], PathwayEntry]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store", create=True)


@pytest.fixture
def publish(store: Store, stored: dict[str, StoredPathway]) -> Publish:
    """Writes the statistics of a made-up task, and gives its entry."""

    def one(task: int) -> PathwayEntry:
        random = np.random.default_rng(task)
        y = np.arange(9) % 3
        x = random.standard_normal((3, DIM))[y] + 0.3 * random.standard_normal((9, DIM))
        builder = StatisticsBuilder(3, DIM)
        builder.update(x.astype(np.float32), y)
        body = safetensors.numpy.save(builder.finish().to_arrays())
        id = PathwayId(f"task-{task:03}")
        path = statistics_path(id, sha256(body))
        store.write_content(path, body)
        return PathwayEntry(
            spec=replace(stored["digits"].spec, id=id),
            weights_path="none",
            statistics_path=path,
            statistics_sha256=sha256(body),
            request=f"{task + 1:08d}-{id.task}",
            learned_at=datetime.now(UTC).isoformat(),
        )

    return one


def files(store: Store) -> list[Path]:
    return sorted(Path(store.path(router_directory(KEY))).glob("*"))


def test_the_first_tasks_are_told_whole_and_later_ones_as_extensions(
    store: Store, publish: Publish
) -> None:
    routers = Routers(store)
    assert routers.learn(publish(task) for task in range(30)) == {}
    (told,) = routers.news().values()
    assert told.whole is not None and told.extension is None
    snapshot = Snapshot.from_arrays(told.whole)
    assert routers.news() == {}

    assert routers.learn([publish(30)]) == {}
    told = routers.news()[KEY]
    assert told.whole is None and told.extension is not None
    snapshot = snapshot.extended(Part.from_arrays(told.extension))
    assert snapshot.tasks[-1] == "task-030"
    assert sum(a.nbytes for a in told.extension.values()) < 50_000


def test_many_extensions_become_a_whole(store: Store, publish: Publish) -> None:
    routers = Routers(store)
    routers.learn(publish(task) for task in range(40))
    routers.news()
    told = []
    for task in range(40, 44):
        routers.learn([publish(task)])
        told.append(routers.news()[KEY].whole is not None)
    assert told == [False, False, True, False]


def test_settling_solves_what_was_extended_and_nothing_else(store: Store, publish: Publish) -> None:
    routers = Routers(store)
    routers.learn(publish(task) for task in range(30))
    routers.news()
    assert routers.settle() == {}
    routers.learn([publish(30)])
    routers.news()
    settled = routers.settle()[KEY].whole
    assert settled is not None
    for name, array in routers.solve(KEY).to_arrays().items():
        np.testing.assert_array_equal(settled[name], array)
    assert routers.settle() == {}


def test_a_task_that_is_there_is_not_read_again(store: Store, publish: Publish) -> None:
    routers, entry = Routers(store), publish(0)
    routers.add(entry)
    Path(store.path(entry.statistics_path)).unlink()
    assert routers.learn([entry]) == {}


def test_a_damaged_task_is_refused_alone(store: Store, publish: Publish) -> None:
    routers, entries = Routers(store), [publish(task) for task in range(3)]
    Path(store.path(entries[1].statistics_path)).write_bytes(b"damage")
    refused = routers.learn(entries)
    assert list(refused) == ["task-001"]
    assert "is damaged" in refused["task-001"]
    assert routers.solve(KEY).tasks == ("task-000", "task-002")


# --- whole routers in the store -------------------------------------------------------------------


def registry_of(entries: list[PathwayEntry]) -> Registry:
    return Registry().publish(entries)


def test_a_start_reads_a_whole_router_and_the_tasks_after_it(
    store: Store, publish: Publish
) -> None:
    entries = [publish(task) for task in range(70)]
    routers = Routers(store)
    routers.learn(entries[:66])
    routers.save(66, eagerly=False)
    routers.learn(entries[66:])
    assert len(files(store)) == 1

    for entry in entries[:66]:
        Path(store.path(entry.statistics_path)).unlink()
    started = Routers(store)
    assert started.load(registry_of(entries)) == {}
    whole = started.news()[KEY].whole
    assert whole is not None
    for name, array in routers.solve(KEY).to_arrays().items():
        np.testing.assert_allclose(whole[name], array, rtol=1e-4, atol=1e-5)


def test_a_router_that_a_file_holds_whole_is_told_at_a_start(
    store: Store, publish: Publish
) -> None:
    entries = [publish(task) for task in range(66)]
    routers = Routers(store)
    routers.learn(entries)
    routers.save(66, eagerly=True)
    started = Routers(store)
    started.load(registry_of(entries))
    (told,) = started.news().values()
    assert told.whole is not None
    assert Snapshot.from_arrays(told.whole).tasks == routers.solve(KEY).tasks
    assert started.news() == {}


def test_routers_are_written_only_when_that_is_worth_it(store: Store, publish: Publish) -> None:
    routers = Routers(store)
    routers.learn(publish(task) for task in range(60))
    routers.save(60, eagerly=True)
    assert files(store) == []
    routers.learn(publish(task) for task in range(60, 300))
    routers.save(300, eagerly=False)
    routers.save(300, eagerly=True)
    assert len(files(store)) == 1
    routers.learn(publish(task) for task in range(300, 370))
    routers.save(370, eagerly=False)
    assert len(files(store)) == 1
    routers.save(370, eagerly=True)
    assert len(files(store)) == 2


@pytest.mark.parametrize("damage", ["cut", "changed", "other"])
def test_a_damaged_router_loses_nothing(
    store: Store, publish: Publish, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    entries = [publish(task) for task in range(66)]
    routers = Routers(store)
    routers.learn(entries)
    routers.save(66, eagerly=True)
    (file,) = files(store)
    body = bytearray(file.read_bytes())
    if damage == "changed":
        body[-5] ^= 1
    file.unlink()
    if damage == "other":
        file = file.with_name(file.name.replace(file.name[13:29], sha256(b"no tensors")[:16]))
        body = bytearray(b"no tensors")
    file.write_bytes(body[: len(body) // 2] if damage == "cut" else body)

    started = Routers(store)
    assert started.load(registry_of(entries)) == {}
    assert started.solve(KEY).tasks == routers.solve(KEY).tasks
    assert "made from each task's statistics" in caplog.text


def test_a_router_of_other_tasks_is_not_taken(store: Store, publish: Publish) -> None:
    entries = [publish(task) for task in range(66)]
    routers = Routers(store)
    routers.learn(entries)
    routers.save(66, eagerly=True)
    assert RouterFiles(store).newest(KEY, entries) is not None
    assert RouterFiles(store).newest(KEY, entries[1:]) is None
    relearned = replace(entries[0], statistics_sha256="0" * 64)
    assert RouterFiles(store).newest(KEY, [relearned, *entries[1:]]) is None


def test_only_the_last_two_routers_are_kept(store: Store, publish: Publish) -> None:
    entries = [publish(task) for task in range(66)]
    routers = Routers(store)
    routers.learn(entries)
    solved, keep = routers._signatures[KEY].router, RouterFiles(store)
    for version in (1, 2, 3, 4):
        keep.save(KEY, version, solved, {e.id.task: e for e in entries})
    assert [int(file.name[:12]) for file in files(store)] == [3, 4]


# --- as the network grows --------------------------------------------------------------------


class Told:
    """What a keeper told."""

    def __init__(self, store: Store, quiet_s: float = 60.0) -> None:
        self.changes: list[tuple[str, RouterChange]] = []
        self.refused: list[str] = []
        self.keeper = RouterKeeper(
            Routers(store),
            put=lambda arrays: ("put", sorted(arrays)),
            tell=lambda key, change: self.changes.append((key, change)),
            refuse=lambda task, reason: self.refused.append(task),
            quiet_s=quiet_s,
        )


async def until(happened: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not happened():
            await asyncio.sleep(0.01)


def test_a_start_is_told_whole_and_a_new_task_as_an_extension(
    store: Store,
    publish: Publish,
) -> None:
    async def grow() -> Told:
        told = Told(store)
        await told.keeper.load(Registry().publish([publish(task) for task in range(30)]))
        await told.keeper.learn([publish(30)])
        return told

    told = asyncio.run(grow())
    (key, first), (_, second) = told.changes
    assert key == KEY
    assert first.base[0] == "put" and not first.extensions
    assert second.base is None and len(second.extensions) == 1
    assert told.refused == []


def test_a_task_that_cannot_be_routed_to_is_refused_alone(
    store: Store,
    publish: Publish,
) -> None:
    entries = [publish(task) for task in range(3)]
    Path(store.path(entries[1].statistics_path)).unlink()
    told = Told(store)
    asyncio.run(told.keeper.learn(entries))
    assert told.refused == ["task-001"]
    assert [key for key, _ in told.changes] == [KEY]


def test_when_it_is_quiet_routers_are_written_and_solved_as_a_whole(
    store: Store,
    publish: Publish,
) -> None:
    async def grow() -> Told:
        told = Told(store, quiet_s=0.01)
        await told.keeper.learn([publish(task) for task in range(70)])
        await told.keeper.learn([publish(70)])
        tending = asyncio.create_task(told.keeper.tend(lambda: 71))
        await until(lambda: len(told.changes) == 3)
        await asyncio.sleep(0.1)
        tending.cancel()
        return told

    told = asyncio.run(grow())
    assert [change.base is not None for _, change in told.changes] == [True, False, True]
    assert len(files(store)) == 1


def test_a_router_that_cannot_be_written_is_told_all_the_same(
    store: Store,
    publish: Publish,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def grow() -> Told:
        told = Told(store, quiet_s=0.01)
        await told.keeper.learn([publish(task) for task in range(70)])
        await told.keeper.learn([publish(70)])
        Path(store.path("routers")).write_text("in the way")
        tending = asyncio.create_task(told.keeper.tend(lambda: 71))
        await until(lambda: len(told.changes) == 3)
        tending.cancel()
        return told

    asyncio.run(grow())
    assert "the next start takes longer" in caplog.text


# --- removing a task ----------------------------------------------------------------------------


def scores(routers: Routers) -> Any:
    x = np.random.default_rng(7).standard_normal((50, DIM)).astype(np.float32)
    routes = routers.solve(KEY).route(x, None)
    return routes.tasks, routes.probabilities


def without(entries: list[PathwayEntry], gone: int) -> list[PathwayEntry]:
    return entries[:gone] + entries[gone + 1 :]


@pytest.mark.parametrize("damaged", [False, True])
def test_a_removed_task_leaves_the_router_as_if_it_never_came(
    store: Store, publish: Publish, damaged: bool
) -> None:
    entries = [publish(task) for task in range(8)]
    routers, never = Routers(store), Routers(store)
    routers.learn(entries)
    never.learn(without(entries, 3))
    if damaged:  # then it cannot be subtracted
        Path(store.path(entries[3].statistics_path)).write_bytes(b"nothing")
    remaining = Registry().publish(without(entries, 3))
    assert routers.remove(entries[3], remaining) == {}
    for given, wanted in zip(scores(routers), scores(never), strict=True):
        np.testing.assert_allclose(given, wanted, rtol=1e-5)


def test_a_removal_is_told_as_a_whole_router(store: Store, publish: Publish) -> None:
    entries = [publish(task) for task in range(30)]
    routers = Routers(store)
    routers.learn(entries)
    routers.news()
    routers.remove(entries[0], Registry().publish(entries[1:]))
    (news,) = routers.news().values()
    assert news.whole is not None
    assert Snapshot.from_arrays(news.whole).tasks == tuple(e.id.task for e in entries[1:])


def test_a_new_task_may_follow_the_removal_of_all(store: Store, publish: Publish) -> None:
    routers, entries = Routers(store), [publish(0), publish(1)]
    routers.learn(entries)
    routers.remove(entries[0], Registry().publish(entries[1:]))
    routers.remove(entries[1], Registry())
    assert routers.news() == {}
    routers.learn([publish(2)])
    assert routers.news()[KEY].whole is not None


def test_a_file_that_holds_a_removed_task_is_passed_over(store: Store, publish: Publish) -> None:
    entries = [publish(task) for task in range(70)]
    routers = Routers(store)
    routers.learn(entries)
    routers.save(1, eagerly=True)
    routers.remove(entries[5], Registry().publish(without(entries, 5)))
    routers.save(2, eagerly=True)
    again = Routers(store)
    assert again.load(Registry().publish(without(entries, 5))) == {}
    assert set(again.solve(KEY).tasks) == {e.id.task for e in without(entries, 5)}
