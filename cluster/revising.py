"""Revisions as a training worker carries them out: from waiting data to files of new versions.

Like `expansion.py` plain functions, told what they need of the network. What the router learned
of a task stays with it in all its versions, as its data are of the same kind.
"""

from __future__ import annotations

from collections.abc import Sequence

import ray

from cluster.bodies import read_pathway
from cluster.code import leave_if_outdated
from cluster.config import ExpansionConfig
from cluster.expansion import Routing, Surroundings, carry_out, write, write_version
from cluster.messages import Finished, Learned, WaitingTask
from cluster.orders import HELD_OUT, SHARED, Improve, Pair, Prune, Share
from cluster.pair_expansion import carry_out_pair
from cluster.registry import PathwayEntry, Registry
from cluster.requests import RequestLog
from cluster.store import Store
from pathways import LearnConfig, PathwayId, StoredPathway, TaskData
from pathways.revising import Revised, improve, learn_sharing, prune, reroot


def carry_out_order(
    waiting: WaitingTask, store: Store, config: ExpansionConfig, around: Surroundings
) -> Finished:
    """Do what a waiting task asks for and write the files; publishing them is the controller's.

    Raises PathwaysError, StoreError and DispatcherError.
    """
    match waiting.config:
        case LearnConfig() as how:
            return Finished(learned=(carry_out(waiting, how, store, config, around),))
        case Pair() as order:
            return Finished(learned=carry_out_pair(waiting, order, store, config, around))
        case Share() as order:
            return _share(waiting, order, store, config, around)
        case Improve() as order:
            return _Known(waiting, store, around).improve(order, config)
        case Prune() as order:
            return _Known(waiting, store, around).prune(order)


class _Known:
    """A task that is to get a new version."""

    def __init__(self, waiting: WaitingTask, store: Store, around: Surroundings) -> None:
        self._store, self._around = store, around
        self._entry = around.registry.entry(waiting.task)
        self._pathway, self._source = _as_stored(store, self._entry, around.registry)
        requests = RequestLog(store)
        self._data = requests.data(waiting.request)
        self._held_out: TaskData | None = None
        if HELD_OUT in requests.roles(waiting.request):
            self._held_out = requests.data(waiting.request, HELD_OUT)
        self._version = around.registry.next_version(waiting.task)

    def improve(self, order: Improve, config: ExpansionConfig) -> Finished:
        helpers = [order.source] if order.source else self._shortlist(config)
        return self._finished(
            improve(
                self._pathway,
                self._source,
                self._data,
                self._around.lend(helpers),
                order.how,
                self._version,
                self._around.report,
                self._held_out,
                self._around.device,
            )
        )

    def _shortlist(self, config: ExpansionConfig) -> list[str]:
        snapshot = self._around.snapshot(self._data.signature.key)
        how = LearnConfig(held_out_share=0.0)
        return Routing(self._data, how, config, snapshot).shortlist(without=self._entry.id.task)

    def prune(self, order: Prune) -> Finished:
        return self._finished(
            prune(
                self._pathway,
                self._source,
                self._data,
                order.how,
                self._version,
                self._around.report,
                self._held_out,
                self._around.device,
            )
        )

    def _finished(self, revised: Revised) -> Finished:
        made = (write_version(self._store, stored, self._entry) for stored in revised.pathways)
        return Finished(learned=tuple(made), outcome=revised.summary)


def _share(
    waiting: WaitingTask,
    order: Share,
    store: Store,
    config: ExpansionConfig,
    around: Surroundings,
) -> Finished:
    """A new task and a new version of the one whose units it shares."""
    requests, registry = RequestLog(store), around.registry
    data = requests.data(waiting.request)
    partner = registry.entry(order.partner)
    shared, source = _as_stored(store, partner, registry)
    revised = learn_sharing(
        PathwayId(waiting.task, registry.next_version(waiting.task)),
        data,
        shared,
        source,
        requests.data(waiting.request, SHARED),
        order.learn,
        order.how,
        registry.next_version(order.partner),
        around.report,
        around.device,
    )
    if not revised.pathways:
        return Finished(learned=(), outcome=revised.summary)
    new, version = revised.pathways
    routing = Routing(data, order.learn, config, around.snapshot(data.signature.key))
    learned = write(store, new, routing.statistics()), write_version(store, version, partner)
    return Finished(learned=learned, outcome=revised.summary)


def _as_stored(
    store: Store, entry: PathwayEntry, registry: Registry
) -> tuple[StoredPathway, StoredPathway | None]:
    """A pathway and its source."""
    source = registry.source_of(entry)
    return read_pathway(store, entry), read_pathway(store, source) if source else None


@ray.remote(num_cpus=0)
def reroot_stored(
    store_uri: str, readers: Sequence[PathwayEntry], registry: Registry
) -> list[Learned]:
    """Make versions of pathways that hold a copy of what they read of their source."""
    leave_if_outdated()
    store = Store.open(store_uri)
    return [_rerooted(store, reader, registry) for reader in readers]


def _rerooted(store: Store, reader: PathwayEntry, registry: Registry) -> Learned:
    stored, source = _as_stored(store, reader, registry)
    assert source is not None, f"{reader.id} reads no source"
    made = reroot(stored, source, registry.next_version(reader.id.task))
    return write_version(store, made, reader)
