"""What decides in the simulation: the product's own `Residency`, as it decides in the slot pool."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from cluster.config import SlotConfig
from cluster.residency import Residency
from pathways import PathwayId


@dataclass(frozen=True, kw_only=True)
class Load:
    """Something is to be loaded into a slot."""

    pathway: PathwayId
    slot: int
    starts: bool
    """The slot's process must be started first."""
    evicts: bool
    """Another pathway makes room."""


class Policy:
    """Slots on nodes. A slot that is lost comes back, empty, on one of the nodes that are left."""

    def __init__(self, config: SlotConfig, nodes: Collection[str]) -> None:
        self._residency = Residency(config)
        self._nodes = list(nodes)
        self._loading: set[PathwayId] = set()

    def ready(self, pathway: PathwayId) -> tuple[int, ...]:
        """Slots in which a pathway can run now."""
        slot = self._residency.slot_of(pathway)
        return () if slot is None or pathway in self._loading else (slot,)

    def is_loading(self, pathway: PathwayId) -> bool:
        """Whether a pathway is being loaded."""
        return pathway in self._loading

    def place(self, pathway: PathwayId) -> Load | None:
        """Choose a slot for a dormant pathway; None if something must settle first."""
        given = self._residency.place(pathway, keep=self._loading)
        if given is None:
            return None
        self._loading.add(pathway)
        return Load(
            pathway=pathway, slot=given.slot, starts=given.start, evicts=given.evict is not None
        )

    def loaded(self, load: Load) -> None:
        """It can run from now on."""
        self._loading.discard(load.pathway)

    def use(self, counts: Mapping[PathwayId, int]) -> None:
        """These ran so many times."""
        for pathway in counts:
            self._residency.use(pathway)

    def leave(self, node: str) -> list[int]:
        """A node is gone; returns its slots."""
        lost = [s for s in self._residency.slots if self._nodes[s % len(self._nodes)] == node]
        for slot in lost:
            self._loading.difference_update(self._residency.lose_slot(slot))
        return lost

    @property
    def resident(self) -> int:
        """Pathways in slots."""
        return len(self._residency.resident)
