"""One expansion, as a training worker carries it out: from waiting data to files in the store.

Plain functions: what they need of the cluster (the router's shortlist, weights over transfer
links, a place to report to) is passed in, so they run and are tested without one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import safetensors.numpy

from cluster.config import ExpansionConfig
from cluster.dispatch import features_for
from cluster.messages import Learned, WaitingTask
from cluster.names import spec_path, statistics_path, weights_path
from cluster.requests import RequestLog
from cluster.store import Store
from dispatcher import Snapshot, StatisticsBuilder, TaskStatistics
from dispatcher.features import Features
from pathways import (
    PathwayId,
    Progress,
    Source,
    StoredPathway,
    TaskData,
    divide,
    learn,
)
from pathways.weights import sha256

_BATCH = 256  # inputs that features are computed of at a time; bounds memory
_SHORTLIST_EXAMPLES = 500  # enough for a mean task probability to within a few per cent


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What an expansion needs of the network around it."""

    snapshot: Callable[[str], Snapshot | None]
    """The router's snapshot for a signature key; None before the first task of it."""
    lend: Callable[[Sequence[str]], Sequence[Source]]
    """Weights of these tasks' pathways, over transfer links."""
    report: Callable[[Progress], None]


def carry_out(
    waiting: WaitingTask, store: Store, config: ExpansionConfig, around: Surroundings
) -> Learned:
    """Learn a waiting task and write its files; publishing them is the controller's.

    Raises the errors of `pathways.learn`, StoreError and DispatcherError.
    """
    data = RequestLog(store).data(waiting.request)
    snapshot = around.snapshot(data.signature.key)
    features = features_for(data.signature, snapshot.dim if snapshot else None)
    train = divide(data, waiting.config).train
    routed = sample(train, config.router_examples, waiting.config.seed)
    sources: Sequence[Source] = ()
    if snapshot is not None and waiting.config.max_sources:
        few = sample(train, _SHORTLIST_EXAMPLES, waiting.config.seed)
        sources = around.lend(snapshot.shortlist(features(few.x), config.shortlist))
    stored = learn(PathwayId(waiting.task), data, sources, waiting.config, around.report)
    return write(store, stored, learn_routing(features, routed))


def learn_routing(features: Features, data: TaskData) -> TaskStatistics:
    """What the router learns of a task: sums over its examples, none of which is kept."""
    builder = StatisticsBuilder(len(data.labels), features.dim)
    batches = np.array_split(np.arange(len(data)), -(-len(data) // _BATCH))
    computed = [features(data.x[rows]) for rows in batches]
    for values, rows in zip(computed, batches, strict=True):
        builder.update(values, data.y[rows])
    for values, rows in zip(computed, batches, strict=True):
        builder.calibrate(values, data.y[rows])
    return builder.finish()


def write(store: Store, stored: StoredPathway, statistics: TaskStatistics) -> Learned:
    """Write a pathway's files under names that hold their hashes."""
    body = safetensors.numpy.save(statistics.to_arrays())
    routing = statistics_path(stored.spec.id, sha256(body))
    weights = stored.spec.weights_sha256
    store.write_all_content(
        {
            weights_path(stored.spec.id, weights): stored.weights,
            spec_path(stored.spec.id, weights): stored.spec.to_json().encode(),
            routing: body,
        }
    )
    return Learned(pathway=stored, statistics_path=routing, statistics_sha256=sha256(body))


def sample(data: TaskData, most: int, seed: int) -> TaskData:
    """At most about `most` examples, every class in proportion."""
    if len(data) <= most:
        return data
    rng = np.random.default_rng(seed)
    rows = []
    for c in range(len(data.labels)):
        mine = rng.permutation(np.flatnonzero(data.y == c))
        rows.append(mine[: max(1, len(mine) * most // len(data))])
    return data.take(np.sort(np.concatenate(rows)))
