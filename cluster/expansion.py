"""One expansion, as a training worker carries it out: from waiting data to files in the store.

Plain functions: what they need of the cluster (the router's shortlist, weights over transfer
links, a place to report to) is passed in, so they run and are tested without one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from cluster.config import ExpansionConfig
from cluster.dispatch import features_for
from cluster.messages import Learned, WaitingTask
from cluster.names import spec_path, statistics_path, weights_path
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
    prepared = prepare(data, waiting.config, config, around)
    how, report = waiting.config, around.report
    stored = learn(PathwayId(waiting.task), data, prepared.sources, how, report)
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
    snapshot = around.snapshot(data.signature.key)
    features = features_for(data.signature, snapshot.dim if snapshot else None)
    train, seed = divide(data, how).train, how.seed
    routed = train.take(sample(train.y, config.router_examples, seed))
    values = _in_batches(features, routed)
    sources: Sequence[Source] = ()
    if snapshot is not None and how.max_sources:
        few = values[sample(routed.y, _SHORTLIST_EXAMPLES, seed)]
        sources = around.lend(snapshot.shortlist(few, config.shortlist))
    return Prepared(sources, _summed_up(values, routed))


def learn_routing(features: Features, data: TaskData) -> TaskStatistics:
    """What the router learns of a task: sums over its examples, none of which is kept."""
    return _summed_up(_in_batches(features, data), data)


def _in_batches(features: Features, data: TaskData) -> NDArray[np.float32]:
    """[n, D] features of a task's examples."""
    starts = range(0, len(data), _BATCH)
    return np.concatenate([features(data.x[start : start + _BATCH]) for start in starts])


def _summed_up(values: NDArray[np.float32], data: TaskData) -> TaskStatistics:
    """The sums over features [n, D] of a task's examples."""
    builder = StatisticsBuilder(len(data.labels), values.shape[1])
    for learn_from in (builder.update, builder.calibrate):
        for start in range(0, len(data), _BATCH):
            learn_from(values[start : start + _BATCH], data.y[start : start + _BATCH])
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


def sample(y: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    """Rows of at most about `most` examples of classes y [n], every class in proportion."""
    if len(y) <= most:
        return np.arange(len(y))
    rng = np.random.default_rng(seed)
    rows = []
    for c in np.unique(y):
        mine = rng.permutation(np.flatnonzero(y == c))
        rows.append(mine[: max(1, len(mine) * most // len(y))])
    return np.sort(np.concatenate(rows))
