"""Every system under every load, with what each request cost."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from benchmarks.serving.load import Measured, Traffic, prepare, run
from benchmarks.serving.models import Served
from benchmarks.serving.systems import Running, System, wait_until_right

CONNECTIONS = (1, 8, 32, 128)
BATCHES = (1, 256)
TRAFFICS: tuple[Traffic, ...] = ("uniform", "zipf")
_WARM_UP_SECONDS = 1


@dataclass(frozen=True, kw_only=True)
class Load:
    """One kind of load."""

    tasks: int
    room: int
    """Models a system may hold at once."""
    traffic: Traffic
    batch: int
    """Images in a request."""
    connections: int


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one system did under one load."""

    system: str
    load: Load
    rps: float
    images_per_s: float
    p50_ms: float
    p99_ms: float
    failed: int
    cpu_ms: float
    """Processor time of all of the system's processes, for a request."""
    memory_bytes: int
    """Proportional set size of all of its processes."""


def loads(tasks: int, room: int, *, is_quick: bool) -> list[Load]:
    """All loads on so many tasks; with room for fewer, only the one that was asked for."""
    if is_quick or room < tasks:
        return [Load(tasks=tasks, room=room, traffic="uniform", batch=1, connections=32)]
    return [
        Load(tasks=tasks, room=room, traffic=traffic, batch=batch, connections=connections)
        for traffic, batch, connections in itertools.product(TRAFFICS, BATCHES, CONNECTIONS)
    ]


def measure(
    systems: Sequence[System],
    served: Served,
    wanted: Sequence[Load],
    seconds: int,
    scratch: Path,
    advance: Callable[[str], None],
) -> Iterator[Row]:
    """Start each system once and put it under every load. Raises TimeoutError."""
    for start, group in itertools.groupby(systems, key=lambda system: system.start):
        alike = list(group)
        with start(served, wanted[0].room) as running:
            for system in alike:
                wait_until_right(running, system, served)
            for load, system in itertools.product(wanted, alike):
                advance(f"{system.title}, c={load.connections}, {load.batch} images")
                folder = scratch / f"{system.name}-{load.tasks}-{load.traffic}-{load.batch}"
                if not folder.exists():
                    prepare(folder, served, load.traffic, load.batch, system.path)
                yield under_load(system.name, load, running, folder, seconds)


def under_load(system: str, load: Load, running: Running, folder: Path, seconds: int) -> Row:
    """Put a running system under a prepared load."""
    run(running.url, folder, load.connections, _WARM_UP_SECONDS)
    processes = running.processes()
    before = _cpu_seconds(processes)
    seen: Measured = run(running.url, folder, load.connections, seconds)
    cpu = _cpu_seconds(processes) - before
    return Row(
        system=system,
        load=load,
        rps=seen.rps,
        images_per_s=seen.rps * load.batch,
        p50_ms=seen.p50_ms,
        p99_ms=seen.p99_ms,
        failed=seen.failed,
        cpu_ms=1e3 * cpu / max(1, seen.requests),
        memory_bytes=_memory_bytes(processes),
    )


def _cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def _memory_bytes(processes: Iterable[psutil.Process]) -> int:
    total = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += process.memory_full_info().pss
    return total


def middle(rows: Sequence[Row]) -> list[Row]:
    """Of the rounds of each system and load, the one with the middle rps."""
    by_what: dict[tuple[str, Load], list[Row]] = {}
    for row in rows:
        by_what.setdefault((row.system, row.load), []).append(row)
    return [_middle(group) for group in by_what.values()]


def _middle(group: Sequence[Row]) -> Row:
    wanted = median(row.rps for row in group)
    return min(group, key=lambda row: abs(row.rps - wanted))
