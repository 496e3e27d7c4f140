"""One expansion, as a training worker carries it out: from waiting data to files in the store.

Plain functions: what they need of the cluster (the router's shortlist, weights over transfer
links, a place to report to) is passed in, so they run and are tested without one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import safetensors.numpy
import torch
from numpy.typing import NDArray

from cluster.config import ExpansionConfig
from cluster.dispatch import features_for
from cluster.messages import Learned, WaitingTask
from cluster.names import spec_path, statistics_path, weights_path
from cluster.orders import Pair
from cluster.registry import PathwayEntry, Registry
from cluster.requests import RequestLog
from cluster.store import Store
from dispatcher import Snapshot, StatisticsBuilder, TaskStatistics
from dispatcher.features import Features
from pathways import (
    LearnConfig,
    PathwayId,
    Progress,
    Source,
    StoredPathway,
    TaskData,
    divide,
    learn,
)
from pathways.device import CPU
from pathways.pairing import Partner
from pathways.sampling import sample
from pathways.weights import sha256, unpack

_BATCH = 256  # inputs that features are computed of at a time; bounds memory
_SHORTLIST_EXAMPLES = 500  # enough for a mean task probability to within a few per cent


StartPartner = Callable[[str, Pair, tuple[PathwayId, PathwayId], Sequence[Source]], Partner]
"""Start the second side of the pair that waits as a request, with what it may build on."""


def _nowhere(*of: object) -> Partner:
    raise AssertionError("a pair was taken where nothing starts its second side")


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What an expansion needs of the network around it."""

    snapshot: Callable[[str], Snapshot | None]
    """The router's snapshot for a signature key; None before the first task of it."""
    lend: Callable[[Sequence[str]], Sequence[Source]]
    """Weights of these tasks' pathways, over transfer links."""
    report: Callable[[Progress], None]
    registry: Registry = field(default_factory=Registry)
    """The network as it was when the task was taken."""
    start_partner: StartPartner = _nowhere
    """Starts the second side of a pair, beside the worker."""
    device: torch.device = CPU
    """What the worker computes on."""


def carry_out(
    waiting: WaitingTask,
    how: LearnConfig,
    store: Store,
    config: ExpansionConfig,
    around: Surroundings,
) -> Learned:
    """Learn a waiting task and write its files; publishing them is the controller's.

    Raises the errors of `pathways.learn`, StoreError and DispatcherError.
    """
    requests = RequestLog(store)
    data, weights = requests.data(waiting.request), requests.weights(waiting.request)
    initial = None if weights is None else unpack(weights, None, "the task's start")
    prepared = prepare(data, how, config, around)
    id = PathwayId(waiting.task, around.registry.next_version(waiting.task))
    stored = learn(id, data, prepared.sources, how, around.report, initial, around.device)
    return write(store, stored, prepared.statistics)


@dataclass(frozen=True)
class Prepared:
    """What an expansion has before it trains."""

    sources: Sequence[Source]
    statistics: TaskStatistics


def prepare(
    data: TaskData, how: LearnConfig, config: ExpansionConfig, around: Surroundings
) -> Prepared:
    """Sources that a new task may build on, and what the router learns of it."""
    routing = Routing(data, how, config, around.snapshot(data.signature.key))
    linkable = how.max_sources and data.output == "classes"
    shortlist = routing.shortlist() if linkable else []
    sources = around.lend(shortlist) if shortlist else ()
    return Prepared(sources, routing.statistics())


class Routing:
    """What the router learns of a task's training examples, and what it says of them."""

    def __init__(
        self, data: TaskData, how: LearnConfig, config: ExpansionConfig, snapshot: Snapshot | None
    ) -> None:
        train = divide(data, how).train
        self._config, self._seed, self._snapshot = config, how.seed, snapshot
        self._data = train.take(sample(train.y, config.router_examples, how.seed))
        features = features_for(data.signature, snapshot.dim if snapshot else None)
        self._values = _in_batches(features, self._data)

    def shortlist(self, without: str | None = None) -> list[str]:
        """Earlier tasks that look relevant, `without` one; none before the first task."""
        if self._snapshot is None:
            return []
        few = self._values[sample(self._data.y, _SHORTLIST_EXAMPLES, self._seed)]
        most = self._config.shortlist + (without is not None)
        listed = [task for task in self._snapshot.shortlist(few, most) if task != without]
        return listed[: self._config.shortlist]

    def statistics(self) -> TaskStatistics:
        """The sums that the router is to learn."""
        return _summed_up(self._values, self._data)


def learn_routing(features: Features, data: TaskData) -> TaskStatistics:
    """What the router learns of a task: sums over its examples, none of which is kept."""
    return _summed_up(_in_batches(features, data), data)


def _in_batches(features: Features, data: TaskData) -> NDArray[np.float32]:
    """[n, D] features of a task's examples."""
    starts = range(0, len(data), _BATCH)
    return np.concatenate([features(data.x[start : start + _BATCH]) for start in starts])


def _summed_up(values: NDArray[np.float32], data: TaskData) -> TaskStatistics:
    """The sums over features [n, D] of a task's examples."""
    builder = StatisticsBuilder(data.groups, values.shape[1])
    for learn_from in (builder.update, builder.calibrate):
        for start in range(0, len(data), _BATCH):
            learn_from(values[start : start + _BATCH], data.y[start : start + _BATCH])
    return builder.finish()


def write(store: Store, stored: StoredPathway, statistics: TaskStatistics) -> Learned:
    """Write a new task's files under names that hold their hashes."""
    body = safetensors.numpy.save(statistics.to_arrays())
    routing = statistics_path(stored.spec.id, sha256(body))
    store.write_all_content({**_files(stored), routing: body})
    return Learned(pathway=stored, statistics_path=routing, statistics_sha256=sha256(body))


def write_version(store: Store, stored: StoredPathway, known: PathwayEntry) -> Learned:
    """Write the files of a new version of a known task, which keeps what the router learned."""
    store.write_all_content(_files(stored))
    return Learned(
        pathway=stored,
        statistics_path=known.statistics_path,
        statistics_sha256=known.statistics_sha256,
    )


def _files(stored: StoredPathway) -> dict[str, bytes]:
    weights = stored.spec.weights_sha256
    return {
        weights_path(stored.spec.id, weights): stored.weights,
        spec_path(stored.spec.id, weights): stored.spec.to_json().encode(),
    }
