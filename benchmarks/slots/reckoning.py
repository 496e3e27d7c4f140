"""Plain arithmetic for clusters that nobody has measured, and which wall comes next.

With N tasks, M nodes, d dispatchers a node, e expansions a second, q requests a second of which a
share m finds its pathway dormant, and B bytes that a task adds to a dispatcher (registry entry,
router, resident pathway):

- memory of a node: N · B · d;
- snapshots, sent by the controller's node: e · M · B, and every `whole_every` expansions all of it,
  N · B · M; a node fetches them once for all of its dispatchers;
- store: N · files a task; read at a start: N · seconds to read a task and add it to its router;
- controller: 2 · d · M calls a second that tell what ran, e · d · M that hear of a change, q · m
  wakes, and those of e expansions; each takes `call_s` of one core.

A resource's load is what it needs over what it has. The next wall is the one that N or M would
have to grow least for, to reach 1.

The share that finds its pathway resident follows from Che's approximation of LRU (Che, Tung and
Wang 2002; Fricker, Robert and Roberts 2012): the time t after which a pathway that was not asked
for is gone solves Σ (1 − exp(−pᵢ t)) = places; then the share is Σ pᵢ (1 − exp(−pᵢ t)).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq


@dataclass(frozen=True, kw_only=True)
class Units:
    """Unit costs; `python -m benchmarks.scale` measures all but the last two."""

    dispatcher_bytes: float
    """Memory that a task adds to a dispatcher: registry entry, router, resident pathway. What it
    is sent for a new task is taken to be as much."""
    store_files: float
    """Files a task in the store."""
    add_s: float
    """To read a task's statistics and add them to the router, at a start."""
    call_s: float = 0.6e-3
    """Of the controller's one core, for a call."""
    calls_an_expansion: float = 6.0
    """That a training worker makes of the controller."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What is reckoned for."""

    tasks: int
    nodes: int
    rps: float
    """Requests a second, over all nodes."""
    expansions_per_s: float
    miss_share: float
    """Of requests whose pathway is dormant."""
    dispatchers: int = 4
    """A node."""
    whole_every: int = 1_000
    """Expansions after which a whole router is sent anew."""
    node_bytes: float = 64 * 2**30
    """Memory of a node; dispatchers may have half of it."""
    network_bytes_per_s: float = 1.25e9
    """Of the controller's node: 10 Gbit/s."""
    start_s: float = 60.0
    """A start may take so long."""
    files: float = 10e6
    """The store may hold so many before listing it takes minutes."""


@dataclass(frozen=True, kw_only=True)
class Wall:
    """One resource."""

    what: str
    needs: float
    has: float
    unit: str
    with_tasks: float
    """Power of the number of tasks that the need grows with."""
    with_nodes: float
    """The same for nodes."""

    @property
    def load(self) -> float:
        """1 is the wall."""
        return self.needs / self.has

    @property
    def times_tasks(self) -> float:
        """How many times as many tasks reach it, other things equal."""
        return self.load ** (-1 / self.with_tasks) if self.with_tasks else math.inf

    @property
    def times_nodes(self) -> float:
        """How many times as many nodes, with as many dispatchers and requests each."""
        return self.load ** (-1 / self.with_nodes) if self.with_nodes else math.inf


def walls(units: Units, cluster: Cluster) -> list[Wall]:
    """Every resource, the nearest wall first."""
    n, m, e = cluster.tasks, cluster.nodes, cluster.expansions_per_s
    held = n * units.dispatcher_bytes * cluster.dispatchers
    whole = n * units.dispatcher_bytes * m * e / cluster.whole_every
    calls = controller_calls(units, cluster)
    found = [
        Wall(
            what="memory of a node's dispatchers",
            needs=held,
            has=cluster.node_bytes / 2,
            unit="bytes",
            with_tasks=1,
            with_nodes=0,
        ),
        Wall(
            what="snapshots sent",
            needs=e * m * units.dispatcher_bytes + whole,
            has=cluster.network_bytes_per_s,
            unit="bytes/s",
            with_tasks=1,
            with_nodes=1,
        ),
        Wall(
            what="files in the store",
            needs=n * units.store_files,
            has=cluster.files,
            unit="files",
            with_tasks=1,
            with_nodes=0,
        ),
        Wall(
            what="start from the store",
            needs=n * units.add_s,
            has=cluster.start_s,
            unit="s",
            with_tasks=1,
            with_nodes=0,
        ),
        Wall(
            what="controller",
            needs=sum(calls.values()) * units.call_s,
            has=1.0,
            unit="cores",
            with_tasks=0,
            with_nodes=1,
        ),
    ]
    return sorted(found, key=lambda wall: -wall.load)


def controller_calls(units: Units, cluster: Cluster) -> Mapping[str, float]:
    """Calls a second, by what for."""
    dispatchers = cluster.dispatchers * cluster.nodes
    return {
        "to tell what ran": 2.0 * dispatchers,
        "to hear of a change": cluster.expansions_per_s * dispatchers,
        "to wake": cluster.rps * cluster.miss_share,
        "to expand": cluster.expansions_per_s * units.calls_an_expansion,
    }


def lru_hit_share(shares: NDArray[np.float64], places: int) -> float:
    """Share of requests that LRU with so many places finds resident.

    shares [tasks]: of the requests that each task gets, summing to 1.
    """
    if places >= len(shares):
        return 1.0

    def too_many(log_time: float) -> float:
        return float(-np.expm1(-shares * math.exp(log_time)).sum()) - places

    time = math.exp(brentq(too_many, math.log(1e-3), math.log(1e12)))
    return float((shares * -np.expm1(-shares * time)).sum())
