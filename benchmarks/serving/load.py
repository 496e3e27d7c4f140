"""The load: wrk, a compiled generator, sends prepared requests over loopback."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from benchmarks.serving.models import Served, npy
from pathways import DataError

Traffic = Literal["uniform", "zipf"]

NPY = "application/x-npy"
_ZIPF = 1.1  # exponent: the most wanted of 100 tasks gets a quarter of the requests
_REQUESTS = 2_000  # prepared at least; wrk goes through them again and again
_REQUESTS_A_TASK = 4  # prepared at least, on average
_BODIES = 8  # different ones a task
_SCRIPT = Path(__file__).with_name("load.lua")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What wrk saw."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    failed: int
    """Requests without an answer, or with another status than 2xx."""

    @property
    def rps(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def check_wrk() -> None:
    """Raises DataError if wrk is not installed."""
    if not shutil.which("wrk"):
        raise DataError("this benchmark needs wrk; install it with `make test-deps`")


def prepare(
    folder: Path, served: Served, traffic: Traffic, batch: int, path: Callable[[str], str]
) -> Path:
    """Write bodies and their order; `path` gives a request's path for a task."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    count = max(_REQUESTS, _REQUESTS_A_TASK * len(served.tasks))
    tasks = rng.choice(list(served.tasks), count, p=_shares(len(served.tasks), traffic)).tolist()
    asked = list(zip(tasks, rng.integers(0, _BODIES, count).tolist(), strict=True))
    for task, number in sorted(set(asked)):
        x = served.inputs[task]
        (folder / f"{task}.{number}").write_bytes(npy(x[rng.integers(0, len(x), batch)]))
    lines = (f"{task}.{number} {path(task)}\n" for task, number in asked)
    (folder / "order").write_text("".join(lines), encoding="utf-8")
    return folder


def _shares(tasks: int, traffic: Traffic) -> np.ndarray:
    """How often each task is asked."""
    if traffic == "uniform":
        return np.full(tasks, 1 / tasks)
    weights = 1 / np.arange(1, tasks + 1) ** _ZIPF
    order = np.random.default_rng(1).permutation(tasks)
    return np.asarray((weights / weights.sum())[order])


def run(url: str, folder: Path, connections: int, seconds: int) -> Measured:
    """Load `url` with so many connections at once."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s"]
    command += ["-s", str(_SCRIPT), url, "--", str(folder), NPY]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Measured(**json.loads(done.stdout.strip().splitlines()[-1]))
