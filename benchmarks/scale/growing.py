"""Teaching a running network simulated tasks through the client, and how fast it learns."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cluster.client import Client
from cluster.messages import NewTask
from pathways.simulated import SimulatedTask, SimulatedTasks

_AHEAD = 300  # tasks that wait to be learned
_TOGETHER = 25  # submitted before looking again
_POLL_S = 0.5
_WINDOW = 1_000
_PATIENCE_S = 600.0  # without any progress


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How tasks were learned; seconds count from the first submission."""

    before: int
    """Tasks the store held already."""
    failed: int
    samples: tuple[tuple[float, int], ...]
    """(seconds, tasks learned since the start), whenever that had changed."""

    @property
    def learned(self) -> int:
        """Tasks learned."""
        return self.samples[-1][1] if self.samples else 0

    @property
    def first_s(self) -> float | None:
        """Until the first was learned: a training job starts meanwhile."""
        return self.samples[0][0] if self.samples else None

    @property
    def window(self) -> int:
        """Tasks at either end that a rate is taken over."""
        return min(_WINDOW, max(1, self.learned // 2))

    @property
    def first_rate(self) -> float | None:
        """Tasks a second over the first `window`; the job's start does not count."""
        return _rate([s for s in self.samples if s[1] <= self.window])

    @property
    def last_rate(self) -> float | None:
        """Tasks a second over the last `window`."""
        return _rate([s for s in self.samples if s[1] >= self.learned - self.window])


def _rate(samples: Sequence[tuple[float, int]]) -> float | None:
    """Slope between the first and the last; None where they are not far enough apart."""
    if len(samples) < 2 or samples[-1][0] <= samples[0][0]:
        return None
    (start_s, first), (end_s, last) = samples[0], samples[-1]
    return (last - first) / (end_s - start_s)


def grow(client: Client, tasks: SimulatedTasks, look: Callable[[int], None]) -> Growth:
    """Teach those of `tasks` that are not in the network yet, one after another, and wait.

    `look` is told now and then how many are there. Raises TimeoutError if nothing gets on.
    """
    here = {entry.id.task for entry in client.tasks()}
    new = [task for task in tasks if task.name not in here]
    waiting = {s.task: s.request for s in client.expansions() if not s.ended}
    requests: list[str] = []
    samples: list[tuple[float, int]] = []
    started = moved = time.monotonic()
    done = 0
    while done < len(new):
        submitted = len(requests)
        more = new[submitted : min(submitted + _TOGETHER, done + _AHEAD)]
        requests += _submitted(client, more, waiting)
        now, before = time.monotonic(), done
        done = _ended(client, requests, done)
        if done > before:
            samples.append((now - started, done))
            moved = now
        elif now - moved > _PATIENCE_S:
            raise TimeoutError(f"{done} of {len(new)} tasks learned, none for {_PATIENCE_S:.0f} s")
        look(len(here) + done)
        if len(requests) == submitted:
            time.sleep(_POLL_S)
    failed = len(here) + len(new) - len(client.tasks())
    return Growth(before=len(here), failed=failed, samples=tuple(samples))


def _submitted(
    client: Client, tasks: Sequence[SimulatedTask], waiting: Mapping[str, str]
) -> list[str]:
    """Request ids of these tasks, of which some may wait already."""
    new = [NewTask(task=t.name, data=t.train, config=t.how) for t in tasks if t.name not in waiting]
    given = client.learn_many(new) if new else []
    made = {n.task: e.request for n, e in zip(new, given, strict=True)}
    return [made.get(task.name) or waiting[task.name] for task in tasks]


def _ended(client: Client, requests: Sequence[str], at_least: int) -> int:
    """How many ended. They do so in order, or nearly: a few questions are enough."""
    return bisect_left(
        requests,
        True,
        lo=at_least,
        key=lambda request: not client.expansion(request).status().ended,
    )
