"""Traffic over many tasks: a few are wanted most, which ones changes, and the day goes round.

Popularity follows Zipf's law. It drifts: now and then tasks trade places in it. Tasks belong to
parts of the world whose days are shifted; and at random moments a task that nobody asked for is
wanted by many at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_REGIONS = 3
_SWING = 0.8  # of a region's traffic around its mean, over a day


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What is asked for, and how often. Seconds are those of the trace."""

    tasks: int
    rps: float
    """Requests a second on average, bursts left out."""
    seconds: int
    exponent: float = 1.0
    """Of Zipf's law; 0: all tasks are wanted alike."""
    drift: float = 0.0005
    """Share of the tasks that trade places every second."""
    day_s: float = 600.0
    """A whole day in the trace, which is a short one; 0: no days."""
    bursts_per_minute: float = 2.0
    burst_rps: float = 200.0
    burst_s: float = 10.0
    seed: int = 0


@dataclass(frozen=True)
class Second:
    """The requests of one second, in order of time."""

    times: NDArray[np.float64]
    """[n] seconds since the start, ascending."""
    tasks: NDArray[np.int64]
    """[n] task of each."""


def popularity(tasks: int, exponent: float) -> NDArray[np.float64]:
    """[tasks] shares of the requests by rank, summing to 1."""
    weights = 1.0 / np.arange(1, tasks + 1) ** exponent
    return np.asarray(weights / weights.sum())


def by_popularity(traffic: Traffic) -> NDArray[np.int64]:
    """[tasks] the most wanted first, as a trace begins."""
    return np.random.default_rng((traffic.seed, 1)).permutation(traffic.tasks)


def trace(traffic: Traffic) -> Iterator[Second]:
    """The same for the same settings, one second after another."""
    rng = np.random.default_rng(traffic.seed)
    until = np.cumsum(popularity(traffic.tasks, traffic.exponent))
    of_rank = by_popularity(traffic)
    bursts: list[tuple[int, float]] = []  # task, until when
    for second in range(traffic.seconds):
        _drift(of_rank, traffic, rng)
        drawn = rng.poisson(traffic.rps * _peak(traffic))
        tasks = of_rank[np.minimum(np.searchsorted(until, rng.random(drawn)), traffic.tasks - 1)]
        tasks = tasks[rng.random(drawn) < _awake(tasks, second, traffic) / _peak(traffic)]
        bursts = [burst for burst in bursts if burst[1] > second]
        for _ in range(rng.poisson(traffic.bursts_per_minute / 60)):
            bursts.append((int(rng.integers(traffic.tasks)), second + traffic.burst_s))
        sudden = [np.full(rng.poisson(traffic.burst_rps), task) for task, _ in bursts]
        wanted = np.concatenate([tasks, *sudden])
        times = second + np.sort(rng.random(len(wanted)))
        yield Second(times, rng.permutation(wanted))


def _drift(of_rank: NDArray[np.int64], traffic: Traffic, rng: np.random.Generator) -> None:
    """Let a few tasks trade places, whatever their ranks."""
    moved = rng.poisson(traffic.drift * traffic.tasks)
    ranks = rng.choice(traffic.tasks, min(moved, traffic.tasks), replace=False)
    of_rank[ranks] = of_rank[rng.permutation(ranks)]


def _peak(traffic: Traffic) -> float:
    return 1 + _SWING if traffic.day_s else 1.0


def _awake(tasks: NDArray[np.int64], second: int, traffic: Traffic) -> NDArray[np.float64]:
    """[n] how busy the part of the world of each task is now; 1 is its mean."""
    if not traffic.day_s:
        return np.ones(len(tasks))
    turns = second / traffic.day_s + (tasks % _REGIONS) / _REGIONS
    return np.asarray(1 + _SWING * np.sin(2 * math.pi * turns))
