"""Which pathways are resident in which slot: decisions only, carried out by the slot pool.

Residency is a cache: a pathway that is wanted and not resident takes a free place, or a new
slot while there may be more, or the place of the least recently used one.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from cluster.config import SlotConfig
from pathways import PathwayId


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What to do to make one pathway resident, in this order."""

    slot: int
    start: bool
    """The slot does not run yet and must be started."""
    evict: PathwayId | None
    """The pathway to unload from the slot first."""
    load: PathwayId


class Residency:
    """Keeps the table of slots; a plain class that needs no cluster."""

    def __init__(self, config: SlotConfig) -> None:
        self._config = config
        self._slots: dict[int, set[PathwayId]] = {}
        self._used: OrderedDict[PathwayId, int] = OrderedDict()
        # Resident pathway → slot, least recently used first.

    @property
    def resident(self) -> dict[PathwayId, int]:
        """Pathway → slot."""
        return dict(self._used)

    @property
    def slots(self) -> dict[int, frozenset[PathwayId]]:
        """Slot → pathways in it."""
        return {slot: frozenset(held) for slot, held in self._slots.items()}

    def slot_of(self, pathway: PathwayId) -> int | None:
        """The slot of a resident pathway, else None."""
        return self._used.get(pathway)

    def adopt(self, slot: int, held: Iterable[PathwayId]) -> None:
        """A slot is running already, with these pathways in it."""
        self._slots[slot] = set(held)
        self._used.update(dict.fromkeys(self._slots[slot], slot))

    def use(self, pathway: PathwayId) -> None:
        """Note that a pathway ran."""
        if pathway in self._used:
            self._used.move_to_end(pathway)

    def place(
        self, pathway: PathwayId, keep: Collection[PathwayId] = frozenset()
    ) -> Placement | None:
        """Decide where a dormant pathway goes, and write it down.

        None if every place is held by a pathway of `keep`: then one of them must settle first.
        """
        assert pathway not in self._used, f"{pathway} is resident already"
        place = self._free_place() or self._least_recently_used(keep)
        if place is None:
            return None
        slot, evict = place
        if evict is not None:
            self.drop(evict)
        start = slot not in self._slots
        self._slots.setdefault(slot, set()).add(pathway)
        self._used[pathway] = slot
        return Placement(slot=slot, start=start, evict=evict, load=pathway)

    def _free_place(self) -> tuple[int, None] | None:
        for slot, held in sorted(self._slots.items()):
            if len(held) < self._config.pathways_per_slot:
                return slot, None
        if len(self._slots) < self._config.max_slots:
            # The smallest free number: a lost slot's actor keeps its name and is found by it again.
            return next(n for n in itertools.count() if n not in self._slots), None
        return None

    def _least_recently_used(self, keep: Collection[PathwayId]) -> tuple[int, PathwayId] | None:
        free_to_go = ((slot, p) for p, slot in self._used.items() if p not in keep)
        return next(free_to_go, None)

    def drop(self, pathway: PathwayId) -> None:
        """A pathway was unloaded, or could not be loaded."""
        slot = self._used.pop(pathway, None)
        if slot is not None:
            self._slots[slot].discard(pathway)

    def lose_slot(self, slot: int) -> list[PathwayId]:
        """A slot's process is gone: forget it; returns the pathways that were in it."""
        lost = sorted(self._slots.pop(slot, set()))
        for pathway in lost:
            del self._used[pathway]
        return lost
