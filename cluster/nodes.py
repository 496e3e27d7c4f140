"""Which nodes there are and how many slots each gets: decisions only.

A node has room for as many slots as `slots.per_node` and its CPUs and GPUs allow. Slots that are to
have GPUs are on nodes with GPUs alone, as long as there is one: what is too large for the
dispatchers' own processes should not answer slowly because it happened to land elsewhere. While
there is none, all nodes have slots that compute on their CPUs. Where
`slots.max_slots` allows fewer over the whole cluster, they are shared out in proportion.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from cluster.config import SlotConfig

_SHUN_S = 15.0  # Ray takes some 12 s to notice that a node which was cut off is dead
START_AGAIN_S = 5.0  # after others used up a node's CPUs or GPUs; trying costs milliseconds
MOVE_AGAIN_S = 300.0  # the same before slots are to move there, which is no hurry


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node of the cluster that is alive."""

    id: str
    cpus: float
    gpus: float = 0.0


class Nodes:
    """The nodes alive and their quotas of slots."""

    def __init__(self, config: SlotConfig) -> None:
        self._config = config
        self._quotas: dict[str, int] = {}
        self._on_gpus = False
        self._shunned: dict[str, float] = {}
        # Node → until when nothing is placed there, for a slot of it was lost.
        self._full: dict[str, float] = {}
        # Node → when Ray last had no room for another slot there.

    def seen(self, nodes: Iterable[Node]) -> frozenset[str]:
        """These are the nodes now; returns those that have gone."""
        before, nodes = self._quotas.keys(), list(nodes)
        self._on_gpus = any(_limit_of_gpus(node, self._config) for node in nodes)
        limits = {node.id: _limit(node, self._config, self._on_gpus) for node in nodes}
        gone = frozenset(before - limits.keys())
        self._quotas = _shared_out(limits, self._config.max_slots)
        for node in gone:
            self._shunned.pop(node, None)
            self._full.pop(node, None)
        return gone

    @property
    def quotas(self) -> Mapping[str, int]:
        """Node → slots it may have."""
        return self._quotas

    @property
    def on_gpus(self) -> bool:
        """Whether slots reserve what `slots.gpus` says: a node is there that has it."""
        return self._on_gpus

    def shun(self, node: str, now: float) -> None:
        """A slot of it was lost, so the node may be too: place elsewhere for a while."""
        self._shunned[node] = now + _SHUN_S

    def full(self, node: str, now: float) -> None:
        """Ray had no room for another slot there."""
        self._full[node] = now

    def was_full(self, node: str, now: float, within_s: float) -> bool:
        """Whether Ray had no room there lately."""
        return now - self._full.get(node, -math.inf) < within_s

    def usable(self, now: float) -> frozenset[str]:
        """Nodes to place on: those not shunned, or all if that leaves none."""
        with_slots = frozenset(node for node, quota in self._quotas.items() if quota)
        shunned = {node for node, until in self._shunned.items() if until > now}
        return with_slots - shunned or with_slots


def node_to_relieve(
    counts: Mapping[str, int], quotas: Mapping[str, int], usable: Collection[str]
) -> str | None:
    """The node that should give up a slot; counts: node → slots it has.

    The fullest one, if it has more than its quota, or if a usable one would even then be less
    full with a slot more. So it ends: no slot ever moves back.
    """
    if not usable:
        return None
    fullest = max(counts, key=lambda node: _fill(counts[node], quotas[node]))
    emptiest = min(usable, key=lambda node: _fill(counts[node], quotas[node]))
    left = _fill(counts[fullest] - 1, quotas[fullest])
    gains = left >= _fill(counts[emptiest] + 1, quotas[emptiest])
    return fullest if gains or counts[fullest] > quotas[fullest] else None


def _fill(slots: int, quota: int) -> float:
    if quota:
        return slots / quota
    return math.inf if slots > 0 else 0.0


def _limit(node: Node, config: SlotConfig, on_gpus: bool) -> int:
    """Slots that one node has room for."""
    limits = [config.per_node] if config.per_node else []
    if config.cpus:
        limits.append(int(node.cpus / config.cpus + 1e-9))
    if on_gpus:
        limits.append(_limit_of_gpus(node, config))
    return min(limits, default=config.max_slots)


def _limit_of_gpus(node: Node, config: SlotConfig) -> int:
    """Slots that the GPUs of one node have room for; 0 if slots are to have none."""
    if not config.gpus:
        return 0
    if config.gpus >= 1:
        return int(node.gpus / config.gpus)
    return int(node.gpus) * int(1 / config.gpus + 1e-9)  # no slot spans two GPUs


def _shared_out(limits: Mapping[str, int], most: int) -> dict[str, int]:
    """`most` slots (0: no limit) over nodes in proportion to their limits, by largest remainder."""
    total = sum(limits.values())
    if not most or total <= most:
        return dict(limits)
    quotas = {node: most * limit // total for node, limit in limits.items()}
    by_remainder = sorted(limits, key=lambda node: (-(most * limits[node] % total), node))
    for node in by_remainder[: most - sum(quotas.values())]:
        quotas[node] += 1
    return quotas
