"""Small networks that were really learned, in a store and in slots of this process."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cluster.expansion import features_for, learn_routing, write
from cluster.messages import NetworkView
from cluster.registry import Registry
from cluster.registry_log import RegistryLog
from cluster.routers import Routers
from cluster.running import Results
from cluster.slot import Slot
from cluster.store import Store
from dispatcher import Snapshot
from pathways import Inputs, PathwayId, StoredPathway, TaskData

Sets = dict[str, tuple[TaskData, TaskData]]
"""Name → (train, test)."""


@dataclass(frozen=True, kw_only=True)
class LearnedNetwork:
    """A small network in a store."""

    store: Store
    registry: Registry
    snapshots: Mapping[str, Snapshot]
    """Signature key → router."""

    def view(self, **fields: Any) -> NetworkView:
        """The network as the controller would tell it; nothing resident unless said."""
        return NetworkView(
            **{"epoch": 1, "registry": self.registry, "placement": {}, **fields}  # type: ignore[arg-type]
        )


def publish_all(
    root: Path, stored: Mapping[str, StoredPathway], data: Mapping[str, TaskData]
) -> LearnedNetwork:
    """Write pathways and their statistics as expansions do, and publish them in order."""
    store = Store.open(root, create=True)
    registry, routers, keys = Registry(), Routers(store), set()
    for number, (name, pathway) in enumerate(stored.items(), start=1):
        statistics = learn_routing(features_for(pathway.spec.signature), data[name])
        learned = write(store, pathway, statistics)
        entry = learned.entry(f"{number:08d}-{name}", datetime.now(UTC))
        registry = RegistryLog(store).publish(registry, [entry])
        keys.add(routers.add(entry))
    snapshots = {key: routers.solve(key) for key in keys}
    return LearnedNetwork(store=store, registry=registry, snapshots=snapshots)


@dataclass
class LocalSlots:
    """Real slots in this process, with the two calls a NetworkDispatcher is given."""

    network: LearnedNetwork
    slots: list[Slot] = field(default_factory=list)
    runs: list[tuple[PathwayId, ...]] = field(default_factory=list)
    """The pathways of every call that ran."""
    woken: list[tuple[PathwayId, bool]] = field(default_factory=list)
    """(pathway, missing) of every wake."""

    def start(self, *tasks: str) -> Slot:
        """A new slot with these tasks' pathways in it."""
        slot = Slot(self.network.store.uri)
        self.slots.append(slot)
        for task in tasks:
            entry = self.network.registry.entry(task)
            slot.load(entry, self.network.registry.source_of(entry))
        return slot

    def placement(self, **slots: Slot) -> dict[PathwayId, tuple[Slot, ...]]:
        """The placement that a view tells."""
        return {self.network.registry.entry(task).id: (slot,) for task, slot in slots.items()}

    async def run(self, handle: Slot, groups: Sequence[tuple[PathwayId, Inputs]]) -> Results:
        self.runs.append(tuple(pathway for pathway, _ in groups))
        await asyncio.sleep(0)
        return handle.run(groups)

    async def wake(self, pathway: PathwayId, *, missing: bool) -> Slot:
        self.woken.append((pathway, missing))
        await asyncio.sleep(0)
        return self.start(pathway.task)


class OnePlace(LocalSlots):
    """Room for one pathway only: a wake unloads what was there, once its caller has run it."""

    async def wake(self, pathway: PathwayId, *, missing: bool) -> Slot:
        self.woken.append((pathway, missing))
        place = self.slots[0] if self.slots else self.start()
        entry = self.network.registry.pathways[pathway]
        source = self.network.registry.source_of(entry)
        while not place.load(entry, source, next(iter(place.resident()), None), stay_s=10):
            await asyncio.sleep(0)
        return place
