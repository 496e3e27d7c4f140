"""Snapshots of the registry: few files to read, and nothing lost whatever becomes of them."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from cluster import Store, registry_log
from cluster.errors import StoreDamagedError, StoreError
from cluster.names import change_path, snapshot_path
from cluster.registry import Registry
from cluster.registry_log import RegistryLog
from pathways import StoredPathway
from pathways.weights import sha256
from tests.unit.fakes import made_up_entry


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store", create=True)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_log, "SNAPSHOT_EVERY", 4)


def grow(store: Store, tasks: int, log: RegistryLog | None = None) -> Registry:
    """So many more tasks, with snapshots as the controller sees to them."""
    log = log or RegistryLog(store)
    registry = log.load()
    for _ in range(tasks):
        entry = made_up_entry(f"t{registry.version}@1", parameters=registry.version)
        registry = log.publish(registry, [entry])
        if log.snapshot_due(registry):
            log.snapshot(registry)
    return registry


def files(store: Store) -> list[str]:
    """Versions in `registry/`, snapshots with an s."""
    names = store.list("registry")
    return [f"{int(n[:12])}{'s' * ('snapshot' in n)}" for n in names]


def snapshots(store: Store) -> list[Path]:
    return sorted(Path(store.path("registry")).glob("*.snapshot-*"))


def damage(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)


def test_a_snapshot_comes_every_so_often_and_makes_old_files_needless(store: Store) -> None:
    registry = grow(store, 10)
    assert files(store) == ["4s", "5", "6", "7", "8", "8s", "9", "10"]
    assert RegistryLog(store).load() == registry
    assert [e.id.task for e in RegistryLog(store).load().entries()] == [f"t{n}" for n in range(10)]


def test_it_goes_on_where_an_earlier_process_ended(store: Store) -> None:
    grow(store, 6)
    registry = grow(store, 7)
    assert files(store) == ["8s", "9", "10", "11", "12", "12s", "13"]
    assert RegistryLog(store).load() == registry


def test_snapshots_come_every_256_changes_or_after_a_twentieth(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    assert registry_log.SNAPSHOT_EVERY == 256
    log = RegistryLog(store)
    small = Registry(version=256)
    assert log.snapshot_due(small)
    assert not log.snapshot_due(Registry(version=255))
    pathways = Registry().publish(made_up_entry(f"t{n}@1") for n in range(8000)).pathways
    assert not log.snapshot_due(Registry(version=399, pathways=pathways))
    assert log.snapshot_due(Registry(version=400, pathways=pathways))


def test_every_version_of_every_task_comes_back(
    store: Store, stored: dict[str, StoredPathway]
) -> None:
    log = RegistryLog(store)
    registry = Registry()
    for id in ("b@1", "a@1", "b@2", "c@1", "b@3"):
        registry = log.publish(registry, [made_up_entry(id, source="z@1", lent=3)])
    real = made_up_entry("upper@1")
    real = type(real)(**{**vars(real), "spec": stored["upper"].spec})
    registry = log.publish(registry, [real, made_up_entry("d@1")])
    log.snapshot(registry)
    for path in Path(store.path("registry")).glob("*.json"):
        path.unlink()
    loaded = RegistryLog(store).load()
    assert loaded == registry
    assert [str(e.id) for e in loaded.entries()] == ["b@3", "a@1", "c@1", "upper@1", "d@1"]
    assert len(loaded.pathways) == 7


@pytest.mark.parametrize("harm", [damage, Path.unlink, lambda path: path.write_bytes(b"")])
def test_without_the_newest_snapshot_the_one_before_and_the_log_do(store: Store, harm) -> None:  # type: ignore[no-untyped-def]
    registry = grow(store, 10)
    harm(snapshots(store)[-1])
    assert RegistryLog(store).load() == registry
    assert RegistryLog(store).load() == grow(store, 0)
    after = grow(store, 9)
    assert RegistryLog(store).load() == after
    assert [name for name in files(store) if "s" in name] == ["15s", "19s"]


def test_without_the_first_snapshot_the_log_alone_does(store: Store) -> None:
    registry = grow(store, 6)
    damage(snapshots(store)[0])
    assert RegistryLog(store).load() == registry


def test_when_no_snapshot_is_left_it_is_said_which_to_restore(store: Store) -> None:
    grow(store, 10)
    for path in snapshots(store):
        damage(path)
    with pytest.raises(
        StoreDamagedError, match=rf"{snapshots(store)[-1].name} is damaged .*backup"
    ):
        RegistryLog(store).load()


def test_a_change_that_is_missing_after_the_snapshot_is_noticed(store: Store) -> None:
    grow(store, 10)
    Path(store.path(change_path(9))).unlink()
    with pytest.raises(StoreDamagedError, match=rf"{change_path(9)} is missing"):
        RegistryLog(store).load()


class _Killed(BaseException):
    """The process ended at this write or removal."""


class _Mortal(Store):
    """A store whose process is killed after so many more steps."""

    left = 10**9

    def _step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise _Killed

    def _put(self, files: Mapping[str, bytes]) -> Sequence[str]:
        self._step()
        return super()._put(files)

    def delete(self, names) -> None:  # type: ignore[no-untyped-def]
        for name in names:
            self._step()
            super().delete([name])


@pytest.mark.parametrize("seed", range(8))
def test_killed_at_any_step_nothing_that_was_committed_is_lost(tmp_path: Path, seed: int) -> None:
    random_ = random.Random(seed)
    Store.open(tmp_path / "store", create=True)
    committed = 0
    for _ in range(12):
        store = _Mortal.open(tmp_path / "store")
        log = RegistryLog(store)
        registry = log.load()
        assert registry.version >= committed
        assert [e.id.task for e in registry.entries()] == [f"t{n}" for n in range(registry.version)]
        assert isinstance(store, _Mortal)
        store.left = random_.randint(0, 14)
        try:
            while True:
                registry = log.publish(registry, [made_up_entry(f"t{registry.version}@1")])
                committed = registry.version
                if log.snapshot_due(registry):
                    log.snapshot(registry)
        except _Killed:
            continue


def test_a_snapshot_that_cannot_be_written_leaves_all_as_it_was(store: Store) -> None:
    class Full(Store):
        def _put(self, files: Mapping[str, bytes]) -> Sequence[str]:
            if any("snapshot" in name for name in files):
                raise StoreError("the disk is full")
            return super()._put(files)

    full = Full.open(store.uri)
    log = RegistryLog(full)
    registry = Registry()
    for number in range(5):
        registry = log.publish(registry, [made_up_entry(f"t{number}@1")])
    with pytest.raises(StoreError, match="full"):
        log.snapshot(registry)
    assert log.snapshot_due(registry)
    assert files(store) == ["1", "2", "3", "4", "5"]
    assert RegistryLog(store).load() == registry


# --- stores as they were written once -----------------------------------------------------------


def old_store(store: Store) -> Registry:
    """Eight changes and a snapshot as one plain JSON document."""
    log, registry = RegistryLog(store), Registry()
    for number in range(8):
        registry = log.publish(registry, [made_up_entry(f"t{number}@1")])
        if registry.version == 4:
            entries = [json.loads(store.read(change_path(v)))["publish"][0] for v in range(1, 5)]
            plain = {"pathways": entries, "current": {f"t{n}": 1 for n in range(4)}}
            store.write_new("registry/000000000004.snapshot.json", json.dumps(plain).encode())
    return registry


def test_a_plain_snapshot_is_read(store: Store) -> None:
    registry = old_store(store)
    for version in range(1, 5):
        Path(store.path(change_path(version))).unlink()
    assert RegistryLog(store).load() == registry


@pytest.mark.parametrize(
    "text", ["", "[]", '{"pathways": []}', '{"pathways": [{}], "current": {}}']
)
def test_a_damaged_plain_snapshot_is_passed_over(store: Store, text: str) -> None:
    registry = old_store(store)
    Path(store.path("registry/000000000004.snapshot.json")).write_text(text)
    assert RegistryLog(store).load() == registry


def test_an_old_store_grows_into_a_new_one(store: Store) -> None:
    old_store(store)
    registry = grow(store, 5)
    assert files(store) == ["9s", "10", "11", "12", "13", "13s"]
    assert RegistryLog(store).load() == registry


def test_the_name_of_a_snapshot_holds_its_hash(store: Store) -> None:
    grow(store, 4)
    (path,) = snapshots(store)
    assert f"registry/{path.name}" == snapshot_path(4, sha256(path.read_bytes()))
