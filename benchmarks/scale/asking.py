"""Asking a served network over HTTP: under load, and whether it is right."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.serving.load import NPY, prepare
from benchmarks.serving.measure import TRAFFICS, Load, Row, under_load
from benchmarks.serving.models import Served, npy
from benchmarks.serving.systems import Running
from pathways.simulated import KINDS, SimulatedTask, SimulatedTasks

CONNECTIONS = 32
_ROUNDS = 6  # in which all tasks are asked, so that every replica has met each
_ROWS = 256
_THREADS = 4
_START_S = 300.0


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Answers to held-out inputs of some tasks, none of them told."""

    tasks: int
    inputs: int
    right: float
    """Share with the right label; no two tasks share one."""
    right_task: float
    """Share whose first pathway is the right task's."""
    unknown: float
    """Share said to be unlike everything learned."""
    active_share: float
    """Share of all weights that an answer used, on average."""
    pathways: float
    """Pathways that an answer used, on average."""


def path_of(task: SimulatedTask) -> str:
    """Path of a request for an input of this task; nothing in it tells which task."""
    rate_hz = task.origin.kind.signature.rate_hz
    return "/v1/predict" + (f"?rate_hz={rate_hz}" if rate_hz else "")


def until_right(running: Running, task: SimulatedTask, started: float) -> float:
    """Seconds since `started` (monotonic) at the first right answer; raises TimeoutError."""
    test = task.test
    with httpx.Client(base_url=running.url, timeout=30) as http:
        while time.monotonic() < started + _START_S:
            try:
                given = _ask(http, path_of(task), test.x)
            except httpx.HTTPError:
                time.sleep(0.2)
                continue
            right = [p["label"] == test.labels[y] for p, y in zip(given, test.y, strict=True)]
            if np.mean(right) > 0.5:
                return time.monotonic() - started
            time.sleep(0.2)
    raise TimeoutError(f"no right answer within {_START_S:.0f} s of the start")


def ask(running: Running, tasks: Sequence[SimulatedTask]) -> Asked:
    """Ask all test inputs of these tasks, a task a request."""
    rows: list[tuple[bool, bool, bool, float, int]] = []
    with httpx.Client(base_url=running.url, timeout=60) as http:
        for task in tasks:
            test = task.test
            for given, y in zip(_ask(http, path_of(task), test.x), test.y, strict=True):
                used = [part["pathway"].split("@")[0] for part in given["pathways"]]
                rows.append(
                    (
                        given["label"] == test.labels[y],
                        used[:1] == [task.name],
                        given["unknown"],
                        given["active_share"],
                        len(used),
                    )
                )
    right, right_task, unknown, share, pathways = np.mean(np.array(rows, dtype=float), axis=0)
    return Asked(
        tasks=len(tasks),
        inputs=len(rows),
        right=float(right),
        right_task=float(right_task),
        unknown=float(unknown),
        active_share=float(share),
        pathways=float(pathways),
    )


def warm_up(running: Running, tasks: SimulatedTasks) -> None:
    """Ask every task several times, many in a request."""
    bodies = []
    for kind in KINDS:
        alike = [task for task in tasks if task.origin.kind is kind]
        for start in range(0, len(alike), _ROWS):
            few = alike[start : start + _ROWS]
            bodies.append((path_of(few[0]), np.stack([task.test.x[0] for task in few])))
    with (
        httpx.Client(base_url=running.url, timeout=120) as http,
        ThreadPoolExecutor(_THREADS) as pool,
    ):
        list(pool.map(lambda body: _ask(http, *body), bodies * _ROUNDS))


def loads(
    running: Running, served: Served, tasks: SimulatedTasks, room: int, seconds: int, scratch: Path
) -> list[Row]:
    """Uniform and Zipf traffic, one input a request."""
    paths = {task.name: path_of(task) for task in tasks}
    rows = []
    for traffic in TRAFFICS:
        folder = scratch / f"{len(tasks)}-{traffic}"
        if not folder.exists():
            prepare(folder, served, traffic, 1, paths.__getitem__)
        load = Load(tasks=len(tasks), room=room, traffic=traffic, batch=1, connections=CONNECTIONS)
        rows.append(under_load("sen", load, running, folder, seconds))
    return rows


def _ask(http: httpx.Client, path: str, x: np.ndarray) -> list[dict[str, Any]]:
    reply = http.post(path, content=npy(x), headers={"content-type": NPY})
    reply.raise_for_status()
    return list(reply.json()["predictions"])
