"""The queue of expansions: which waits, which is being learned, how each ended. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cluster.errors import ExpansionFailed, QueueFull, TaskNameTaken
from cluster.messages import ExpansionStatus, Stage, WaitingTask
from pathways import Progress


class ExpansionQueue:
    """Expansions in order of arrival, one learned at a time."""

    def __init__(self, attempts: int, max_waiting: int) -> None:
        self._attempts = attempts
        self._max_waiting = max_waiting
        self._waiting: list[WaitingTask] = []
        self._running: WaitingTask | None = None
        self._tries: dict[str, int] = {}
        self._status: dict[str, ExpansionStatus] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def unfinished(self) -> bool:
        """Whether any task waits or is being learned."""
        return bool(self._waiting or self._running)

    def check_room(self) -> None:
        """Raises QueueFull if no further task may wait."""
        if len(self._waiting) >= self._max_waiting:
            raise QueueFull(
                f"{len(self._waiting)} tasks wait to be learned, which is the limit; try again "
                "when some are learned, or raise expansion.max_waiting"
            )

    def check_free(self, task: str, learned: Iterable[str]) -> None:
        """Raises TaskNameTaken if `task` was learned or is on its way."""
        if task in learned:
            raise TaskNameTaken(f"task {task!r} is learned already; choose another name")
        for status in self._status.values():
            if status.task == task and not status.ended:
                raise TaskNameTaken(
                    f"task {task!r} is {status.stage} already (expansion {status.request})"
                )

    def add(self, waiting: WaitingTask) -> None:
        """A task was acknowledged."""
        self._waiting.append(waiting)
        self._status[waiting.request] = ExpansionStatus(
            request=waiting.request, task=waiting.task, stage=Stage.WAITING
        )

    def take(self) -> WaitingTask | None:
        """The next task to learn, or None."""
        assert self._running is None, "a worker asks for a task while another is being learned"
        if not self._waiting:
            return None
        self._running = self._waiting.pop(0)
        request = self._running.request
        self._tries[request] = self._tries.get(request, 0) + 1
        self._change(request, stage=Stage.LEARNING)
        return self._running

    def progress(self, request: str, progress: Progress) -> None:
        """The worker reports an epoch; late reports, of a task it has no more, are ignored."""
        if self.status(request).stage is Stage.LEARNING:
            self._change(
                request,
                epoch=progress.epoch,
                epochs=progress.epochs,
                loss=progress.loss,
                accuracy=progress.accuracy,
            )

    def learned(self, request: str, network_version: int) -> None:
        """The task is in the registry."""
        self._end(request)
        self._change(request, stage=Stage.LEARNED, network_version=network_version)

    def failed(self, request: str, reason: str) -> None:
        """The task cannot be learned."""
        self._end(request)
        self._change(request, stage=Stage.FAILED, error=reason)

    def worker_lost(self, reason: str) -> str | None:
        """The worker died, or could not start: its task waits again, or fails in the end.

        Returns the request that failed for good, if one did.
        """
        lost = self._running or self._never_taken()
        if lost is None:
            return None
        if self._running:
            self._waiting.insert(0, lost)
            self._running = None
        if self._tries[lost.request] < self._attempts:
            self._change(lost.request, stage=Stage.WAITING, epoch=0)
            return None
        times = self._tries[lost.request]
        self.failed(lost.request, f"the worker for {lost.task!r} died {times} times: {reason}")
        return lost.request

    def _never_taken(self) -> WaitingTask | None:
        """The first waiting task, which a worker that could not even start was to learn."""
        if not self._waiting:
            return None
        first = self._waiting[0]
        self._tries[first.request] = self._tries.get(first.request, 0) + 1
        return first

    def status(self, request: str) -> ExpansionStatus:
        """Where an expansion stands; raises ExpansionFailed for an unknown id."""
        if request not in self._status:
            raise ExpansionFailed(f"no expansion has id {request!r}")
        return self._status[request]

    def all(self) -> list[ExpansionStatus]:
        """Every expansion since the controller started, oldest first."""
        return list(self._status.values())

    def _end(self, request: str) -> None:
        if self._running and self._running.request == request:
            self._running = None
        # A worker thought lost may end its task after all: it must not be learned twice.
        self._waiting = [w for w in self._waiting if w.request != request]

    def _change(self, request: str, **fields: object) -> None:
        self._status[request] = replace(self._status[request], **fields)  # type: ignore[arg-type]
