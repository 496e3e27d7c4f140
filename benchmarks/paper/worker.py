"""The process that runs jobs, one after the other, and the end of the pipe that gives them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

import torch

from benchmarks.paper.chain import Data, Step, run_chain
from benchmarks.paper.jobs import Job
from benchmarks.paper.record import Record

Load = Callable[[], Data]
"""Makes the data every job is given; travels to a process, as Work does."""

Work = Callable[[Job, Data, Callable[[Step], None]], Record]
"""Runs a job on data and reports steps; a module's function, as it travels to a process."""

_SPAWN = multiprocessing.get_context("spawn")  # a forked torch may hang on its parent's threads
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Failure:
    """A job that raised, or took its process with it."""

    job: Job
    reason: str


def run_job(job: Job, data: Data, report: Callable[[Step], None]) -> Record:
    """The work of the benchmark."""
    return run_chain(job.profile, job.system, job.seed, data, report)


class Worker:
    """A process with one thread; `connection` gives a job's Steps, then its Record or Failure."""

    def __init__(self, load: Load, work: Work) -> None:
        self.connection, theirs = _SPAWN.Pipe()
        self.job: Job | None = None
        self._process = _SPAWN.Process(target=_serve, args=(theirs, load, work), daemon=True)
        with _one_thread():
            self._process.start()
        theirs.close()  # so that the pipe ends when the process does

    def give(self, job: Job) -> None:
        """Start a job; the one before must have ended."""
        self.job = job
        self.connection.send(job)

    def receive(self) -> Step | Record | Failure:
        """The next message; a Failure if the process ended in the middle of the job."""
        assert self.job is not None
        try:
            message: Step | Record | Failure = self.connection.recv()
        except (EOFError, ConnectionError):
            self._process.join(_PATIENCE_SECONDS)
            reason = f"its process ended with exit code {self._process.exitcode}"
            return Failure(self.job, reason)
        return message

    @property
    def alive(self) -> bool:
        """Whether it can take another job."""
        return self._process.is_alive()

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.terminate()
        self._process.join(_PATIENCE_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self.connection.close()


def _serve(connection: Connection, load: Load, work: Work) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    torch.set_num_threads(1)
    data = load()
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        try:
            made = work(job, data, connection.send)
            result: Record | Failure = Record.from_json(made.to_json())  # what cannot be kept fails
        except Exception:
            result = Failure(job, traceback.format_exc())
        connection.send(result)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes started inside compute on one thread, so that figures depend on no number of
    cores; the libraries read this when they are imported."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
