"""A discrete simulation of slots, dispatchers and the controller, with the real slot policy.

Time passes from event to event. A slot does one thing at a time: it loads a pathway or runs one
input. A dispatcher sends inputs of resident pathways at once and wakes dormant ones one after
another, each by asking the controller, which answers one call at a time. What ran is told twice a
second. Batching is left out, so slots are busier than they would be.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.slots.costs import Costs
from benchmarks.slots.policy import Policy
from benchmarks.slots.traffic import Second
from cluster.instructions import Placement
from pathways import PathwayId

_TELL_S = 0.5
_TEND_S = 1.0
_AGAIN_S = 0.01  # until a wake that found every place taken is tried again


@dataclass
class Outcome:
    """What was counted."""

    requests: int = 0
    hits: int = 0
    """Requests whose pathway was resident."""
    joined: int = 0
    """Requests whose pathway was dormant, and woken for somebody else by the time."""
    wakes: int = 0
    evictions: int = 0
    starts: int = 0
    """Slots' processes started."""
    moves: int = 0
    """Pathways that went to another slot, for their node had too many."""
    copies: int = 0
    """Times that a hot pathway was loaded into one slot more."""
    crowded: int = 0
    """Times that every place was being loaded into."""
    lost: int = 0
    """Requests that had to begin again, as their slot's node was gone."""
    told: int = 0
    """Calls that told the controller what had run."""
    busy_s: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    """Slot → seconds it worked."""
    controller_busy_s: float = 0.0
    latencies: list[float] = field(default_factory=list)
    """Seconds, one for each answered request."""
    waits: list[float] = field(default_factory=list)
    """Seconds of it that a request waited for a busy slot."""
    minutes: list[tuple[int, int, float]] = field(default_factory=list)
    """For each full minute: requests, hits, p99 latency in seconds."""

    @property
    def hit_share(self) -> float:
        """Of all requests, 0..1."""
        return self.hits / max(1, self.requests)


@dataclass(eq=False)
class _Request:
    at: float
    pathway: PathwayId
    dispatcher: int
    wakes: bool = False  # its dispatcher wakes nothing else until it is answered


class Simulation:
    """One cluster. `leaving`, `joining`: (second, node) for every node lost and every new one."""

    def __init__(
        self,
        policy: Policy,
        costs: Costs,
        *,
        dispatchers: int,
        leaving: Sequence[tuple[float, str]] = (),
        joining: Sequence[tuple[float, str]] = (),
        seed: int = 0,
    ) -> None:
        self._policy, self._costs = policy, costs
        self._rng = np.random.default_rng(seed)
        self._events: list[tuple[float, int, Callable[[float], object]]] = []
        self._order = itertools.count()
        self._free: dict[int, float] = {}  # slot → when it has nothing to do
        self._controller_free = 0.0
        self._waiting: list[deque[_Request]] = [deque() for _ in range(dispatchers)]
        self._waking = [False] * dispatchers
        self._loads: dict[tuple[PathwayId, int], Placement] = {}  # going on now
        self._evicted: set[tuple[PathwayId, int]] = set()  # still there, and gone once they end
        self._woken: dict[PathwayId, list[_Request]] = {}  # → who waits for them
        self._ran: Counter[PathwayId] = Counter()
        self._ids: dict[int, PathwayId] = {}
        self.outcome = Outcome()
        for at, node in leaving:
            self._at(at, lambda now, node=node: self._leave(node))  # type: ignore[misc]
        for at, node in joining:
            self._at(at, lambda now, node=node: policy.join(node))  # type: ignore[misc]
        self._at(_TELL_S, self._tell)
        self._at(_TEND_S, self._tend)

    def prime(self, tasks: Sequence[int]) -> None:
        """Begin with these pathways resident; the most wanted first."""
        for task in reversed(tasks):
            placement = self._policy.place(self._id(task))
            assert placement and not placement.evict, f"there is no room for {len(tasks)}"
            self._policy.loaded(placement)

    def run(self, trace: Iterable[Second]) -> Outcome:
        """Let a whole trace come in, and answer all of it."""
        seen = self.outcome
        before = (0, 0, 0)
        for number, second in enumerate(trace, start=1):
            chosen = self._rng.integers(len(self._waking), size=len(second.times)).tolist()
            given = zip(second.times.tolist(), second.tasks.tolist(), chosen, strict=True)
            for at, task, dispatcher in given:
                self._until(at)
                self._arrive(_Request(at, self._id(task), dispatcher))
            if number % 60 == 0:
                before = self._minute(before)
        while self._woken or any(self._waking):
            self._happen()
        assert len(seen.latencies) == seen.requests, "a request was left without an answer"
        return seen

    def _minute(self, before: tuple[int, int, int]) -> tuple[int, int, int]:
        seen = self.outcome
        now = (seen.requests, seen.hits, len(seen.latencies))
        late = float(np.percentile(seen.latencies[before[2] :], 99)) if now[2] > before[2] else 0.0
        seen.minutes.append((now[0] - before[0], now[1] - before[1], late))
        return now

    def _id(self, task: int) -> PathwayId:
        if task not in self._ids:
            self._ids[task] = PathwayId(f"t{task}")
        return self._ids[task]

    # --- time --------------------------------------------------------------------------------

    def _at(self, when: float, happen: Callable[[float], object]) -> None:
        heapq.heappush(self._events, (when, next(self._order), happen))

    def _until(self, now: float) -> None:
        while self._events and self._events[0][0] <= now:
            self._happen()

    def _happen(self) -> None:
        self._policy.now, _, happen = heapq.heappop(self._events)
        happen(self._policy.now)

    # --- requests ----------------------------------------------------------------------------

    def _arrive(self, request: _Request) -> None:
        self.outcome.requests += 1
        if slots := self._slots(request.pathway):
            self.outcome.hits += 1
            self._run(request, slots, request.at)
        elif self._policy.is_loading(request.pathway):
            self.outcome.joined += 1
            self._woken.setdefault(request.pathway, []).append(request)
        else:
            self._want(request, request.at)

    def _slots(self, pathway: PathwayId) -> list[int]:
        """Where a pathway will still be when a call arrives."""
        return [s for s in self._policy.ready(pathway) if (pathway, s) not in self._evicted]

    def _run(self, request: _Request, slots: Sequence[int], now: float) -> float:
        """In one of the pathway's slots; returns when its answer is back."""
        slot = slots[int(self._rng.integers(len(slots)))] if len(slots) > 1 else slots[0]
        there = now + self._costs.hop_s / 2
        start = max(there, self._free.get(slot, 0.0))
        self._free[slot] = start + self._costs.run_s
        answered = start + self._costs.run_s + self._costs.hop_s / 2
        self.outcome.busy_s[slot] += self._costs.run_s
        self.outcome.waits.append(start - there)
        self.outcome.latencies.append(answered - request.at)
        self._ran[request.pathway] += 1
        return answered

    # --- waking ------------------------------------------------------------------------------

    def _want(self, request: _Request, now: float) -> None:
        """A dispatcher wakes one pathway at a time."""
        if self._waking[request.dispatcher]:
            self._waiting[request.dispatcher].append(request)
        else:
            self._waking[request.dispatcher] = request.wakes = True
            self._call_controller(request, now)

    def _call_controller(self, request: _Request, now: float) -> None:
        answered = self._controller_works(now + self._costs.hop_s / 2)
        self._at(answered, lambda at: self._wake(request, at))

    def _controller_works(self, now: float) -> float:
        """One call; returns when it is done."""
        self._controller_free = max(now, self._controller_free) + self._costs.controller_s
        self.outcome.controller_busy_s += self._costs.controller_s
        return self._controller_free

    def _wake(self, request: _Request, now: float) -> None:
        pathway = request.pathway
        if self._slots(pathway):
            self.outcome.joined += 1
            self._answer(request, now)
        elif self._policy.is_loading(pathway):
            self.outcome.joined += 1
            self._woken.setdefault(pathway, []).append(request)
        elif self._policy.ready(pathway) or not (placement := self._policy.place(pathway)):
            self.outcome.crowded += 1
            self._at(now + _AGAIN_S, lambda at: self._wake(request, at))
        else:
            self._woken[pathway] = [request]
            self.outcome.wakes += 1
            self._load(placement, now)

    def _load(self, placement: Placement, now: float) -> None:
        seen, slot = self.outcome, placement.slot
        self._loads[placement.load, slot] = placement
        if placement.evict is not None:
            seen.evictions += 1
            self._evicted.add((placement.evict, slot))
        seen.starts += placement.start is not None
        took = self._costs.wake_s + (self._costs.start_s if placement.start else 0.0)
        start = max(now + self._costs.hop_s / 2, self._free.get(slot, 0.0))
        self._free[slot] = start + took
        seen.busy_s[slot] += took
        self._at(start + took, lambda at: self._loaded(placement, at))

    def _loaded(self, placement: Placement, now: float) -> None:
        if self._loads.get((placement.load, placement.slot)) is not placement:
            return  # its slot was lost meanwhile
        self._forget(placement)
        self._policy.loaded(placement)
        for request in self._woken.pop(placement.load, ()):
            self._answer(request, now)

    def _forget(self, placement: Placement) -> None:
        del self._loads[placement.load, placement.slot]
        if placement.evict is not None:
            self._evicted.discard((placement.evict, placement.slot))

    def _answer(self, request: _Request, now: float) -> None:
        answered = self._run(request, self._slots(request.pathway), now)
        if request.wakes:
            self._at(answered, lambda at: self._next(request.dispatcher, at))

    def _next(self, dispatcher: int, now: float) -> None:
        self._waking[dispatcher] = False
        if self._waiting[dispatcher]:
            self._want(self._waiting[dispatcher].popleft(), now)

    # --- now and then ------------------------------------------------------------------------

    def _tell(self, now: float) -> None:
        """Every dispatcher says what it ran."""
        self._policy.use(self._ran)
        self._ran.clear()
        for number in range(len(self._waking)):  # not all at one moment
            at = now + _TELL_S * number / len(self._waking)
            self._at(at, self._controller_works)
        self.outcome.told += len(self._waking)
        self._at(now + _TELL_S, self._tell)

    def _tend(self, now: float) -> None:
        """The policy looks after itself."""
        for placement in self._policy.tend():
            moves = placement.leave is not None
            self.outcome.moves += moves
            self.outcome.copies += not moves and bool(self._policy.ready(placement.load))
            self._load(placement, now)
        self._at(now + _TEND_S, self._tend)

    def _leave(self, node: str) -> None:
        """A node is lost with all that its slots held and were loading."""
        lost = set(self._policy.leave(node))
        for slot in lost:
            self._free.pop(slot, None)
        for placement in [p for p in self._loads.values() if p.slot in lost]:
            self._forget(placement)
            for request in self._woken.pop(placement.load, ()):
                self.outcome.lost += 1
                self._at(self._policy.now, lambda at, r=request: self._retry(r, at))  # type: ignore[misc]

    def _retry(self, request: _Request, now: float) -> None:
        if request.wakes:
            self._call_controller(request, now)
        else:
            self._want(request, now)
