"""Which pathways are resident in which slot: decisions only, carried out by the slot pool.

Residency is a cache. A pathway that is wanted and not resident takes a free place on the node
that is least full, beside its source where that is possible; or a new slot while there may be
more; or the place of the least recently used one. Pinned tasks stay, hot pathways get a copy
more, and slots move to nodes that join.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

from cluster.config import SlotConfig
from cluster.heat import Heat
from cluster.instructions import Instruction, Placement, Stop, Unload, Wake
from cluster.nodes import MOVE_AGAIN_S, START_AGAIN_S, Node, Nodes, node_to_relieve
from cluster.places import Places, Seat
from pathways import PathwayId

_MOVES = 4  # pathways that move to another slot at once


class Residency:
    """Decides what is where; a plain class that needs no cluster."""

    def __init__(self, config: SlotConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._nodes = Nodes(config)
        self._places = Places(config.pathways_per_slot)
        self._heat = Heat(clock)
        self._idle: OrderedDict[tuple[PathwayId, int], None] = OrderedDict()
        # Copies that may make room, least recently used first: loaded, not pinned, not moving.
        self._ready: dict[PathwayId, tuple[int, ...]] = {}
        self._loading: set[tuple[PathwayId, int]] = set()
        self._moving: dict[PathwayId, tuple[int, int]] = {}  # → (from, to)
        self._stopping: set[int] = set()  # slots whose processes are being ended
        self._hot: set[PathwayId] = set()  # that ran much since `tend` last looked
        self._lost: dict[PathwayId, None] = {}  # to be woken again at once

    # --- what there is -----------------------------------------------------------------------

    @property
    def capacity(self) -> int:
        """Places for pathways on the nodes there are."""
        return sum(self._nodes.quotas.values()) * self._config.pathways_per_slot

    @property
    def on_gpus(self) -> bool:
        """Whether slots that are started now reserve what `slots.gpus` says."""
        return self._nodes.on_gpus

    @property
    def resident(self) -> dict[PathwayId, tuple[int, ...]]:
        """Pathway → the slots where it is loaded and ready."""
        return dict(self._ready)

    @property
    def slots(self) -> dict[int, str]:
        """Slot → its node."""
        return {slot: self._places.seat(slot).node for slot in self._places}

    @property
    def outdated(self) -> int:
        """Slots whose processes run older code than they should."""
        return len(self._places.outdated)

    def ready(self, pathway: PathwayId) -> tuple[int, ...]:
        """Slots in which a pathway is loaded, but for one that it leaves."""
        return self._ready.get(pathway, ())

    def ready_in(self, slot: int) -> frozenset[PathwayId]:
        """The pathways that are loaded in a slot."""
        return frozenset(p for p in self._places.held(slot) if (p, slot) not in self._loading)

    def is_placed(self, pathway: PathwayId) -> bool:
        """Whether a pathway is in a slot or being loaded into one."""
        return bool(self._places.where(pathway))

    # --- what happens ------------------------------------------------------------------------

    def nodes(self, nodes: Iterable[Node]) -> list[int]:
        """These are the nodes alive; returns the slots that were lost with others."""
        gone = self._nodes.seen(nodes)
        lost = [slot for node in gone for slot in self._places.all_on(node)]
        for slot in lost:
            self._lose(slot)
        return lost

    def adopt(
        self, seat: Seat, held: Mapping[PathwayId, PathwayId | None], *, outdated: bool = False
    ) -> int:
        """A slot runs already, with these pathways (→ their sources) in it; returns its number.

        outdated: it runs older code, so another is to take its place.
        """
        slot = self._places.add(seat.node, seat.number)
        for pathway, source in held.items():
            self._places.put(pathway, slot, source)
            self._settle(pathway, slot)
            self._note(pathway)
        if outdated:
            self._places.outdate(slot)
        return slot

    def use(self, counts: Mapping[PathwayId, int]) -> None:
        """Pathways ran so many rows since this was told last: the one that ran most counts as used
        last, for which of them ran at the very end is not known."""
        for pathway, rows in sorted(counts.items(), key=lambda item: item[1]):
            slots = self._places.where(pathway)
            for slot in slots:
                if (pathway, slot) in self._idle:
                    self._idle.move_to_end((pathway, slot))
            if slots and self._heat.add(pathway, rows) > self._config.replicate_above:
                self._hot.add(pathway)

    def loaded(self, placement: Placement) -> None:
        """What was placed is loaded and ready, and what had to make room is gone."""
        copy = (placement.load, placement.slot)
        if copy in self._loading:
            self._loading.remove(copy)
            self._settle(*copy)
            self._note(placement.load)
        if placement.evict is not None:
            self.drop(placement.evict, placement.slot)
        if placement.leave is not None:
            self.drop(placement.load, placement.leave)

    def refused(self, placement: Placement) -> None:
        """The slot did not carry it out: what should have made room stays."""
        self.drop(placement.load, placement.slot)
        stays = placement.evict
        if stays is not None and stays in self._places.held(placement.slot):
            self._settle(stays, placement.slot)

    def drop(self, pathway: PathwayId, slot: int) -> None:
        """A copy was unloaded, or could not be loaded."""
        if slot not in self._places.where(pathway):
            return
        self._places.take(pathway, slot)
        self._idle.pop((pathway, slot), None)
        self._loading.discard((pathway, slot))
        if slot in self._moving.get(pathway, ()):
            del self._moving[pathway]
        if not self._places.where(pathway):
            self._heat.forget(pathway)
        self._note(pathway)

    def missing(self, pathway: PathwayId, slot: int) -> None:
        """A slot lost a pathway, for its process was started anew."""
        restore = self._is_pinned(pathway) or self._is_hot(pathway)
        self.drop(pathway, slot)
        if restore and not self.is_placed(pathway):
            self._lost[pathway] = None

    def lose_slot(self, slot: int) -> None:
        """A slot does not answer: forget it, and place nothing on its node for a while."""
        self._nodes.shun(self._places.seat(slot).node, self._clock())
        self._lose(slot)

    def cannot_start(self, slot: int) -> None:
        """Ray has no room for a slot on its node: forget it, and start none there for a while."""
        self._nodes.full(self._places.seat(slot).node, self._clock())
        self._lose(slot)

    def stopped(self, slot: int) -> None:
        """The process of a slot that was to be stopped has ended: its seat is free."""
        self._lose(slot)

    def _lose(self, slot: int) -> None:
        for pathway in list(self._places.held(slot)):
            self.missing(pathway, slot)
        self._places.remove(slot)
        self._stopping.discard(slot)

    def _note(self, pathway: PathwayId) -> None:
        """Write down where a pathway is ready, after that changed."""
        left, _ = self._moving.get(pathway, (None, None))
        here = [s for s in self._places.where(pathway) if (pathway, s) not in self._loading]
        if here:
            self._ready[pathway] = tuple(s for s in here if s != left) or tuple(here)
        else:
            self._ready.pop(pathway, None)

    def _settle(self, pathway: PathwayId, slot: int) -> None:
        if not self._is_pinned(pathway) and slot not in self._places.retiring:
            self._idle[pathway, slot] = None

    # --- where to load -----------------------------------------------------------------------

    def place(self, pathway: PathwayId, source: PathwayId | None = None) -> Placement | None:
        """Decide where a dormant pathway goes, and write it down.

        None if every place is held by what is pinned or being loaded: then something must settle
        first.
        """
        assert not self.is_placed(pathway), f"{pathway} is resident already"
        return self._place(pathway, source)

    def _place(
        self, pathway: PathwayId, source: PathwayId | None, *, may_evict: bool = True
    ) -> Placement | None:
        """The same for one more copy of a pathway."""
        usable = self._nodes.usable(self._clock())
        slot, start, evict = self._beside_kin(pathway, source, usable), None, None
        if slot is None and (node := self._emptiest_node(pathway, usable)):
            slot = self._places.open_on(node, pathway)
            if slot is None:
                slot = self._places.add(node)
                start = self._places.seat(slot)
        elif slot is None and may_evict and (found := self._least_recently_used(pathway, usable)):
            evict, slot = found
            del self._idle[evict, slot]  # resident until the slot says that it is gone
        if slot is None:
            return None
        self._places.put(pathway, slot, source)
        self._loading.add((pathway, slot))
        return Placement(load=pathway, slot=slot, start=start, evict=evict)

    def _beside_kin(
        self, pathway: PathwayId, source: PathwayId | None, usable: Collection[str]
    ) -> int | None:
        beside = self._places.beside(pathway, source)
        near = (s for s in beside if self._places.has_room(s))
        return next((s for s in near if self._places.seat(s).node in usable), None)

    def _emptiest_node(self, pathway: PathwayId, usable: Collection[str]) -> str | None:
        """The least full node with room, one without a copy of the pathway before one with."""
        with_copy = {self._places.seat(slot).node for slot in self._places.where(pathway)}
        roomy = (node for node in usable if self._has_room(node, pathway))
        return min(roomy, key=lambda n: (n in with_copy, self._fill(n), n), default=None)

    def _has_room(self, node: str, pathway: PathwayId) -> bool:
        may_have_more = len(self._places.running_on(node)) < self._nodes.quotas[node]
        was_full = self._nodes.was_full(node, self._clock(), START_AGAIN_S)
        may_start = may_have_more and not was_full
        return may_start or self._places.open_on(node, pathway) is not None

    def _fill(self, node: str) -> float:
        return self._places.copies_on(node) / self._nodes.quotas[node]

    def _least_recently_used(
        self, pathway: PathwayId, usable: Collection[str]
    ) -> tuple[PathwayId, int] | None:
        held = self._places.where(pathway)
        fit = ((p, s) for p, s in self._idle if s not in held)
        return next(((p, s) for p, s in fit if self._places.seat(s).node in usable), None)

    def _is_pinned(self, pathway: PathwayId) -> bool:
        return pathway.task in self._config.pinned

    def _is_hot(self, pathway: PathwayId, copies: int = 1) -> bool:
        return self._heat.rate(pathway) > copies * self._config.replicate_above

    # --- now and then ------------------------------------------------------------------------

    def tend(self) -> list[Instruction]:
        """What should be done besides what callers want: call it every second or so."""
        lost = [Wake(pathway=p) for p in self._lost if not self.is_placed(p)]
        self._lost.clear()
        return [*lost, *self._cool(), *self._replicate(), *self._retire(), *self._empty()]

    def _cool(self) -> list[Unload]:
        """Take back the newest copy of what is no longer hot enough for so many."""
        cooled = []
        for pathway in list(self._places.replicated):
            slots = self.ready(pathway)
            least = (len(slots) - 1) * self._config.replicate_above / 2
            if len(slots) > 1 and self._heat.rate(pathway) < least:
                self.drop(pathway, slots[-1])
                cooled.append(Unload(pathway=pathway, slot=slots[-1]))
        return cooled

    def _replicate(self) -> list[Placement]:
        """One copy more of what ran more rows lately than its slots are trusted with."""
        given = []
        for pathway in self._hot:
            copies = len(self._places.where(pathway))
            settled = copies == len(self.ready(pathway)) and pathway not in self._moving
            wanted = copies < self._config.max_replicas and self._is_hot(pathway, copies)
            if copies and settled and wanted:
                given.append(self._place(pathway, self._places.source(pathway)))
        self._hot.clear()
        return [placement for placement in given if placement]

    def _retire(self) -> list[Instruction]:
        """Have slots retire, and a few pathways at once move out of each."""
        if not self._places.retiring:
            self._rebalance()
        self._replace_outdated()
        given: list[Instruction] = []
        for slot in self._places.retiring:
            moving = [p for p, (left, _) in self._moving.items() if left == slot]
            staying = [p for p in self.ready_in(slot) if p not in self._moving]
            given += [self._move(pathway, slot) for pathway in staying[: _MOVES - len(moving)]]
        return given

    def _rebalance(self) -> None:
        """Have one slot retire for one on another node."""
        counts = {node: len(self._places.running_on(node)) for node in self._nodes.quotas}
        now = self._clock()
        full = {n for n in self._nodes.quotas if self._nodes.was_full(n, now, MOVE_AGAIN_S)}
        usable = self._nodes.usable(now) - full
        if (node := node_to_relieve(counts, self._nodes.quotas, usable)) is None:
            return
        slots = self._places.running_on(node)
        self._empty_out(min(slots, key=lambda slot: len(self._places.held(slot))))

    def _replace_outdated(self) -> None:
        """Have one slot a node retire whose process runs older code: a new one takes its place."""
        busy = {self._places.seat(slot).node for slot in self._places.retiring}
        for slot in [s for s in self._places.outdated if s not in self._places.retiring]:
            node = self._places.seat(slot).node
            if node not in busy:
                busy.add(node)
                self._empty_out(slot)

    def _empty_out(self, slot: int) -> None:
        self._places.retire(slot)
        for pathway in self._places.held(slot):
            self._idle.pop((pathway, slot), None)  # none is evicted to make room there

    def _move(self, pathway: PathwayId, slot: int) -> Instruction:
        """Out of a slot that retires: to a free place, or, if there is none, to the store."""
        if len(self._places.where(pathway)) == 1:
            source, pinned = self._places.source(pathway), self._is_pinned(pathway)
            placement = self._place(pathway, source, may_evict=pinned)
            if placement is not None:
                self._moving[pathway] = (slot, placement.slot)
                self._note(pathway)
                return replace(placement, leave=slot)
        self.drop(pathway, slot)
        return Unload(pathway=pathway, slot=slot)

    def _empty(self) -> list[Stop]:
        """Retired slots that nothing is left in. Each keeps its seat until it has ended, since its
        name is the seat's."""
        retired = (s for s in self._places.retiring if s not in self._stopping)
        empty = [slot for slot in retired if not self._places.held(slot)]
        self._stopping.update(empty)
        return [Stop(slot=slot) for slot in empty]
