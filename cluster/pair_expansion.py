"""One expansion of two tasks that are learned together, as a training worker carries it out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cluster.config import ExpansionConfig
from cluster.expansion import Surroundings, prepare, write
from cluster.messages import Learned, WaitingTask
from cluster.requests import RequestLog
from cluster.store import Store
from pathways import Source
from pathways.pairing import Partner, Side, learn_together

StartPartner = Callable[[Sequence[Source]], Partner]
"""Start the second side, which may learn from these sources."""


def carry_out_pair(
    waiting: WaitingTask,
    store: Store,
    config: ExpansionConfig,
    around: Surroundings,
    start: StartPartner,
) -> tuple[Learned, Learned]:
    """Learn a waiting pair of tasks and write their files; publishing them is the controller's.

    Raises as `carry_out` does.
    """
    halves = RequestLog(store).pair(waiting.request).halves()
    # Both before either trains: the router learns from a task's labels alone, as always.
    first, second = (prepare(half.data, half.config, config, around) for half in halves)
    partner = start(second.sources)
    stored = learn_together(Side(halves[0], first.sources), partner, around.report)
    return write(store, stored[0], first.statistics), write(store, stored[1], second.statistics)
