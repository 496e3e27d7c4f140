"""The registry: which pathways exist and which version of each task is current.

Kept in the store as a log: one small immutable file for every network version, and now and
then a snapshot of the whole, so that starting reads few files. Writing the next file is the
commit of an expansion: before it the old network exists, after it the new one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from cluster.errors import StoreDamagedError, StoreError, UnknownTask
from cluster.names import change_path, parse_registry_file, snapshot_path
from cluster.store import Store
from pathways import PathwayId, PathwaySpec

SNAPSHOT_EVERY = 256


@dataclass(frozen=True, kw_only=True)
class PathwayEntry:
    """One published pathway version and where its files are."""

    spec: PathwaySpec
    weights_path: str
    statistics_path: str
    statistics_sha256: str
    request: str
    """Id of the expansion that made it."""
    learned_at: str
    """UTC time of the commit, ISO 8601."""

    @property
    def id(self) -> PathwayId:
        return self.spec.id


@dataclass(frozen=True, kw_only=True)
class Registry:
    """The network as of one version. Immutable: `publish` gives the next one."""

    version: int = 0
    """Network version; grows by one with every published change."""
    pathways: Mapping[PathwayId, PathwayEntry] = field(default_factory=dict)
    current: Mapping[str, int] = field(default_factory=dict)
    """Task → version in service, in the order of learning."""

    def publish(self, entries: Iterable[PathwayEntry]) -> Registry:
        """The next network version, with `entries` in service."""
        added = {entry.id: entry for entry in entries}
        return replace(
            self,
            version=self.version + 1,
            pathways={**self.pathways, **added},
            current={**self.current, **{id.task: id.version for id in added}},
        )

    def entry(self, task: str) -> PathwayEntry:
        """The pathway in service for a task; raises UnknownTask."""
        if task not in self.current:
            known = ", ".join(self.current) or "none yet"
            raise UnknownTask(f"no task is called {task!r}; known tasks: {known}")
        return self.pathways[PathwayId(task, self.current[task])]

    def entries(self) -> list[PathwayEntry]:
        """The pathways in service, in the order of learning."""
        return [self.entry(task) for task in self.current]

    def active_share(self, activated: Iterable[PathwayId]) -> float:
        """Share of all weights in service that these pathways touch together, 0..1 (§4.6).

        A source's body counts once, whoever reads it.
        """
        ids = set(activated)
        total = sum(entry.spec.parameters for entry in self.entries())
        touched = sum(self.pathways[id].spec.parameters for id in ids)
        lent = {
            spec.source: spec.active_parameters - spec.parameters
            for spec in (self.pathways[id].spec for id in ids)
            if spec.source is not None and spec.source not in ids
        }
        return (touched + sum(lent.values())) / total

    def source_of(self, entry: PathwayEntry) -> PathwayEntry | None:
        """The pathway that `entry` has links from, if any."""
        return self.pathways[entry.spec.source] if entry.spec.source else None


class RegistryLog:
    """Reads the registry from a store and appends to it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def load(self) -> Registry:
        """The newest registry; raises StoreDamagedError if a file of the log is missing."""
        found = [f for f in map(parse_registry_file, self._store.list("registry")) if f]
        base = max((version for version, is_snapshot in found if is_snapshot), default=0)
        registry = self._read_snapshot(base) if base else Registry()
        newest = max((version for version, _ in found), default=0)
        for version in range(base + 1, newest + 1):
            registry = registry.publish(self._read_change(version))
        return registry

    def commit(self, registry: Registry, entries: Iterable[PathwayEntry]) -> Registry:
        """Publish `entries` on top of `registry`; durable when this returns."""
        listed = list(entries)
        after = registry.publish(listed)
        body = _encode({"publish": [_entry_fields(entry) for entry in listed]})
        self._store.write_new(change_path(after.version), body)
        if after.version % SNAPSHOT_EVERY == 0:
            self._store.write_content(snapshot_path(after.version), _encode(_fields(after)))
        return after

    def _read_change(self, version: int) -> list[PathwayEntry]:
        name = change_path(version)
        with self._damage_named(name):
            return [_entry(fields) for fields in self._json(name)["publish"]]

    def _read_snapshot(self, version: int) -> Registry:
        name = snapshot_path(version)
        with self._damage_named(name):
            given = self._json(name)
            entries = [_entry(fields) for fields in given["pathways"]]
            return Registry(
                version=version,
                pathways={entry.id: entry for entry in entries},
                current=dict(given["current"]),
            )

    def _json(self, name: str) -> Any:
        return json.loads(self._store.read(name))

    @contextmanager
    def _damage_named(self, name: str) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise StoreDamagedError(
                f"{self._store.path(name)} is damaged ({error}); restore it from a backup"
            ) from error


def _encode(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()


def _fields(registry: Registry) -> dict[str, Any]:
    return {
        "pathways": [_entry_fields(entry) for entry in registry.pathways.values()],
        "current": dict(registry.current),
    }


def _entry_fields(entry: PathwayEntry) -> dict[str, Any]:
    plain = {k: v for k, v in asdict(entry).items() if k != "spec"}
    return {**plain, "spec": json.loads(entry.spec.to_json())}


def _entry(fields: dict[str, Any]) -> PathwayEntry:
    spec = PathwaySpec.from_json(json.dumps(fields["spec"]))
    return PathwayEntry(**{**fields, "spec": spec})
