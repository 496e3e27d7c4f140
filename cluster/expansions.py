"""Expansions as the controller sees them: taken in, kept durable, learned by training jobs.

The queue decides; this class writes to the store, wakes whoever waits for work, and starts a
job whenever tasks wait and none runs. How a job is run is passed in.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence

from cluster.config import ExpansionConfig
from cluster.errors import ExpansionFailed, StoreDamagedError, StoreError, TaskNameTaken
from cluster.messages import ExpansionStatus, NewTask, Stage, WaitingTask
from cluster.meter import ExpansionMeter, NoMeter
from cluster.names import JOBS, parse_request_id, request_id
from cluster.orders import check, is_new, partners
from cluster.queue import ExpansionQueue
from cluster.registry import Registry
from cluster.requests import RequestLog
from cluster.store import Store
from pathways import Progress, check_task_name

logger = logging.getLogger(__name__)

_TELL_EVERY_S = 5.0
_TIDY_EVERY_S = 1.0


class JobLost(Exception):  # noqa: N818 - reads as what happened
    """A training job ended before its queue was empty."""


class Expansions:
    """Every expansion from its acknowledgement to its end. Lives in one event loop."""

    def __init__(
        self,
        store: Store,
        config: ExpansionConfig,
        learned: Iterable[str],
        run_job: Callable[[], Awaitable[None]],
        meter: ExpansionMeter | None = None,
    ) -> None:
        """`learned`: ids of expansions that are in the registry. `run_job` raises JobLost."""
        self._store = store
        self._config = config
        self._learned = frozenset(learned)
        self._run_job = run_job
        self._meter = meter or NoMeter()
        self._requests = RequestLog(store)
        self._queue = ExpansionQueue(config.attempts, config.max_waiting)
        self._sequence = itertools.count(self._last_sequence() + 1)
        self._work = asyncio.Event()
        self._jobs = 0  # that have ended
        self._done: list[str] = []  # learned, and their data are still in the store
        self._submitting = asyncio.Lock()

    def _last_sequence(self) -> int:
        """The highest number any expansion had, so that ids are never used twice."""
        parsed = map(parse_request_id, [*self._learned, *self._requests.ids()])
        return max((p[0] for p in parsed if p), default=0)

    def resume(self) -> None:
        """Queue what was acknowledged; remove what was learned or cut off while it came in."""
        self._remove(JOBS)
        for request in self._requests.ids():
            try:
                waiting = None if request in self._learned else self._requests.waiting(request)
            except StoreDamagedError as error:
                logger.error("expansion %s is passed over: %s", request, error)
                continue
            if waiting is None:
                self._forget(request)
            else:
                self._queue.add(waiting)
        if len(self._queue):
            self._work.set()

    async def submit(self, tasks: Sequence[NewTask], registry: Registry) -> list[str]:
        """Take tasks to learn or to change, in this order, all or none; durable when this returns
        their ids.

        Raises TaskNameTaken, TaskInUse, UnknownTask, QueueFull, DataError, PathwaysError for an
        unusable name, StoreError.
        """
        self._check_names(tasks)
        async with self._submitting:
            self._queue.check_room(len(tasks))
            for task in tasks:
                self._check(task, registry)
            taken = {request_id(next(self._sequence), task.task): task for task in tasks}
            await asyncio.to_thread(self._requests.add, taken)
            for request, task in taken.items():
                waiting = WaitingTask(request=request, task=task.task, config=task.config)
                self._queue.add(waiting)
        self._work.set()
        return list(taken)

    def _check_names(self, tasks: Sequence[NewTask]) -> None:
        named = [name for task in tasks for name in (task.task, *partners(task.config))]
        for name, times in Counter(map(check_task_name, named)).items():
            if times > 1:
                raise TaskNameTaken(f"{times} tasks are called {name!r}; give each its own name")

    def _check(self, task: NewTask, registry: Registry) -> None:
        if is_new(task.config):
            self._queue.check_free(task.task, registry.current)
        else:
            registry.entry(task.task)
            self._queue.check_idle(task.task)
        for partner in partners(task.config):
            self._queue.check_idle(partner)
        check(task.config, task.task, task.by_role, registry)

    def check_idle(self, task: str) -> None:
        """Raises TaskInUse if a version of a task is on its way."""
        self._queue.check_idle(task)

    def status(self, request: str) -> ExpansionStatus:
        """Where an expansion stands; raises ExpansionFailed for an unknown id."""
        return self._queue.status(request)

    def all(self) -> list[ExpansionStatus]:
        """Expansions since the controller started, oldest first."""
        return self._queue.all()

    async def take(self) -> WaitingTask | None:
        """The next task for a worker, which lingers for one; None when it should end.

        A job cannot bring back a worker that has ended: so while one learns, the others linger.
        """
        jobs = self._jobs
        while not len(self._queue):
            self._work.clear()
            try:
                async with asyncio.timeout(self._config.linger_s):
                    await self._work.wait()
            except TimeoutError:
                if not self._queue.learning:
                    return None
            if jobs != self._jobs:
                return None  # the worker's job is over: nobody would learn what it takes
        return self._queue.take()

    def progress(self, request: str, progress: Progress) -> None:
        """A worker reports an epoch."""
        self._queue.progress(request, progress)

    def ended(self, request: str) -> bool:
        """Whether an expansion is over; what is not known any more is."""
        try:
            return self._queue.status(request).ended
        except ExpansionFailed:
            return True

    def learned(
        self, request: str, network_version: int, last: Progress | None, outcome: str | None = None
    ) -> None:
        """The task is in the registry: its data are not needed any more. `last`: of training."""
        if last is not None:
            self._queue.progress(request, last)
        self._queue.learned(request, network_version, outcome)
        self._meter.ended(Stage.LEARNED)
        self._done.append(request)

    async def unchanged(self, request: str, outcome: str | None) -> None:
        """A new version is not worth having: the task stays as it is."""
        self._queue.unchanged(request, outcome)
        self._meter.ended(Stage.UNCHANGED)
        await asyncio.to_thread(self._forget, request)

    def again(self, request: str) -> None:
        """What a worker made cannot be used, as the network has changed: it is made anew."""
        self._queue.again(request)
        self._work.set()

    async def failed(self, request: str, reason: str) -> None:
        """The task cannot be learned."""
        self._queue.failed(request, reason)
        self._meter.ended(Stage.FAILED)
        await asyncio.to_thread(self._forget, request)

    async def run_jobs(self) -> None:
        """Run a training job whenever tasks wait; never returns."""
        while True:
            await self._work.wait()
            await self._run_one_job()
            await asyncio.to_thread(self._remove, JOBS)
            # Workers clear the event when they find the queue empty; a task that was lost is back.
            if self._queue.unfinished:
                self._work.set()
            else:
                self._work.clear()

    async def _run_one_job(self) -> None:
        reason = "its job ended"
        try:
            await self._run_job()
        except JobLost as error:
            reason = str(error)
            logger.error("a training job ended: %s", error)
            lost = True
        else:
            lost = self._queue.learning
        self._jobs += 1
        self._work.set()  # whoever still waits for a task is of the job that is over
        for request in self._queue.workers_lost(reason) if lost else ():
            self._meter.ended(Stage.FAILED)
            await asyncio.to_thread(self._forget, request)

    async def tell_waiting(self) -> None:
        """Tell the meter again and again how many wait, since it forgets; never returns."""
        while True:
            self._meter.waiting(len(self._queue))
            await asyncio.sleep(_TELL_EVERY_S)

    async def tidy(self) -> None:
        """Remove the data of learned tasks, many at a time and not while they are published; a
        crash leaves them to the next start. Never returns."""
        while True:
            done, self._done = self._done, []
            await asyncio.to_thread(self._forget_all, done)
            await asyncio.sleep(_TIDY_EVERY_S)

    def _forget_all(self, requests: Iterable[str]) -> None:
        for request in requests:
            self._forget(request)

    def _forget(self, request: str) -> None:
        """Remove an ended request's data; if that fails, the next start tries again."""
        try:
            self._requests.remove(request)
        except StoreError as error:
            logger.warning("%s", error)

    def _remove(self, directory: str) -> None:
        try:
            self._store.delete_directory(directory)
        except StoreError as error:
            logger.warning("%s", error)
