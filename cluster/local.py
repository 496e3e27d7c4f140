"""A slot in the dispatcher's own process, for small pathways: reaching them costs no hop.

A cache of what is in the store, so nobody else has to know of it: a pathway is read when it is
wanted, and the least recently used one makes room.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping

from cluster.bodies import Bodies
from cluster.config import SlotConfig
from cluster.registry import PathwayEntry
from cluster.store import Store
from pathways import FrozenPathway, PathwayId


class LocalSlot:
    """Small pathways of one process. May be used from several threads."""

    def __init__(self, store: Store, config: SlotConfig) -> None:
        self._bodies = Bodies(store)
        self._config = config
        self._resident: OrderedDict[PathwayId, FrozenPathway] = OrderedDict()
        # Least recently used first, without those of pinned tasks.
        self._pinned: dict[PathwayId, FrozenPathway] = {}
        self._lock = threading.Lock()

    def takes(self, entry: PathwayEntry) -> bool:
        """Whether a pathway runs here rather than in a slot's actor."""
        return entry.spec.active_parameters <= self._config.small

    @property
    def resident(self) -> frozenset[PathwayId]:
        """The pathways loaded now."""
        with self._lock:
            return frozenset((*self._resident, *self._pinned))

    def find(self, pathway: PathwayId) -> FrozenPathway | None:
        """A resident pathway, which counts as used; None if it is dormant."""
        with self._lock:
            if (found := self._resident.get(pathway)) is not None:
                self._resident.move_to_end(pathway)
            return found or self._pinned.get(pathway)

    def wake(self, entry: PathwayEntry, source: PathwayEntry | None) -> FrozenPathway:
        """Load a pathway from the store, in some milliseconds or less.

        What it gives stays usable after it has made room. Raises WeightsError or StoreError.
        """
        loaded = self._bodies.load(entry, source)
        with self._lock:
            if entry.id.task in self._config.pinned:
                self._pinned[entry.id] = loaded
            else:
                self._resident[entry.id] = loaded
                self._resident.move_to_end(entry.id)
            while len(self._resident) > max(0, self._config.local_pathways - len(self._pinned)):
                self._resident.popitem(last=False)
        return loaded

    def keep_only(self, entries: Mapping[PathwayId, PathwayEntry]) -> None:
        """Forget pathways that are no longer in the network."""
        with self._lock:
            # Not a difference of sets: that would go through all entries of the network.
            for held in (self._resident, self._pinned):
                for gone in [id for id in held if id not in entries]:
                    del held[gone]
