"""Routers in the store: each task's statistics, and now and then a whole router, so that a start
reads one file in place of thousands. A whole router can always be made again from statistics."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from cluster.errors import StoreDamagedError, StoreError
from cluster.names import parse_router_file, router_directory, router_path
from cluster.registry import PathwayEntry
from cluster.store import Store
from dispatcher import DispatcherError, Router, TaskStatistics
from dispatcher.arrays import Arrays, pack_ids, require, unpack_ids
from pathways.weights import sha256

logger = logging.getLogger(__name__)

_LEARNED_FROM = "learned_from"
_KEPT = 2  # the newest, and the one before in case that is damaged


def read_statistics(store: Store, entry: PathwayEntry) -> TaskStatistics:
    """What the router learned of a task; raises StoreDamagedError or RouterError."""
    body = store.read(entry.statistics_path)
    where = store.path(entry.statistics_path)
    if sha256(body) != entry.statistics_sha256:
        raise StoreDamagedError(f"{where} is damaged; restore it from a backup of the store")
    return TaskStatistics.from_arrays(_arrays(body, where))


class RouterFiles:
    """Whole routers of every signature."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def save(
        self, key: str, version: int, router: Router, entries: Mapping[str, PathwayEntry]
    ) -> None:
        """Write a router as of network `version`; raises StoreError.

        entries: task → the entry whose statistics it learned.
        """
        learned_from = pack_ids(entries[task].statistics_sha256 for task in router.tasks)
        arrays = {**router.to_arrays(), _LEARNED_FROM: learned_from}
        body = safetensors.numpy.save({k: np.ascontiguousarray(v) for k, v in arrays.items()})
        self._store.write_content(router_path(key, version, sha256(body)), body)
        older = self._names(key)[:-_KEPT]
        self._store.delete(f"{router_directory(key)}/{name}" for name in older)

    def newest(self, key: str, entries: Sequence[PathwayEntry]) -> Router | None:
        """The newest whole router that holds none but `entries`; None if there is none."""
        known = {entry.id.task: entry.statistics_sha256 for entry in entries}
        for name in reversed(self._names(key)):
            try:
                return self._read(f"{router_directory(key)}/{name}", known)
            except (StoreError, DispatcherError) as error:
                logger.warning("%s; the router is made from each task's statistics", error)
        return None

    def _names(self, key: str) -> list[str]:
        """Files of a signature, oldest first."""
        return [name for name in self._store.list(router_directory(key)) if parse_router_file(name)]

    def _read(self, path: str, known: Mapping[str, str]) -> Router:
        body, where = self._store.read(path), self._store.path(path)
        parsed = parse_router_file(path.rpartition("/")[2])
        if parsed is None or not sha256(body).startswith(parsed[1]):
            raise StoreDamagedError(f"{where} is damaged")
        arrays = _arrays(body, where)
        require(arrays, [_LEARNED_FROM], where)
        router = Router.from_arrays(arrays)
        learned_from = unpack_ids(arrays[_LEARNED_FROM])
        if any(known.get(t) != sha for t, sha in zip(router.tasks, learned_from, strict=True)):
            raise StoreDamagedError(f"{where} holds tasks that are not in service")
        return router


def _arrays(body: bytes, where: str) -> Arrays:
    try:
        return safetensors.numpy.load(body)
    except SafetensorError as error:
        raise StoreDamagedError(f"{where} is no safetensors file: {error}") from error
