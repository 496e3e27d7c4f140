"""The queue of expansions: which waits, which are being learned, how each ended. Pure.

Every step costs the same however many wait or have ended.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Container
from dataclasses import replace

from cluster.errors import ExpansionFailed, QueueFull, TaskInUse, TaskNameTaken
from cluster.messages import ExpansionStatus, Stage, WaitingTask
from pathways import Progress

KEPT_ENDED = 2000
"""Expansions that are remembered after their end; older ones are told from the registry."""


class ExpansionQueue:
    """Expansions in order of arrival; every worker learns one at a time."""

    def __init__(self, attempts: int, max_waiting: int, kept_ended: int = KEPT_ENDED) -> None:
        self._attempts = attempts
        self._max_waiting = max_waiting
        self._kept_ended = kept_ended
        self._waiting: OrderedDict[str, WaitingTask] = OrderedDict()  # by request, next first
        self._running: dict[str, WaitingTask] = {}  # by request, in the order of being taken
        self._tries: dict[str, int] = {}
        self._request_of: dict[str, str] = {}  # of every task that has not ended
        self._status: dict[str, ExpansionStatus] = {}
        self._ended: deque[str] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def learning(self) -> bool:
        """Whether any task is being learned."""
        return bool(self._running)

    @property
    def unfinished(self) -> bool:
        """Whether any task waits or is being learned."""
        return bool(self._waiting or self._running)

    def check_room(self, tasks: int = 1) -> None:
        """Raises QueueFull if not so many further tasks may wait."""
        if len(self._waiting) + tasks > self._max_waiting:
            raise QueueFull(
                f"{len(self._waiting)} tasks wait to be learned and {self._max_waiting} may, which "
                f"leaves no room for {tasks} more; try again when some are learned, or raise "
                "expansion.max_waiting"
            )

    def check_free(self, task: str, learned: Container[str]) -> None:
        """Raises TaskNameTaken if `task` was learned or is on its way."""
        if task in learned:
            raise TaskNameTaken(f"task {task!r} is learned already; choose another name")
        if request := self._request_of.get(task):
            stage = self._status[request].stage
            raise TaskNameTaken(f"task {task!r} is {stage} already (expansion {request})")

    def check_idle(self, task: str) -> None:
        """Raises TaskInUse if a version of `task` is on its way."""
        if request := self._request_of.get(task):
            raise TaskInUse(
                f"task {task!r} is being changed (expansion {request}, "
                f"{self._status[request].stage}); wait for its end"
            )

    def add(self, waiting: WaitingTask) -> None:
        """A task was acknowledged."""
        self._waiting[waiting.request] = waiting
        self._request_of.update(dict.fromkeys(waiting.tasks, waiting.request))
        self._status[waiting.request] = ExpansionStatus(
            request=waiting.request, task=waiting.task, stage=Stage.WAITING
        )

    def take(self) -> WaitingTask | None:
        """The next task to learn, or None. Each taker is given its own."""
        if not self._waiting:
            return None
        request, taken = self._waiting.popitem(last=False)
        self._running[request] = taken
        self._tries[request] = self._tries.get(request, 0) + 1
        self._change(request, stage=Stage.LEARNING)
        return taken

    def progress(self, request: str, progress: Progress) -> None:
        """The worker reports an epoch; late reports, of a task it has no more, are ignored."""
        status = self._status.get(request)
        if status is not None and status.stage is Stage.LEARNING:
            self._change(
                request,
                epoch=progress.epoch,
                epochs=progress.epochs,
                unit=progress.unit,
                loss=progress.loss,
                accuracy=progress.accuracy,
            )

    def learned(self, request: str, network_version: int, outcome: str | None = None) -> None:
        """The task is in the registry."""
        self._end(request, stage=Stage.LEARNED, network_version=network_version, outcome=outcome)

    def unchanged(self, request: str, outcome: str | None) -> None:
        """The task stays as it is."""
        self._end(request, stage=Stage.UNCHANGED, outcome=outcome)

    def again(self, request: str) -> None:
        """What a worker made cannot be used: its task waits again, before all others."""
        if (task := self._running.pop(request, None)) is not None:
            self._waiting[request] = task
            self._waiting.move_to_end(request, last=False)
            self._change(request, stage=Stage.WAITING, epoch=0)

    def failed(self, request: str, reason: str) -> None:
        """The task cannot be learned."""
        self._end(request, stage=Stage.FAILED, error=reason)

    def workers_lost(self, reason: str) -> list[str]:
        """The job's workers died, or could not start: their tasks wait again, before all others,
        or fail in the end.

        Returns the requests that failed for good.
        """
        lost = list(self._running.values()) or self._never_taken()
        self._running.clear()
        for task in reversed(lost):
            self._waiting[task.request] = task
            self._waiting.move_to_end(task.request, last=False)
            self._change(task.request, stage=Stage.WAITING, epoch=0)
        given_up = [task for task in lost if self._tries[task.request] >= self._attempts]
        for task in given_up:
            times = self._tries[task.request]
            self.failed(task.request, f"the worker for {task.task!r} died {times} times: {reason}")
        return [task.request for task in given_up]

    def _never_taken(self) -> list[WaitingTask]:
        """The first waiting task, which a worker that could not even start was to learn."""
        first = next(iter(self._waiting.values()), None)
        if first is None:
            return []
        self._tries[first.request] = self._tries.get(first.request, 0) + 1
        return [first]

    def status(self, request: str) -> ExpansionStatus:
        """Where an expansion stands; raises ExpansionFailed for an id that is not known (any
        more)."""
        if request not in self._status:
            raise ExpansionFailed(
                f"no expansion has id {request!r}, or it ended long ago; the newest "
                f"{self._kept_ended:,} that ended are remembered"
            )
        return self._status[request]

    def all(self) -> list[ExpansionStatus]:
        """Expansions since the controller started that have not ended or were the last to end,
        oldest first."""
        return list(self._status.values())

    def _end(self, request: str, **fields: object) -> None:
        # A worker thought lost may end its task after all: it must not be learned twice.
        ended = self._running.pop(request, None) or self._waiting.pop(request, None)
        self._tries.pop(request, None)
        for task in ended.tasks if ended else ():
            self._request_of.pop(task, None)
        self._change(request, **fields)
        self._ended.append(request)
        if len(self._ended) > self._kept_ended:
            del self._status[self._ended.popleft()]

    def _change(self, request: str, **fields: object) -> None:
        self._status[request] = replace(self._status[request], **fields)  # type: ignore[arg-type]
