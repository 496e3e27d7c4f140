"""The second pathway of a pair: trained in an actor of its own, beside the worker that trains the
first, with which it exchanges predictions once an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ray
import torch

from cluster.orders import Pair
from cluster.pair_expansion import halves_of
from cluster.store import Store
from pathways import PathwayId, Source, StoredPathway
from pathways.pairing import Predictions, Side, Turn


class PartnerSide:
    """One side of a pair, from the request in the store; wrapped into an actor."""

    def __init__(
        self,
        store_uri: str,
        request: str,
        order: Pair,
        ids: tuple[PathwayId, PathwayId],
        sources: Sequence[Source],
    ) -> None:
        self._store_uri = store_uri
        self._of = (request, order, ids)
        self._sources = sources
        self._side: Side | None = None

    def turn(self, theirs: Predictions | None, threads: int) -> Turn:
        """See Side.turn. Raises what Side raises, at the first turn: what an actor raises where it
        is made cannot be told from a lost process."""
        torch.set_num_threads(threads)
        if self._side is None:
            _, second = halves_of(Store.open(self._store_uri), *self._of)
            self._side = Side(second, self._sources)
        return self._side.turn(theirs)

    def finish(self) -> StoredPathway:
        """See Side.finish."""
        assert self._side is not None, "a pathway was frozen before it was trained"
        return self._side.finish()


class RemotePartner:
    """The other side, as learn_together asks it."""

    def __init__(self, actor: Any, threads: int) -> None:
        self._actor = actor
        self._threads = threads
        self._turn: Any = None

    def begin(self, theirs: Predictions | None) -> None:
        """Start its next turn, in its own process."""
        self._turn = self._actor.turn.remote(theirs, self._threads)

    def end(self) -> Turn:
        """What came of it; raises what it raised, or RayActorError if its process was lost."""
        return ray.get(self._turn)

    def finish(self) -> StoredPathway:
        """Its frozen pathway; then its process ends."""
        stored = ray.get(self._actor.finish.remote())
        ray.kill(self._actor)
        return stored


def start_partner(
    store_uri: str,
    request: str,
    order: Pair,
    ids: tuple[PathwayId, PathwayId],
    sources: Sequence[Source],
    threads: int,
) -> RemotePartner:
    """Start the other side's process; it ends with the caller's at the latest."""
    # It reserves nothing: on a cluster whose CPUs the training job holds it would wait for them
    # while the job waits for it. It computes on the share of the job's threads that it is told.
    options = {"num_cpus": 0, "scheduling_strategy": "SPREAD"}
    made = ray.remote(PartnerSide).options(**options)
    actor = made.remote(store_uri, request, order, ids, list(sources))
    return RemotePartner(actor, threads)
