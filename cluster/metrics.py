"""The meters that Prometheus can read, through `ray.util.metrics`.

Recording goes straight to Ray: a counter takes 2.3 µs, a histogram 1.6 µs (Ray 2.60, two cores),
so gathering values here first would save nothing that counts. Ray rebuilds a histogram from its
buckets: its `_count` is exact, its `_sum` is not. Where a mean is wanted there are two counters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ray.util.metrics import Counter, Gauge, Histogram

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 20, 60)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)
_MOST_TASKS = 200  # every label is a series of its own, in every replica
_OTHER_TASKS = "(other)"
_MOST_ROUTES = 100  # paths are patterns, so this is never reached unless one is not


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric, before Ray puts `ray_` in front of its name."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def series(self) -> dict[str, tuple[str, ...]]:
        """Names of its series in Prometheus, with their labels (Ray adds a few of its own)."""
        name = f"ray_{self.name}"
        if self.kind == COUNTER:
            return {f"{name}_total": self.labels}
        if self.kind == GAUGE:
            return {name: self.labels}
        counted = {f"{name}_count": self.labels, f"{name}_sum": self.labels}
        return {f"{name}_bucket": (*self.labels, "le"), **counted}

    def make(self) -> Any:
        """The Ray metric."""
        if self.kind == HISTOGRAM:
            return Histogram(self.name, self.help, list(self.buckets), self.labels)
        return (Counter if self.kind == COUNTER else Gauge)(self.name, self.help, self.labels)


REQUESTS = Metric(
    name="sen_requests",
    kind=COUNTER,
    help="HTTP requests that ended, by route and status.",
    labels=("route", "status"),
)
REQUEST_SECONDS = Metric(
    name="sen_request_seconds",
    kind=HISTOGRAM,
    help="Time from a request's head to the end of its answer.",
    labels=("route",),
    buckets=_SECONDS,
)
STAGE_SECONDS = Metric(
    name="sen_stage_seconds",
    kind=HISTOGRAM,
    help="Time in a part of a request: parse, route, wake, run, merge.",
    labels=("stage",),
    buckets=_SECONDS,
)
BATCH_ROWS = Metric(
    name="sen_batch_rows", kind=HISTOGRAM, help="Inputs scored together.", buckets=_ROWS
)
INPUTS = Metric(name="sen_inputs", kind=COUNTER, help="Inputs scored.")
UNKNOWN_INPUTS = Metric(
    name="sen_unknown_inputs", kind=COUNTER, help="Inputs said to be unlike everything learned."
)
ACTIVATIONS = Metric(
    name="sen_activations",
    kind=COUNTER,
    help=f"Inputs a task's pathway ran for; beyond {_MOST_TASKS} tasks: {_OTHER_TASKS}.",
    labels=("task",),
)
RESIDENCY = Metric(
    name="sen_residency",
    kind=COUNTER,
    help="Pathways wanted, by outcome: hit (resident), miss (woken).",
    labels=("outcome",),
)
ACTIVE_SHARE_SUM = Metric(
    name="sen_active_share_sum",
    kind=COUNTER,
    help="Shares of all weights that inputs used, summed.",
)
ACTIVE_SHARE_COUNT = Metric(
    name="sen_active_share_count", kind=COUNTER, help="Inputs in sen_active_share_sum."
)
EXPANSIONS = Metric(
    name="sen_expansions",
    kind=COUNTER,
    help="Expansions that ended, by outcome: learned, failed.",
    labels=("outcome",),
)
EXPANSIONS_WAITING = Metric(
    name="sen_expansions_waiting", kind=GAUGE, help="Tasks that wait to be learned."
)

METRICS = (
    REQUESTS,
    REQUEST_SECONDS,
    STAGE_SECONDS,
    BATCH_ROWS,
    INPUTS,
    UNKNOWN_INPUTS,
    ACTIVATIONS,
    RESIDENCY,
    ACTIVE_SHARE_SUM,
    ACTIVE_SHARE_COUNT,
    EXPANSIONS,
    EXPANSIONS_WAITING,
)


class RayMeter:
    """An HttpMeter; one a process."""

    def __init__(self) -> None:
        self._requests = REQUESTS.make()
        self._request_seconds = REQUEST_SECONDS.make()
        self._stage_seconds = STAGE_SECONDS.make()
        self._batch_rows = BATCH_ROWS.make()
        self._inputs = INPUTS.make()
        self._unknown = UNKNOWN_INPUTS.make()
        self._activations = ACTIVATIONS.make()
        self._residency = RESIDENCY.make()
        self._share_sum = ACTIVE_SHARE_SUM.make()
        self._share_count = ACTIVE_SHARE_COUNT.make()
        self._tasks = Capped(_MOST_TASKS, _OTHER_TASKS)
        self._routes = Capped(_MOST_ROUTES, "(other)")

    def request(self, route: str, status: int, seconds: float) -> None:
        name = self._routes.label(route)
        self._requests.inc(1, {"route": name, "status": str(status)})
        self._request_seconds.observe(seconds, {"route": name})

    def stage(self, name: str, seconds: float) -> None:
        self._stage_seconds.observe(seconds, {"stage": name})

    def batch(self, rows: int) -> None:
        self._batch_rows.observe(rows)
        _add(self._inputs, rows)

    def activated(self, task: str, rows: int) -> None:
        _add(self._activations, rows, {"task": self._tasks.label(task)})

    def residency(self, hits: int, misses: int) -> None:
        _add(self._residency, hits, {"outcome": "hit"})
        _add(self._residency, misses, {"outcome": "miss"})

    def unknown(self, rows: int) -> None:
        _add(self._unknown, rows)

    def share(self, value: float, rows: int = 1) -> None:
        _add(self._share_sum, value * rows)
        _add(self._share_count, rows)


class RayExpansionMeter:
    """An ExpansionMeter; the controller's."""

    def __init__(self) -> None:
        self._waiting = EXPANSIONS_WAITING.make()
        self._ended = EXPANSIONS.make()

    def waiting(self, tasks: int) -> None:
        self._waiting.set(tasks)

    def ended(self, outcome: str) -> None:
        self._ended.inc(1, {"outcome": outcome})


class Capped:
    """Values of a label: the first so many as they are, later ones under one name."""

    def __init__(self, most: int, other: str) -> None:
        self._most = most
        self._other = other
        self._known: set[str] = set()

    def label(self, value: str) -> str:
        """The value to record."""
        if value in self._known:
            return value
        if len(self._known) < self._most:
            self._known.add(value)
            return value
        return self._other


def _add(counter: Any, value: float, labels: Mapping[str, str] | None = None) -> None:
    """Ray's counters refuse to be raised by nothing."""
    if value > 0:
        counter.inc(value, labels)
