"""Clusters and traffic that are simulated, each against a standstill: what a scenario changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.slots.costs import Costs
from benchmarks.slots.policy import Policy
from benchmarks.slots.reckoning import lru_hit_share
from benchmarks.slots.simulation import Outcome, Simulation
from benchmarks.slots.traffic import Traffic, by_popularity, popularity, trace
from cluster.config import SlotConfig


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One run of the simulation."""

    title: str
    traffic: Traffic
    nodes: int
    slots: int
    """On each node."""
    pathways_per_slot: int
    dispatchers: int = 2
    """On each node."""
    leaving: int = 0
    """Nodes that are lost after a third of the time, a second apart."""
    joining: int = 0
    """Nodes that are new after two thirds of it."""

    @property
    def places(self) -> int:
        """Pathways that can be resident."""
        return self.nodes * self.slots * self.pathways_per_slot

    @property
    def reckoned_hit_share(self) -> float:
        """What Che's approximation gives, for traffic that stays as it is."""
        return lru_hit_share(popularity(self.traffic.tasks, self.traffic.exponent), self.places)


def scenarios(
    *, tasks: int, nodes: int, slots: int, pathways_per_slot: int, rps: float, seconds: int
) -> list[Scenario]:
    """The same cluster under traffic of every kind."""
    still = Traffic(
        tasks=tasks, rps=rps, seconds=seconds, drift=0.0, day_s=0.0, bursts_per_minute=0.0
    )
    live = Traffic(tasks=tasks, rps=rps, seconds=seconds, day_s=seconds)
    plain = Scenario(
        title="Zipf, standing still",
        traffic=still,
        nodes=nodes,
        slots=slots,
        pathways_per_slot=pathways_per_slot,
    )
    return [
        plain,
        replace(plain, title="uniform", traffic=replace(still, exponent=0.0)),
        replace(plain, title="Zipf with drift, days and bursts", traffic=live),
        replace(
            plain,
            title="the same, three times the room",
            traffic=live,
            pathways_per_slot=3 * pathways_per_slot,
        ),
        replace(
            plain,
            title="the same, one node in ten lost, then replaced",
            traffic=live,
            leaving=max(1, nodes // 10),
            joining=max(1, nodes // 10),
        ),
    ]


def simulate(scenario: Scenario, costs: Costs) -> Outcome:
    """Let the traffic of a scenario come in."""
    names = [f"n{number}" for number in range(scenario.nodes)]
    config = SlotConfig(pathways_per_slot=scenario.pathways_per_slot, per_node=scenario.slots)
    third = scenario.traffic.seconds / 3
    simulation = Simulation(
        Policy(config, names),
        costs,
        dispatchers=scenario.nodes * scenario.dispatchers,
        leaving=[(third + number, names[number]) for number in range(scenario.leaving)],
        joining=[(2 * third + number, f"new{number}") for number in range(scenario.joining)],
    )
    wanted = by_popularity(scenario.traffic)[: scenario.places].tolist()
    simulation.prime(wanted)
    return simulation.run(trace(scenario.traffic))


def figures(scenario: Scenario, outcome: Outcome) -> Mapping[str, float]:
    """What is told of a run."""
    seconds = scenario.traffic.seconds
    p50, p99 = np.percentile(outcome.latencies, (50, 99)) * 1e3
    busiest = max(outcome.busy_s.values()) / seconds
    return {
        "requests": outcome.requests,
        "places": scenario.places,
        "hit_share": outcome.hit_share,
        "reckoned_hit_share": scenario.reckoned_hit_share,
        "wakes_per_s": outcome.wakes / seconds,
        "evictions_per_s": outcome.evictions / seconds,
        "joined_share": outcome.joined / outcome.requests,
        "starts": outcome.starts,
        "moves": outcome.moves,
        "copies": outcome.copies,
        "crowded": outcome.crowded,
        "lost": outcome.lost,
        "p50_ms": float(p50),
        "p99_ms": float(p99),
        "wait_p99_ms": float(np.percentile(outcome.waits, 99) * 1e3),
        "busiest_slot": busiest,
        "controller": outcome.controller_busy_s / seconds,
    }
