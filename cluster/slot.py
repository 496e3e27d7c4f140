"""A slot: the process in which pathways are resident and run.

`Slot` is the plain class; `start_slot` puts it into a Ray actor. A slot runs one call at a
time, so a pathway is never unloaded while it computes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray

from cluster.config import SlotConfig
from cluster.errors import NotResident
from cluster.names import NAMESPACE, slot_actor_name
from cluster.registry import PathwayEntry
from cluster.store import Store
from pathways import FrozenPathway, Inputs, PathwayId, Source, StoredPathway, run_together
from pathways.frozen import ProbeResult


class Slot:
    """Resident pathways of one process."""

    def __init__(self, store_uri: str) -> None:
        self._store = Store.open(store_uri)
        self._resident: dict[PathwayId, FrozenPathway] = {}

    def load(self, entry: PathwayEntry, source: PathwayEntry | None) -> None:
        """Make a pathway resident; its source's body is loaded beside it.

        Raises WeightsError or StoreDamagedError if its files are damaged; then nothing changes.
        """
        stored = read_pathway(self._store, entry)
        lender = read_pathway(self._store, source) if source else None
        self._resident[entry.id] = FrozenPathway.load(stored, lender)

    def unload(self, pathway: PathwayId) -> None:
        """Make a pathway dormant."""
        self._resident.pop(pathway, None)

    def resident(self) -> list[PathwayId]:
        """The pathways loaded now."""
        return sorted(self._resident)

    def run(self, groups: Sequence[tuple[PathwayId, Inputs]]) -> list[NDArray[np.float32]]:
        """Class probabilities for each group of inputs, all groups in one call.

        Raises NotResident if a pathway was unloaded meanwhile.
        """
        return run_together([(self._get(pathway), x) for pathway, x in groups])

    def verify(self, pathway: PathwayId) -> ProbeResult:
        """Run a resident pathway's probes."""
        return self._get(pathway).verify()

    def lend(self, pathway: PathwayId) -> Source:
        """Hand a resident pathway's frozen weights over a transfer link."""
        return self._get(pathway).as_source()

    def process_id(self) -> int:
        """The process this slot runs in."""
        return os.getpid()

    def _get(self, pathway: PathwayId) -> FrozenPathway:
        found = self._resident.get(pathway)
        if found is None:
            raise NotResident(f"{pathway} is not resident in this slot")
        return found


def read_pathway(store: Store, entry: PathwayEntry) -> StoredPathway:
    """A pathway's spec and weight bytes from the store."""
    return StoredPathway(spec=entry.spec, weights=store.read(entry.weights_path))


def start_slot(number: int, config: SlotConfig, store_uri: str) -> Any:
    """Put a slot into an actor of its own, on whichever node has most room.

    The actor outlives the controller, which finds it again by name; if its process dies, Ray
    starts it anew, empty.
    """
    return (
        ray.remote(Slot)
        .options(
            name=slot_actor_name(number),
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            num_cpus=config.cpus,
            num_gpus=config.gpus,
            max_restarts=-1,
            scheduling_strategy="SPREAD",
        )
        .remote(store_uri)
    )
