"""What has run since the controller started, summed over every dispatcher of the network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from cluster.messages import NetworkActivity
from pathways import PathwayId


class Activity:
    """Counts that only grow: whoever wants rates subtracts what was read before."""

    def __init__(self) -> None:
        self._activations: Counter[str] = Counter()
        self._inputs = 0
        self._unknown = 0

    def add(self, counts: Mapping[PathwayId, int], inputs: int, unknown: int) -> None:
        """A dispatcher tells what it ran since it last told: rows of each pathway, inputs
        answered, and how many of these were unknown."""
        for pathway, rows in counts.items():
            self._activations[pathway.task] += rows
        self._inputs += inputs
        self._unknown += unknown

    def report(self, network_version: int, resident: Iterable[PathwayId]) -> NetworkActivity:
        """The counts now, with the pathways that are resident in slots."""
        return NetworkActivity(
            network_version=network_version,
            activations=dict(self._activations),
            rows=self._inputs,
            unknown=self._unknown,
            resident=tuple(sorted(map(str, resident))),
        )
