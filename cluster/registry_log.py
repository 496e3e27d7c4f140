"""The registry in the store: a log of changes, and now and then a snapshot of the whole.

Every network version is one small immutable file; writing it is the commit of an expansion:
before it the old network exists, after it the new one. Starting reads the newest snapshot and the
changes since, a few hundred files however many tasks there are.

A snapshot is lines of JSON, compressed: 10,000 pathways take 0.9 MB, 0.3 s to write and 0.5 s to
read. (As Parquet it would be 1.1 MB and no quicker, as most of the time goes into making entries of
what was read.) Its name holds its hash, so that a damaged one is noticed and passed over: the
snapshot before it and all changes since that one stay, and only what is older goes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pyarrow as pa
from immutables import Map

from cluster.errors import StoreDamagedError
from cluster.names import (
    RegistryFile,
    change_path,
    parse_registry_file,
    registry_path,
    snapshot_path,
)
from cluster.registry import PathwayEntry, Registry, RegistryChange
from cluster.store import Store
from pathways import PathwayId, PathwaySpec
from pathways.weights import sha256

logger = logging.getLogger(__name__)

SNAPSHOT_EVERY = 256
"""Changes from one snapshot to the next at least; in a large network it is a twentieth of its
pathways, so that a snapshot costs each expansion the same however many there are."""
_GROWTH = 20
_LEVEL = 3  # of zstd


class RegistryLog:
    """Reads the registry from a store and appends to it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._snapshot = 0  # version of the newest snapshot known to be good
        self.dropped: list[PathwayEntry] = []
        """Pathways that `load` met and that were dropped later; their files may still be there."""

    def load(self) -> Registry:
        """The newest registry; raises StoreDamagedError if it cannot be had from what is there."""
        found = self._files()
        newest = max((file.version for file in found), default=0)
        registry = self._newest_snapshot(found)
        self._snapshot = registry.version
        for version in range(registry.version + 1, newest + 1):
            change = self._read_change(version)
            self.dropped += [registry.pathways[id] for id in change.drop]
            registry = registry.after(change)
        return registry

    def publish(self, registry: Registry, entries: Iterable[PathwayEntry]) -> Registry:
        """The network with `entries` in service; durable when this returns."""
        return self.commit(registry, RegistryChange(publish=tuple(entries)))

    def commit(self, registry: Registry, change: RegistryChange) -> Registry:
        """The network after a change of `registry`; durable when this returns."""
        after = registry.after(change)
        self._store.write_new(change_path(after.version), json.dumps(_fields(change)).encode())
        return after

    def snapshot_due(self, registry: Registry) -> bool:
        """Whether so many changes came since the last snapshot that another is worth it."""
        changes = registry.version - self._snapshot
        return changes >= max(SNAPSHOT_EVERY, len(registry.pathways) // _GROWTH)

    def snapshot(self, registry: Registry) -> None:
        """Write the whole and remove what it makes needless; commits may go on meanwhile.

        Raises StoreError; then everything is as good as before.
        """
        body = pack(registry)
        self._store.write_content(snapshot_path(registry.version, sha256(body)), body)
        before, self._snapshot = self._snapshot, registry.version
        # The one before stays, with the changes since: one damaged file loses nothing.
        old = [file for file in self._files() if _needless(file, before)]
        self._store.delete([registry_path(file.name) for file in old])

    def _files(self) -> list[RegistryFile]:
        return [file for file in map(parse_registry_file, self._store.list("registry")) if file]

    def _newest_snapshot(self, found: Sequence[RegistryFile]) -> Registry:
        """The newest snapshot that can be read, or the empty registry; the changes since must do.

        Raises StoreDamagedError if it cannot do without one that is damaged.
        """
        first_change = min((f.version for f in found if not f.snapshot), default=0)
        snapshots = [file for file in found if file.snapshot]
        damage = None
        for file in sorted(snapshots, key=lambda file: file.version, reverse=True):
            try:
                return self._read_snapshot(file)
            except StoreDamagedError as error:
                logger.error("the registry is read without a snapshot: %s", error)
                damage = damage or error
        if damage is not None and first_change != 1:
            raise damage
        return Registry()

    def _read_change(self, version: int) -> RegistryChange:
        name = change_path(version)
        body = self._store.read(name)
        with self._damage_named(name):
            return _change(json.loads(body))

    def _read_snapshot(self, file: RegistryFile) -> Registry:
        name = registry_path(file.name)
        body = self._store.read(name)
        with self._damage_named(name):
            if file.sha256 is None:
                given = json.loads(body)  # as stores were written once: one plain document
                entries = map(_entry, given["pathways"])
                return _registry(file.version, entries, given["current"], {})
            if not sha256(body).startswith(file.sha256):
                raise ValueError("its content is not what its name says")
            return unpack(file.version, body)

    @contextmanager
    def _damage_named(self, name: str) -> Iterator[None]:
        try:
            yield
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise StoreDamagedError(
                f"{self._store.path(name)} is damaged ({error}); restore it from a backup"
            ) from error


def _needless(file: RegistryFile, snapshot: int) -> bool:
    """Whether the registry can be had without a file, given the snapshot of that version."""
    return file.version < snapshot or (file.version == snapshot and not file.snapshot)


def pack(registry: Registry) -> bytes:
    """The registry without its version, small: the size of the rest, then compressed lines, of what
    is in service and of every pathway."""
    current = {entry.id.task: entry.id.version for entry in registry.entries()}
    gone = {
        task: n
        for task, n in registry.highest.items()
        if PathwayId(task, n) not in registry.pathways
    }
    head = json.dumps({"current": current, "highest": gone})
    entries = (json.dumps(_entry_fields(entry)) for entry in registry.pathways.values())
    lines = "\n".join([head, *entries]).encode()
    packed = pa.Codec("zstd", _LEVEL).compress(lines, asbytes=True)
    return len(lines).to_bytes(8, "little") + packed


def unpack(version: int, body: bytes) -> Registry:
    """Read what `pack` gave; raises ValueError, KeyError, TypeError or OSError if it is damaged."""
    size = int.from_bytes(body[:8], "little")
    lines = pa.Codec("zstd").decompress(body[8:], size, asbytes=True)
    head, *listed = lines.split(b"\n")
    current, highest = _read_head(json.loads(head))
    return _registry(version, (_entry(json.loads(line)) for line in listed), current, highest)


def _read_head(head: dict[str, Any]) -> tuple[dict[str, int], dict[str, int]]:
    """(task → version in service, task → highest version where that one was dropped)."""
    if isinstance(head.get("current"), dict):
        return head["current"], head["highest"]
    return head, {}  # as it was written before anything could be dropped


def _registry(
    version: int,
    entries: Iterable[PathwayEntry],
    current: Mapping[str, int],
    highest: Mapping[str, int],
) -> Registry:
    """A registry from its parts; `current` is in the order of learning."""
    pathways = {entry.id: entry for entry in entries}
    served = [pathways[PathwayId(task, in_service)] for task, in_service in current.items()]
    numbers: dict[str, int] = dict(highest)
    for id in pathways:
        numbers[id.task] = max(numbers.get(id.task, 0), id.version)
    made = Registry().publish(served)
    return replace(made, version=version, pathways=Map(pathways), highest=Map(numbers))


def _fields(change: RegistryChange) -> dict[str, Any]:
    return {
        "publish": [_entry_fields(entry) for entry in change.publish],
        "serve": dict(change.serve),
        "drop": [str(id) for id in change.drop],
    }


def _change(fields: dict[str, Any]) -> RegistryChange:
    return RegistryChange(
        publish=tuple(_entry(entry) for entry in fields["publish"]),
        serve=fields.get("serve", {}),  # changes of earlier releases only publish
        drop=tuple(PathwayId.parse(id) for id in fields.get("drop", ())),
    )


def _entry_fields(entry: PathwayEntry) -> dict[str, Any]:
    return {**vars(entry), "spec": entry.spec.to_fields()}


def _entry(fields: dict[str, Any]) -> PathwayEntry:
    return PathwayEntry(**{**fields, "spec": PathwaySpec.from_fields(fields["spec"])})
