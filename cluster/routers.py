"""The routers of a network, one for each signature, fed from the store."""

from __future__ import annotations

import safetensors.numpy
from safetensors import SafetensorError

from cluster.errors import StoreDamagedError
from cluster.registry import PathwayEntry
from cluster.store import Store
from dispatcher import Router, Snapshot, TaskStatistics
from pathways.weights import sha256


class Routers:
    """Adds learned tasks to the router of their signature."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._routers: dict[str, Router] = {}

    def add(self, entry: PathwayEntry) -> str:
        """Add a task; returns the key of the signature whose router changed.

        Raises StoreDamagedError or RouterError if its statistics cannot be used.
        """
        statistics = self._read(entry)
        key = entry.spec.signature.key
        router = self._routers.setdefault(key, Router(statistics.dim))
        router.add(entry.spec.id.task, statistics)
        return key

    def solve(self, key: str) -> Snapshot:
        """The router's snapshot for a signature."""
        return self._routers[key].solve()

    def _read(self, entry: PathwayEntry) -> TaskStatistics:
        body = self._store.read(entry.statistics_path)
        where = self._store.path(entry.statistics_path)
        if sha256(body) != entry.statistics_sha256:
            raise StoreDamagedError(f"{where} is damaged; restore it from a backup of the store")
        try:
            return TaskStatistics.from_arrays(safetensors.numpy.load(body))
        except SafetensorError as error:
            raise StoreDamagedError(f"{where} is no safetensors file: {error}") from error
