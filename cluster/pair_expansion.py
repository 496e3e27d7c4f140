"""One expansion of two tasks that are learned together, as a training worker carries it out."""

from __future__ import annotations

from cluster.config import ExpansionConfig
from cluster.expansion import Surroundings, prepare, write
from cluster.messages import Learned, WaitingTask
from cluster.orders import Pair
from cluster.requests import RequestLog
from cluster.store import Store
from pathways import PathwayId
from pathways.pairing import Half, Side, halves, learn_together


def carry_out_pair(
    waiting: WaitingTask,
    order: Pair,
    store: Store,
    config: ExpansionConfig,
    around: Surroundings,
) -> tuple[Learned, Learned]:
    """Learn a waiting pair of tasks and write their files; publishing them is the controller's.

    Raises as `carry_out` does.
    """
    registry, names = around.registry, (waiting.task, order.partner)
    ids = [PathwayId(name, registry.next_version(name)) for name in names]
    both = halves_of(store, waiting.request, order, (ids[0], ids[1]))
    # Both before either trains: the router learns from a task's labels alone, as always.
    first, second = (prepare(half.data, half.config, config, around) for half in both)
    partner = around.start_partner(waiting.request, order, (ids[0], ids[1]), second.sources)
    side = Side(both[0], first.sources, around.device)
    stored = learn_together(side, partner, around.report)
    return write(store, stored[0], first.statistics), write(store, stored[1], second.statistics)


def halves_of(
    store: Store, request: str, order: Pair, ids: tuple[PathwayId, PathwayId]
) -> tuple[Half, Half]:
    """Both sides of a waiting pair; raises StoreDamagedError or DataError."""
    data = RequestLog(store).paired(request)
    return halves(ids, data, (order.first, order.second), order.pairing)
