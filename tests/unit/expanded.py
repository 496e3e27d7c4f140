"""What a controller would know of expansions, without one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from cluster import Store
from cluster.bodies import read_pathway
from cluster.config import ExpansionConfig
from cluster.expansion import Surroundings, carry_out
from cluster.messages import Learned, NewTask, WaitingTask
from cluster.names import request_id
from cluster.registry import PathwayEntry, Registry
from cluster.requests import RequestLog
from cluster.routers import Routers
from dispatcher import Snapshot
from pathways import (
    LearnConfig,
    Progress,
    Source,
    StoredPathway,
    TaskData,
    TrainConfig,
    load_source,
)
from tests.unit.networks import Sets

SHORT = LearnConfig(threshold=0.5, train=TrainConfig(epochs=12, min_steps=0, batch_size=64))
KEY = "image-28x28x1"


@dataclass
class Network:
    """What a controller would know, without one."""

    store: Store
    registry: Registry = field(default_factory=Registry)
    progress: list[Progress] = field(default_factory=list)
    lent: list[tuple[str, ...]] = field(default_factory=list)
    """The tasks of every loan."""

    def __post_init__(self) -> None:
        self.routers = Routers(self.store)
        self.known: set[str] = set()

    def expand(
        self,
        task: str,
        data: TaskData,
        learn: LearnConfig = SHORT,
        config: ExpansionConfig | None = None,
        weights: bytes | None = None,
    ) -> Learned:
        request = request_id(self.registry.version + 1, task)
        new = NewTask(task=task, data=data, config=learn, weights=weights)
        RequestLog(self.store).add({request: new})
        waiting = WaitingTask(request=request, task=task, config=learn)
        around = Surroundings(snapshot=self._snapshot, lend=self._lend, report=self.progress.append)
        learned = carry_out(waiting, learn, self.store, config or ExpansionConfig(), around)
        entry = learned.entry(request, datetime.now(UTC))
        self.registry = self.registry.publish([entry])
        self.known.add(self.routers.add(entry))
        return learned

    def _snapshot(self, key: str) -> Snapshot | None:
        return self.routers.solve(key) if key in self.known else None

    def _lend(self, tasks: Sequence[str]) -> list[Source]:
        self.lent.append(tuple(tasks))
        return [load_source(self.stored(self.registry.entry(task))) for task in tasks]

    def stored(self, entry: PathwayEntry) -> StoredPathway:
        return read_pathway(self.store, entry)


def grow(root: Path, sets: Sets) -> Network:
    """A store in which digits, then lower were learned by expansions."""
    network = Network(Store.open(root, create=True))
    for task in ("digits", "lower"):
        network.expand(task, sets[task][0].shots(50, np.random.default_rng(0)))
    return network
