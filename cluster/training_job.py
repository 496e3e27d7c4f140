"""The Ray Train job that learns waiting tasks, many per job.

A Train job costs some 20 seconds to start, a small task far less: so one job drains the queue
and lingers for more. It runs in a Ray task of its own, so that the controller stays free.

Its workers share nothing but the queue: each takes a task, learns it, publishes it, and takes the
next. They never call `ray.train.report`, at which the workers of a job wait for each other (they
learn different numbers of tasks), and which holds back one that is ahead of Train's polling; they
tell the controller instead.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ray
import torch
from ray import PlacementGroupID
from ray.util.placement_group import PlacementGroup

from cluster.bodies import read_pathway
from cluster.changes import newest
from cluster.code import leave_if_outdated
from cluster.config import ExpansionConfig
from cluster.errors import NotResident, SenError, user_message
from cluster.expansion import Surroundings
from cluster.messages import NetworkView, WaitingTask, Work
from cluster.orders import Pair
from cluster.pair_expansion import halves_of
from cluster.partner import start_partner
from cluster.registry import PathwayEntry
from cluster.revising import carry_out_order
from cluster.slot import GONE
from cluster.snapshots import Snapshots
from cluster.store import Store
from dispatcher import DispatcherError, Snapshot
from pathways import FamilyError, PathwayId, PathwaysError, Progress, Source, load_source
from pathways.device import CPU, choose_device
from pathways.families import is_own
from pathways.pairing import Beside, Partner, Side

logger = logging.getLogger(__name__)

_REPORT_EVERY_S = 0.25


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """What training workers are started with."""

    controller: Any
    store_uri: str
    config: ExpansionConfig


@ray.remote(num_cpus=0, max_retries=0)
def run_training_job(job: TrainingJob, name: str, storage: str) -> None:
    """Run one Train job until the queue is empty; raises if a worker died."""
    leave_if_outdated()
    # Only here: every command that asks the controller loads this module, and Train takes long.
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    config = job.config
    # Not TorchTrainer, which joins the workers into a process group that they have no use for: that
    # takes time, and fails between machines that call themselves 127.0.1.1, as Debian's do, and
    # where torch cannot use a GPU that is reserved.
    DataParallelTrainer(
        _work,
        train_loop_config={"job": job},
        scaling_config=ScalingConfig(
            num_workers=config.workers or default_workers(ray.cluster_resources().get("CPU", 1)),
            use_gpu=config.gpus > 0,
            resources_per_worker={"CPU": config.cpus, "GPU": config.gpus},
        ),
        run_config=RunConfig(
            name=name, storage_path=storage, failure_config=FailureConfig(max_failures=0)
        ),
    ).fit()


def free_what_lost_jobs_hold() -> None:
    """Remove what earlier jobs of the calling actor's network have reserved; none may be running.

    Train sees to that itself only where Ray's dashboard runs. A job whose controller was killed
    would else keep its CPUs, and the next one wait for them for ever.
    """
    own = ray.get_runtime_context().get_job_id()
    for id, group in ray.util.placement_group_table().items():
        if id.endswith(own) and group["state"] != "REMOVED":
            lost = PlacementGroup(PlacementGroupID(bytes.fromhex(id)))
            ray.util.remove_placement_group(lost)


def default_workers(cpus: float) -> int:
    """Training workers of a cluster with so many CPUs."""
    return max(1, int(cpus // 2))


def _work(settings: dict[str, Any]) -> None:
    """Take tasks from the controller until it has no more."""
    from ray.train import get_context

    leave_if_outdated()
    job: TrainingJob = settings["job"]
    here = get_context().get_local_world_size()
    torch.set_num_threads(job.config.threads or max(1, (os.cpu_count() or 1) // here))
    _Worker(job).run()


class _Worker:
    """One training worker: it follows the network from task to task."""

    def __init__(self, job: TrainingJob) -> None:
        self._controller = job.controller
        self._config = job.config
        self._store = Store.open(job.store_uri)
        self._view: NetworkView | None = None
        self._snapshots = Snapshots()
        self._device = choose_device(job.config.gpus)

    def run(self) -> None:
        """Learn tasks until there are no more."""
        while (work := self._take()) is not None:
            self._view = newest(self._view, work.news)
            self._learn(work.waiting, self._view)

    def _take(self) -> Work | None:
        epoch = self._view.epoch if self._view else 0
        return ray.get(self._controller.take.remote(epoch))

    def _learn(self, waiting: WaitingTask, view: NetworkView) -> None:
        """A task that cannot be learned fails alone; the job goes on with the next."""
        report = ProgressTeller(self._controller, waiting.request)
        around = Surroundings(
            snapshot=lambda key: self._snapshot(view, key),
            lend=lambda tasks: _lend(view, self._store, tasks),
            report=report,
            registry=view.registry,
            start_partner=self._start_partner,
            device=self._device,
        )
        threads = torch.get_num_threads()
        try:
            done = carry_out_order(waiting, self._store, self._config, around)
            ray.get(self._controller.publish.remote(waiting.request, done, report.last))
        except (PathwaysError, DispatcherError, SenError) as error:
            ray.get(self._controller.fail.remote(waiting.request, user_message(error)))
        except torch.OutOfMemoryError as error:
            reason = (
                f"the memory of the GPU is too small: {error}; take a smaller model or fewer "
                "examples, or set expansion.gpus to 0 to train on CPUs"
            )
            ray.get(self._controller.fail.remote(waiting.request, reason))
        finally:
            torch.set_num_threads(threads)

    def _start_partner(
        self,
        request: str,
        order: Pair,
        ids: tuple[PathwayId, PathwayId],
        sources: Sequence[Source],
    ) -> Partner:
        """The second side of a pair gets half of this worker's threads; on a GPU it takes turns
        with the first, as only this process has a share of it."""
        if self._device != CPU:
            _, second = halves_of(self._store, request, order, ids)
            return Beside(Side(second, sources, self._device))
        each = max(1, torch.get_num_threads() // 2)
        torch.set_num_threads(each)
        return start_partner(self._store.uri, request, order, ids, sources, each)

    def _snapshot(self, view: NetworkView, key: str) -> Snapshot | None:
        router = view.routers.get(key)
        if router is None:
            return None
        wanted = self._snapshots.to_fetch(key, router)
        return self._snapshots.updated(key, router, None if wanted is None else ray.get(wanted))


def _lend(view: NetworkView, store: Store, tasks: Sequence[str]) -> list[Source]:
    """Weights of resident pathways from their actors at once, of dormant ones from the store.

    Tasks whose target is a number have no classes to link, and lend nothing; nor do those that were
    removed, which a router still lists for a moment, or where it was the last of its signature.
    """
    there = [task for task in tasks if task in view.registry.current]
    known = [view.registry.entry(task) for task in there if task not in view.unavailable]
    entries = [entry for entry in known if entry.spec.output == "classes"]
    asked = {
        entry.id: view.placement[entry.id][0].lend.remote(entry.id)
        for entry in entries
        # A module of a user's own may not bear the way between processes.
        if entry.id in view.placement and not is_own(entry.spec.family)
    }
    sources = []
    for entry in entries:
        try:
            sources.append(ray.get(asked[entry.id]))
        except (KeyError, NotResident, *GONE):
            sources += _from_store(store, entry)
    return sources


def _from_store(store: Store, entry: PathwayEntry) -> list[Source]:
    """None if its module cannot be made here: other tasks can be learned without it."""
    try:
        return [load_source(read_pathway(store, entry))]
    except FamilyError as error:
        logger.warning("%s is not asked what it could lend: %s", entry.id, error)
        return []


class ProgressTeller:
    """Tells the controller of progress, not more often than anybody can read: of a task that is
    learned in a moment nothing but `last`, which goes along when it is published."""

    def __init__(
        self, controller: Any, request: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._controller = controller
        self._request = request
        self._clock = clock
        self._told = clock()
        self.last: Progress | None = None
        """After the newest epoch."""

    def __call__(self, progress: Progress) -> None:
        self.last = progress
        now = self._clock()
        if now - self._told >= _REPORT_EVERY_S:
            self._told = now
            self._controller.progress.remote(self._request, progress)
