"""Runs jobs on several processes, shows how far they are, and keeps every finished one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.paper.chain import SYSTEM_TITLES, Step
from benchmarks.paper.jobs import Job, heaviest_first, read_record, write_record
from benchmarks.paper.record import Record
from benchmarks.paper.tasks import TITLES
from benchmarks.paper.worker import Failure, Load, Work, Worker, run_job


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Where and how jobs run."""

    load: Load
    out: Path
    workers: int
    """Processes, of one thread each."""
    console: Console
    work: Work = run_job

    def run(self, jobs: Sequence[Job]) -> list[Failure]:
        """Run what has no kept result yet; gives the jobs that failed, all others are kept.

        On KeyboardInterrupt the processes end at once and what was finished stays.
        """
        waiting = deque(heaviest_first(job for job in jobs if not self._is_kept(job)))
        if done := len(jobs) - len(waiting):
            self.console.print(f"{done} of {len(jobs)} runs are already in {self.out}")
        if not waiting:
            return []
        with _bars(self.console) as bars:
            overall = bars.add_task("all runs", total=len(jobs), completed=done, remark="")
            seats = [_Seat(self, bars) for _ in range(min(self.workers, len(waiting)))]
            try:
                return self._work_off(waiting, seats, lambda: bars.advance(overall))
            finally:
                for seat in seats:
                    seat.worker.end()

    def _is_kept(self, job: Job) -> bool:
        path = job.path(self.out)
        if read_record(path):
            return True
        if path.exists():
            self.console.print(f"{path.name} is damaged; {job} runs again")
        return False

    def _work_off(
        self, waiting: deque[Job], seats: Sequence[_Seat], count: Callable[[], None]
    ) -> list[Failure]:
        failures: list[Failure] = []
        free = list(seats)
        busy: list[_Seat] = []
        while waiting or busy:
            while waiting and free:
                seat = free.pop()
                seat.worker.give(waiting.popleft())
                busy.append(seat)
            ready = wait([seat.worker.connection for seat in busy])
            for seat in [seat for seat in busy if seat.worker.connection in ready]:
                message = seat.worker.receive()
                if isinstance(message, Step):
                    seat.show(message)
                    continue
                self._keep(seat.job, message)
                if isinstance(message, Failure):
                    failures.append(message)
                count()
                busy.remove(seat)
                free.append(seat.rested())
        return failures

    def _keep(self, job: Job, result: Record | Failure) -> None:
        if isinstance(result, Failure):
            said = f"[red]{job} failed:[/red] {escape(result.reason)}"
            self.console.print(said, highlight=False)
            return
        write_record(result, job.path(self.out))
        seconds = sum(result.seconds.values())
        self.console.print(f"{job}: done, {seconds:.0f} s to learn the tasks in full")


class _Seat:
    """A place for a worker, with a line that says what it does."""

    def __init__(self, runner: Runner, bars: Progress) -> None:
        self._runner = runner
        self._bars = bars
        self._line = bars.add_task("", total=None, remark="starting")
        self.worker = Worker(runner.load, runner.work)

    @property
    def job(self) -> Job:
        """What the worker was given last."""
        assert self.worker.job is not None
        return self.worker.job

    def show(self, step: Step) -> None:
        """Tell how far the job is."""
        shots = "" if step.shots is None else f", {step.shots} shots"
        self._bars.update(
            self._line,
            description=f"{SYSTEM_TITLES[self.job.system]}, seed {self.job.seed}",
            total=step.progress.epochs,
            completed=step.progress.epoch,
            remark=f"{self.job.profile.name}: {TITLES.get(step.task, step.task)}{shots}, "
            f"accuracy {100 * step.progress.accuracy:.1f} %",
        )

    def rested(self) -> _Seat:
        """The seat with a worker that can take a job: the same, or a new one if it died."""
        if not self.worker.alive:
            self.worker.end()
            self.worker = Worker(self._runner.load, self._runner.work)
        self._bars.update(self._line, description="", total=None, remark="idle")
        return self


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("[bold]{task.description:<20}"),
        BarColumn(bar_width=12),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[remark]}"),
        console=console,
    )
