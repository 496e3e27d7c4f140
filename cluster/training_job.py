"""The Ray Train job that learns waiting tasks, many per job.

A Train job costs some 20 seconds to start, a small task far less: so one job drains the queue
and lingers for more. It runs in a Ray task of its own, so that the controller stays free.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray
import ray.train
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from cluster.bodies import read_pathway
from cluster.config import ExpansionConfig
from cluster.errors import NotResident, SenError, user_message
from cluster.expansion import Surroundings, carry_out
from cluster.messages import NetworkView, WaitingTask
from cluster.slot import GONE
from cluster.store import Store
from dispatcher import DispatcherError, Snapshot
from pathways import PathwaysError, Progress, Source, load_source

_REPORT_EVERY_S = 0.25


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """What a training worker is started with."""

    controller: Any
    store_uri: str
    config: ExpansionConfig


@ray.remote(num_cpus=0, max_retries=0)
def run_training_job(job: TrainingJob, name: str, storage: str) -> None:
    """Run one Train job until the queue is empty; raises if its worker died."""
    config = job.config
    TorchTrainer(
        _worker,
        train_loop_config={"job": job},
        scaling_config=ScalingConfig(
            num_workers=1,
            use_gpu=config.gpus > 0,
            resources_per_worker={"CPU": config.cpus, "GPU": config.gpus},
        ),
        run_config=RunConfig(
            name=name, storage_path=storage, failure_config=FailureConfig(max_failures=0)
        ),
    ).fit()


def _worker(settings: dict[str, Any]) -> None:
    """Take tasks from the controller until it has no more."""
    import torch

    job: TrainingJob = settings["job"]
    torch.set_num_threads(job.config.threads or os.cpu_count() or 1)
    store = Store.open(job.store_uri)
    learned = 0
    while (waiting := ray.get(job.controller.take.remote())) is not None:
        _learn_one(job, store, waiting)
        learned += 1
        ray.train.report({"tasks_learned": learned})


def _learn_one(job: TrainingJob, store: Store, waiting: WaitingTask) -> None:
    """A task that cannot be learned fails alone; the job goes on with the next."""
    around = _surroundings(job, store, waiting)
    try:
        done = carry_out(waiting, store, job.config, around)
        ray.get(job.controller.publish.remote(waiting.request, done))
    except (PathwaysError, DispatcherError, SenError) as error:
        ray.get(job.controller.fail.remote(waiting.request, user_message(error)))


def _surroundings(job: TrainingJob, store: Store, waiting: WaitingTask) -> Surroundings:
    view: NetworkView = ray.get(job.controller.view.remote())
    return Surroundings(
        snapshot=lambda key: _snapshot(view, key),
        lend=lambda tasks: _lend(view, store, tasks),
        report=_Reporter(job.controller, waiting.request),
    )


def _snapshot(view: NetworkView, key: str) -> Snapshot | None:
    reference = view.routers.get(key)
    return None if reference is None else Snapshot.from_arrays(ray.get(reference))


def _lend(view: NetworkView, store: Store, tasks: Sequence[str]) -> list[Source]:
    """Weights of resident pathways from their actors at once, of dormant ones from the store."""
    entries = [view.registry.entry(task) for task in tasks if task not in view.unavailable]
    asked = {
        entry.id: view.placement[entry.id][0].lend.remote(entry.id)
        for entry in entries
        if entry.id in view.placement
    }
    sources = []
    for entry in entries:
        try:
            sources.append(ray.get(asked[entry.id]))
        except (KeyError, NotResident, *GONE):
            sources.append(load_source(read_pathway(store, entry)))
    return sources


class _Reporter:
    """Tells the controller of progress, not more often than anybody can read."""

    def __init__(self, controller: Any, request: str) -> None:
        self._controller = controller
        self._request = request
        self._last = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._last >= _REPORT_EVERY_S or progress.epoch == progress.epochs:
            self._last = now
            self._controller.progress.remote(self._request, progress)
