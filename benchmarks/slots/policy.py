"""What decides in the simulation: the product's own `Residency`, as it decides in the slot pool."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from cluster.config import SlotConfig
from cluster.instructions import Placement, Wake
from cluster.nodes import Node
from cluster.residency import Residency
from pathways import PathwayId


class Policy:
    """Residency with the simulation's clock."""

    def __init__(self, config: SlotConfig, nodes: Collection[str]) -> None:
        self.now = 0.0
        """Seconds since the start."""
        self._residency = Residency(config, clock=lambda: self.now)
        self._nodes = {name: Node(id=name, cpus=config.per_node * config.cpus) for name in nodes}
        self._residency.nodes(self._nodes.values())

    def ready(self, pathway: PathwayId) -> tuple[int, ...]:
        """Slots in which a pathway can run now."""
        return self._residency.ready(pathway)

    def is_loading(self, pathway: PathwayId) -> bool:
        """Whether a pathway is being loaded and ready nowhere."""
        return self._residency.is_placed(pathway) and not self.ready(pathway)

    def place(self, pathway: PathwayId) -> Placement | None:
        """Choose a slot for a dormant pathway; None if something must settle first."""
        return self._residency.place(pathway)

    def loaded(self, placement: Placement) -> None:
        """It can run from now on."""
        self._residency.loaded(placement)

    def use(self, counts: Mapping[PathwayId, int]) -> None:
        """These ran so many times."""
        self._residency.use(counts)

    def tend(self) -> Iterator[Placement]:
        """Copies of hot pathways, moves to other nodes, and what lost its place: all to load."""
        for instruction in self._residency.tend():
            if isinstance(instruction, Placement):
                yield instruction
            elif isinstance(instruction, Wake):
                placement = self._residency.place(instruction.pathway)
                if placement is not None:
                    yield placement

    def leave(self, node: str) -> list[int]:
        """A node is lost; returns its slots."""
        del self._nodes[node]
        return self._residency.nodes(self._nodes.values())

    def join(self, node: str) -> None:
        """A node is new."""
        self._nodes[node] = Node(id=node, cpus=next(iter(self._nodes.values())).cpus)
        self._residency.nodes(self._nodes.values())
