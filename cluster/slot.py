"""A slot: the process in which pathways are resident and run.

`Slot` is the plain class; `start_slot` puts it into a Ray actor. A slot runs one call at a time,
in the order in which they come in: whatever asks for a pathway before it is told to unload it is
still answered by it.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import ray
import torch
from numpy.typing import NDArray
from ray.exceptions import ActorUnschedulableError, RayActorError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.bodies import Bodies
from cluster.code import LOADED, leave_if_outdated
from cluster.config import SlotConfig
from cluster.errors import NotResident
from cluster.names import NAMESPACE, slot_actor_name
from cluster.places import Seat
from cluster.registry import PathwayEntry
from cluster.store import Store
from pathways import FrozenPathway, Inputs, PathwayId, Source, run_together
from pathways.device import CPU, choose_device
from pathways.frozen import ProbeResult

logger = logging.getLogger(__name__)

GONE = (RayActorError, ActorUnschedulableError)
"""What Ray raises where a slot's process has ended, or its node with it."""


class Slot:
    """Resident pathways of one process."""

    def __init__(
        self,
        store_uri: str,
        clock: Callable[[], float] = time.monotonic,
        device: torch.device = CPU,
    ) -> None:
        self._bodies = Bodies(Store.open(store_uri), device)
        self._clock = clock
        self._resident: dict[PathwayId, FrozenPathway] = {}
        self._awaited: dict[PathwayId, float] = {}
        # Pathways that were woken for a caller and have not run yet → until when they stay.

    def load(
        self,
        entry: PathwayEntry,
        source: PathwayEntry | None,
        evict: PathwayId | None = None,
        stay_s: float = 0.0,
    ) -> bool:
        """Make a pathway resident, in the place of `evict`; its source's body is loaded beside it.

        stay_s: it is not evicted before it has run, for so long at most. False, and nothing
        changes, if that holds for `evict`. Raises WeightsError or StoreDamagedError if its files
        are damaged.
        """
        if evict is not None:
            if self._awaited.get(evict, 0.0) > self._clock():
                return False
            self.unload(evict)
        self._resident[entry.id] = self._bodies.load(entry, source)
        if stay_s:
            self._awaited[entry.id] = self._clock() + stay_s
        return True

    def unload(self, pathway: PathwayId) -> None:
        """Make a pathway dormant."""
        self._resident.pop(pathway, None)
        self._awaited.pop(pathway, None)

    def resident(self) -> list[PathwayId]:
        """The pathways loaded now."""
        return sorted(self._resident)

    def weight_bytes(self) -> int:
        """Memory of all weights here; a body that several pathways read counts once."""
        tensors = (t for pathway in self._resident.values() for t in pathway.tensors())
        return sum({t.data_ptr(): t.nbytes for t in tensors}.values())

    def run(self, groups: Sequence[tuple[PathwayId, Inputs]]) -> list[NDArray[np.float32] | None]:
        """Class probabilities for each group of inputs, one a pathway, all in one call; None where
        the pathway was unloaded meanwhile."""
        here = {pathway: x for pathway, x in groups if pathway in self._resident}
        given = run_together([(self._resident[pathway], x) for pathway, x in here.items()])
        for pathway in here:
            self._awaited.pop(pathway, None)
        results = dict(zip(here, given, strict=True))
        return [results.get(pathway) for pathway, _ in groups]

    def verify(self, pathway: PathwayId) -> ProbeResult:
        """Run a resident pathway's probes."""
        return self._get(pathway).verify()

    def lend(self, pathway: PathwayId) -> Source:
        """Hand a resident pathway's frozen weights over a transfer link."""
        return self._get(pathway).as_source().to(CPU)

    def code(self) -> str:
        """The code that this slot runs, as `cluster.code` names it."""
        return LOADED

    def process_id(self) -> int:
        """The process this slot runs in."""
        return os.getpid()

    def whereabouts(self) -> tuple[str, frozenset[int]]:
        """The node this slot runs on and the CPU cores it may use."""
        return ray.get_runtime_context().get_node_id(), frozenset(available_cores())

    def _get(self, pathway: PathwayId) -> FrozenPathway:
        found = self._resident.get(pathway)
        if found is None:
            raise NotResident(f"{pathway} is not resident in this slot")
        return found


class SlotActor(Slot):
    """A slot as an actor: a process that keeps to its share of the node."""

    def __init__(self, store_uri: str, seat: int, cpus: float, gpus: float) -> None:
        leave_if_outdated()
        torch.set_num_threads(max(1, int(cpus)))
        if cores := cores_of(seat, cpus, available_cores()):
            keep_to(cores)
        super().__init__(store_uri, device=choose_device(gpus))


def available_cores() -> list[int]:
    """The CPU cores that this process may use; none where the system cannot tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def cores_of(seat: int, cpus: float, available: Sequence[int]) -> frozenset[int]:
    """The cores of a node's slot of that number; none where slots share cores."""
    wide = int(cpus)
    if wide < 1 or not available:
        return frozenset()
    return frozenset(available[(seat * wide + n) % len(available)] for n in range(wide))


def keep_to(cores: frozenset[int]) -> None:
    """Bind every thread of this process to these cores; threads made later inherit it."""
    for thread in map(int, os.listdir("/proc/self/task")):  # noqa: PTH208 - no paths, numbers
        try:
            os.sched_setaffinity(thread, cores)
        except ProcessLookupError:
            logger.debug("thread %d has ended meanwhile", thread)


def start_slot(seat: Seat, config: SlotConfig, store_uri: str, *, on_gpus: bool) -> Any:
    """Put a slot into an actor of its own, on the node of its seat and nowhere else.

    on_gpus: whether it reserves what `slots.gpus` says; without, it computes on the CPU.

    The actor outlives the controller, which finds it again by name; if its process dies, Ray
    starts it anew, empty. It does not survive its node. If others use up what it should reserve
    there, calls fail at once with ActorUnschedulableError: a slot that waited for room would keep
    callers waiting.
    """
    gpus = config.gpus if on_gpus else 0.0
    where = NodeAffinitySchedulingStrategy(seat.node, soft=False, _fail_on_unavailable=True)
    return (
        ray.remote(SlotActor)
        .options(
            name=slot_actor_name(seat),
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            num_cpus=config.cpus,
            num_gpus=gpus,
            memory=1,  # Ray heeds no node where an actor reserves nothing at all
            max_restarts=-1,
            scheduling_strategy=where,
        )
        .remote(store_uri, seat.number, config.cpus, gpus)
    )


async def stop_slot(handle: Any) -> None:
    """End a slot's actor once it has answered what it was asked."""
    try:
        await handle.resident.remote()
    except GONE as error:
        logger.info("a slot ended before it was stopped: %s", error)
    ray.kill(handle, no_restart=True)
