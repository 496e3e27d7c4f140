"""A copy of a store is one moment of its network, whatever is written meanwhile, or no store."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from obstore.store import MemoryStore
from typer.testing import CliRunner

from cluster import Store
from cluster.copying import copy_store
from cluster.errors import NotRunning, StoreDamagedError, StoreError, StoreFormatError
from cluster.messages import NewTask
from cluster.object_files import ObjectFiles
from cluster.registry import PathwayEntry, Registry, RegistryChange
from cluster.registry_log import RegistryLog
from cluster.requests import RequestLog
from cluster.slot import Slot
from deploy.cli import app
from pathways import LearnConfig, TaskData
from pathways.weights import sha256
from tests.unit.fakes import made_up_entry
from tests.unit.networks import LearnedNetwork, Sets

WAITING = "00000009-digits"


class Writer:
    """What a controller does to a store, with bytes in place of models."""

    def __init__(self, store: Store) -> None:
        self.store, self.log, self.registry = store, RegistryLog(store), Registry()

    def learn(self, id: str) -> PathwayEntry:
        weights, statistics = os.urandom(1000), os.urandom(100)
        made = made_up_entry(id)
        entry = replace(
            made,
            spec=replace(made.spec, weights_sha256=sha256(weights)),
            statistics_sha256=sha256(statistics),
        )
        self.store.write_all_new({entry.weights_path: weights, entry.statistics_path: statistics})
        self.registry = self.log.publish(self.registry, [entry])
        return entry

    def remove(self, entry: PathwayEntry) -> None:
        self.registry = self.log.commit(self.registry, RegistryChange(drop=(entry.id,)))
        self.store.delete([entry.weights_path, entry.statistics_path])


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(Store.open(tmp_path / "store", create=True))


@pytest.fixture
def few(sets: Sets) -> TaskData:
    return sets["digits"][0].shots(2, np.random.default_rng(0))


def at(done: int, act: Callable[[], object]) -> Callable[[int, int], None]:
    """Progress that acts, once, when so many files are copied."""
    acts = [act]

    def progress(now: int, total: int) -> None:
        if now == done and acts:
            acts.pop()()

    return progress


def whole(store: Store) -> Registry:
    """The registry of a store all of whose files are what the registry says."""
    registry = RegistryLog(store).load()
    for entry in registry.pathways.values():
        assert sha256(store.read(entry.weights_path)) == entry.spec.weights_sha256
        assert sha256(store.read(entry.statistics_path)) == entry.statistics_sha256
    return registry


def test_a_copy_is_a_network_that_answers_as_the_first(
    network: LearnedNetwork, sets: Sets, tmp_path: Path
) -> None:
    copied = copy_store(network.store, str(tmp_path / "copy"))
    assert copied.network_version == network.registry.version
    assert copied.tasks == len(network.registry.current)
    copy = Store.open(tmp_path / "copy")
    assert whole(copy) == network.registry
    task = next(iter(sets))
    entry, x = network.registry.entry(task), sets[task][1].x[:5]
    answers = []
    for uri in (network.store.uri, copy.uri):
        slot = Slot(uri)
        slot.load(entry, None)
        answers += slot.run([(entry.id, x)])
    np.testing.assert_array_equal(*answers)
    assert answers[0] is not None


def test_a_network_that_learns_goes_on_and_the_copy_is_of_before(
    writer: Writer, tmp_path: Path
) -> None:
    writer.learn("a@1")
    copy_store(writer.store, str(tmp_path / "copy"), at(1, lambda: writer.learn("b@1")))
    assert set(whole(Store.open(tmp_path / "copy")).current) == {"a"}
    assert set(whole(writer.store).current) == {"a", "b"}


def test_a_task_that_is_removed_meanwhile_is_not_missed(writer: Writer, tmp_path: Path) -> None:
    writer.learn("a@1")
    gone = writer.learn("b@1")
    copied = copy_store(writer.store, str(tmp_path / "copy"), at(1, lambda: writer.remove(gone)))
    assert copied.network_version == 3
    copy = whole(Store.open(tmp_path / "copy"))
    assert set(copy.current) == {"a"}
    assert copy.highest["b"] == 1, "no id is used twice, in a restored network either"


def test_a_snapshot_of_the_registry_meanwhile_is_not_missed(writer: Writer, tmp_path: Path) -> None:
    for number in range(5):
        writer.learn(f"t{number}@1")
    writer.log.snapshot(writer.registry)
    writer.learn("more@1")

    def snapshot() -> None:
        writer.log.snapshot(writer.registry)

    copied = copy_store(writer.store, str(tmp_path / "copy"), at(2, snapshot))
    assert whole(Store.open(tmp_path / "copy")) == writer.registry
    assert copied.network_version == 6


def test_a_task_that_waits_is_in_the_copy(writer: Writer, few: TaskData, tmp_path: Path) -> None:
    log = RequestLog(writer.store)
    log.add({WAITING: NewTask(task="digits", data=few, config=LearnConfig())})
    assert copy_store(writer.store, str(tmp_path / "copy")).waiting == 1
    copy = RequestLog(Store.open(tmp_path / "copy"))
    assert copy.complete() == [WAITING]
    np.testing.assert_array_equal(copy.data(WAITING).x, few.x)


def test_a_task_that_is_learned_meanwhile_is_in_the_copy(
    writer: Writer, few: TaskData, tmp_path: Path
) -> None:
    writer.learn("a@1")
    log = RequestLog(writer.store)
    log.add({WAITING: NewTask(task="digits", data=few, config=LearnConfig())})

    def learned() -> None:
        writer.learn("digits@1")
        log.remove(WAITING)

    copied = copy_store(writer.store, str(tmp_path / "copy"), at(0, learned))
    assert set(whole(Store.open(tmp_path / "copy")).current) == {"a", "digits"}
    assert copied.waiting == 0


def test_a_copy_that_is_cut_off_is_no_store_and_goes_on(writer: Writer, tmp_path: Path) -> None:
    for number in range(4):
        writer.learn(f"t{number}@1")
    place = tmp_path / "copy"

    def cut() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_store(writer.store, str(place), at(5, cut))
    with pytest.raises(StoreFormatError):
        Store.open(place)
    damaged = next(place.glob("pathways/*"))
    damaged.write_bytes(b"half")
    copied = copy_store(writer.store, str(place))
    assert (copied.files, copied.kept) == (8, 4), "the damaged one was brought again"
    assert whole(Store.open(place)) == writer.registry
    with pytest.raises(StoreError, match="holds a store already; name an empty place"):
        copy_store(writer.store, str(place))


def test_a_task_that_ended_before_a_copy_goes_on_does_not_wait_in_it(
    writer: Writer, few: TaskData, tmp_path: Path
) -> None:
    log = RequestLog(writer.store)
    log.add({WAITING: NewTask(task="digits", data=few, config=LearnConfig())})
    place = tmp_path / "copy"
    (place / "requests").mkdir(parents=True)
    (place / "sen-copy.json").write_text(json.dumps({"from": writer.store.uri}))
    shutil.copytree(writer.store.path(f"requests/{WAITING}"), place / "requests" / WAITING)
    log.remove(WAITING)
    assert copy_store(writer.store, str(place)).waiting == 0
    assert RequestLog(Store.open(place)).ids() == []


def test_an_unfinished_copy_of_another_store_is_not_continued(
    writer: Writer, tmp_path: Path
) -> None:
    place = tmp_path / "copy"
    place.mkdir()
    (place / "sen-copy.json").write_text('{"from": "/elsewhere"}')
    with pytest.raises(StoreError, match="holds an unfinished copy of another store"):
        copy_store(writer.store, str(place))


def test_a_place_with_other_files_is_not_copied_to(writer: Writer, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "thesis.txt").write_text("precious")
    with pytest.raises(StoreError, match=r"holds other files \(thesis\.txt, …\)"):
        copy_store(writer.store, str(tmp_path / "copy"))
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_damaged_file_is_named_and_no_store_is_made(
    writer: Writer, tmp_path: Path, damage: str
) -> None:
    entry = writer.learn("a@1")
    path = Path(writer.store.path(entry.weights_path))
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"other")
    with pytest.raises(StoreDamagedError, match=r"pathways/a@1 is (damaged|missing)"):
        copy_store(writer.store, str(tmp_path / "copy"))
    with pytest.raises(StoreFormatError):
        Store.open(tmp_path / "copy")


def test_an_empty_network_is_copied_too(writer: Writer, tmp_path: Path) -> None:
    assert copy_store(writer.store, str(tmp_path / "copy")).network_version == 0
    assert RegistryLog(Store.open(tmp_path / "copy")).load() == Registry()


def test_a_bucket_is_copied_to_a_directory(tmp_path: Path) -> None:
    writer = Writer(Store(ObjectFiles(MemoryStore(), "memory://"), "memory://"))
    writer.learn("a@1")
    copy_store(writer.store, str(tmp_path / "copy"))
    assert whole(Store.open(tmp_path / "copy")) == writer.registry


def test_the_commands_back_up_and_restore(writer: Writer, tmp_path: Path) -> None:
    writer.learn("a@1")
    backup, again = str(tmp_path / "backup"), str(tmp_path / "again")
    done = sen("backup", backup, "--store", writer.store.uri)
    assert "network version 1: 1 tasks, 2 files, every hash right; `sen restore" in done
    assert f"`sen up --store {again}` serves it" in sen("restore", backup, again)
    assert whole(Store.open(again)) == writer.registry


def test_a_backup_without_a_network_asks_what_to_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEN_HOME", str(tmp_path))
    with pytest.raises(NotRunning, match="name what to copy with --store"):
        sen("backup", str(tmp_path / "backup"))


def sen(*arguments: str) -> str:
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output
