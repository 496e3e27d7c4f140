"""The table of slots: on which node each is and which pathways it holds.

Facts without decisions; every question is answered in constant time, or in time that grows with
the slots of one node.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from pathways import PathwayId

_LOOKED_AT = 8  # slots that hold kin of a pathway; a popular source has them everywhere


@dataclass(frozen=True, kw_only=True)
class Seat:
    """Where a slot is: node and number on that node, which decides its CPU cores."""

    node: str
    number: int


@dataclass
class _Slot:
    seat: Seat
    held: dict[PathwayId, None] = field(default_factory=dict)  # in the order of loading


@dataclass
class _NodeSlots:
    running: dict[int, None] = field(default_factory=dict)  # slots that are not retiring
    open: dict[int, None] = field(default_factory=dict)  # those of them with a free place
    seats: set[int] = field(default_factory=set)
    copies: int = 0  # in running slots


class Places:
    """Slots, numbered over the whole cluster, and copies of pathways in them."""

    def __init__(self, per_slot: int) -> None:
        self._per_slot = per_slot
        self._slots: dict[int, _Slot] = {}
        self._nodes: dict[str, _NodeSlots] = {}
        self._copies: dict[PathwayId, dict[int, None]] = {}
        self._sources: dict[PathwayId, PathwayId | None] = {}  # kept: a version's never changes
        self._borrowers: dict[PathwayId, Counter[int]] = {}
        # Source → how many pathways with links from it each slot holds.
        self.retiring: dict[int, None] = {}
        """Slots that are being emptied."""
        self.outdated: dict[int, None] = {}
        """Slots whose free places are not given away, since their processes run older code."""
        self.replicated: dict[PathwayId, None] = {}
        """Pathways with more than one copy."""
        self._numbers = itertools.count()  # none is given twice: what is late to end does no harm

    # --- slots -------------------------------------------------------------------------------

    def add(self, node: str, seat: int | None = None) -> int:
        """A slot is started on a node; returns its number. Seat: the lowest free one if None."""
        here = self._nodes.setdefault(node, _NodeSlots())
        if seat is None:
            seat = next(n for n in itertools.count() if n not in here.seats)
        number = next(self._numbers)
        self._slots[number] = _Slot(Seat(node=node, number=seat))
        here.seats.add(seat)
        here.running[number] = here.open[number] = None
        return number

    def remove(self, slot: int) -> list[PathwayId]:
        """A slot is gone; returns what was in it."""
        gone = self._slots[slot]
        held = list(gone.held)
        for pathway in held:
            self.take(pathway, slot)
        self._close(slot, gone)
        here = self._nodes[gone.seat.node]
        here.seats.discard(gone.seat.number)
        if not here.seats:
            del self._nodes[gone.seat.node]
        del self._slots[slot]
        self.retiring.pop(slot, None)
        self.outdated.pop(slot, None)
        return held

    def outdate(self, slot: int) -> None:
        """Its free places are not given away any more, but it still counts for its node."""
        self.outdated[slot] = None
        self._nodes[self._slots[slot].seat.node].open.pop(slot, None)

    def retire(self, slot: int) -> None:
        """Nothing is placed in it any more, and it no longer counts for its node."""
        self._close(slot, self._slots[slot])
        self.retiring[slot] = None

    def _close(self, number: int, slot: _Slot) -> None:
        here = self._nodes[slot.seat.node]
        here.open.pop(number, None)
        if number in here.running:
            del here.running[number]
            here.copies -= len(slot.held)

    def __contains__(self, slot: int) -> bool:
        return slot in self._slots

    def __iter__(self) -> Iterator[int]:
        return iter(self._slots)

    def seat(self, slot: int) -> Seat:
        """Where a slot is."""
        return self._slots[slot].seat

    def held(self, slot: int) -> Collection[PathwayId]:
        """Pathways in a slot, longest there first; none where the slot is gone."""
        return self._slots[slot].held.keys() if slot in self._slots else ()

    def running_on(self, node: str) -> Collection[int]:
        """Slots on a node that are not retiring."""
        return self._node(node).running.keys()

    def copies_on(self, node: str) -> int:
        """Copies of pathways in them."""
        return self._node(node).copies

    def all_on(self, node: str) -> list[int]:
        """Every slot on a node, the retiring ones too."""
        return [number for number, slot in self._slots.items() if slot.seat.node == node]

    def open_on(self, node: str, without: PathwayId) -> int | None:
        """A slot on a node with a free place that does not hold `without`."""
        elsewhere = (n for n in self._node(node).open if without not in self._slots[n].held)
        return next(elsewhere, None)

    def has_room(self, slot: int) -> bool:
        """Whether a place is free in it."""
        return slot in self._nodes[self._slots[slot].seat.node].open

    def _node(self, node: str) -> _NodeSlots:
        return self._nodes.get(node) or _NodeSlots()

    # --- copies ------------------------------------------------------------------------------

    @property
    def copies(self) -> dict[PathwayId, tuple[int, ...]]:
        """Resident pathway → its slots, longest there first."""
        return {pathway: tuple(slots) for pathway, slots in self._copies.items()}

    def where(self, pathway: PathwayId) -> Collection[int]:
        """Slots that hold a pathway."""
        return self._copies.get(pathway, {}).keys()

    def source(self, pathway: PathwayId) -> PathwayId | None:
        """The source of a pathway that is or was in a slot."""
        return self._sources[pathway]

    def put(self, pathway: PathwayId, slot: int, source: PathwayId | None) -> None:
        """A pathway takes a place in a slot."""
        into = self._slots[slot]
        assert pathway not in into.held, f"{pathway} is in slot {slot} already"
        into.held[pathway] = None
        self._copies.setdefault(pathway, {})[slot] = None
        if len(self._copies[pathway]) > 1:
            self.replicated[pathway] = None
        self._sources[pathway] = source
        if source is not None:
            self._borrowers.setdefault(source, Counter())[slot] += 1
        self._count(slot, into, 1)

    def take(self, pathway: PathwayId, slot: int) -> None:
        """A pathway leaves its place in a slot."""
        out_of = self._slots[slot]
        del out_of.held[pathway]
        self._stop_borrowing(self._sources[pathway], slot)
        del self._copies[pathway][slot]
        if len(self._copies[pathway]) <= 1:
            self.replicated.pop(pathway, None)
        if not self._copies[pathway]:
            del self._copies[pathway]
        self._count(slot, out_of, -1)

    def beside(self, pathway: PathwayId, source: PathwayId | None) -> list[int]:
        """Some slots that hold its source, pathways with the same one, or pathways it lends to."""
        kin = itertools.chain(self._borrowers.get(pathway, ()))
        if source is not None:
            kin = itertools.chain(self.where(source), self._borrowers.get(source, ()), kin)
        return [
            slot for slot in itertools.islice(kin, _LOOKED_AT) if pathway not in self.held(slot)
        ]

    def _stop_borrowing(self, source: PathwayId | None, slot: int) -> None:
        if source is None:
            return
        slots = self._borrowers[source]
        slots[slot] -= 1
        if not slots[slot]:
            del slots[slot]
        if not slots:
            del self._borrowers[source]

    def _count(self, number: int, slot: _Slot, change: int) -> None:
        if number in self.retiring:
            return
        here = self._nodes[slot.seat.node]
        here.copies += change
        if len(slot.held) < self._per_slot and number not in self.outdated:
            here.open[number] = None
        else:
            here.open.pop(number, None)
