"""Everything about one number of tasks: the store grows to it, then is served twice."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import ray

import cluster
from benchmarks.scale import inside
from benchmarks.scale.asking import Asked, ask, loads, until_right, warm_up
from benchmarks.scale.growing import Growth, grow
from benchmarks.scale.inside import Inside
from benchmarks.scale.memory import Held, by_name, name_of, total_bytes
from benchmarks.serving.measure import Row
from benchmarks.serving.models import Served
from benchmarks.serving.systems import Running, up
from pathways.simulated import SimulatedTask, SimulatedTasks

_SAMPLE = 300  # tasks whose held-out inputs are asked
_LOOK_EVERY_S = 15.0
_LINGER_S = 5.0
_PATIENCE_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all steps share."""

    out: Path
    """The store is here too."""
    home: Path
    """State of the running network."""
    scratch: Path
    seconds: int
    """How long each load lasts."""
    seed: int

    @property
    def store(self) -> Path:
        """The growing store."""
        return self.out / "store"


@dataclass(frozen=True, kw_only=True)
class Step:
    """What was measured with so many tasks."""

    tasks: int
    growth: Growth
    first_rate: float | None
    """Tasks learned a second at this step's beginning, over `window` of them."""
    last_rate: float | None
    window: int
    learning_bytes: int
    """All processes, at most, while it learned."""
    serving: dict[str, Held]
    """Process → memory with every pathway resident, after the loads."""
    resident: list[Row]
    """Loads with every pathway resident in every replica."""
    asked: Asked
    cold_start_s: float
    """From `sen up` on the store to the first right answer over HTTP."""
    room: int
    """A tenth of the pathways."""
    crowded: list[Row]
    """Loads with room for so many in every replica."""
    inside: Inside


def measure(setting: Setting, count: int, say: Callable[[str], None]) -> Step:
    """Grow the store to `count` tasks and measure. Raises TimeoutError."""
    tasks = SimulatedTasks(count, seed=setting.seed)
    sample = _sample(tasks)
    served = Served(
        store=setting.store,
        tasks=tuple(task.name for task in tasks),
        inputs={task.name: np.asarray(task.test.x) for task in tasks},
    )
    with _network(setting, count) as running:
        growth, learning_bytes = _grow(setting, running, tasks, say)
        say("waiting for training to end")
        _until_idle(running)
        say("waking every pathway in every replica")
        warm_up(running, tasks)
        say("under load, everything resident")
        resident = loads(running, served, tasks, count, setting.seconds, setting.scratch)
        serving = by_name(running.processes())
        asked = ask(running, sample)
    room, started = max(1, count // 10), time.monotonic()
    say("starting from the store")
    with _network(setting, room) as running:
        cold_start_s = until_right(running, tasks[-1], started)
        say("under load, a tenth resident")
        crowded = loads(running, served, tasks, room, setting.seconds, setting.scratch)
    say("looking into the store")
    return Step(
        tasks=count,
        growth=growth,
        first_rate=growth.first_rate,
        last_rate=growth.last_rate,
        window=growth.window,
        learning_bytes=learning_bytes,
        serving=serving,
        resident=resident,
        asked=asked,
        cold_start_s=cold_start_s,
        room=room,
        crowded=crowded,
        inside=inside.measure(setting.store, tasks, sample),
    )


def _sample(tasks: SimulatedTasks) -> list[SimulatedTask]:
    """Evenly over all tasks, so over all ages and signatures."""
    chosen = np.unique(np.linspace(0, len(tasks) - 1, _SAMPLE).round().astype(int))
    return [tasks[int(i)] for i in chosen]


@contextmanager
def _network(setting: Setting, room: int) -> Iterator[Running]:
    settings = {
        "store": str(setting.store),
        "slots": {"local_pathways": room},
        # Models this small learn faster on one thread.
        "expansion": {"threads": 1, "linger_s": _LINGER_S},
    }
    with up(setting.home, settings) as running:
        yield running


def _grow(
    setting: Setting, running: Running, tasks: SimulatedTasks, say: Callable[[str], None]
) -> tuple[Growth, int]:
    """Learn what is missing; also the most memory that was seen meanwhile."""
    most, looked = 0, -_LOOK_EVERY_S

    def look(learned: int) -> None:
        nonlocal most, looked
        if time.monotonic() - looked >= _LOOK_EVERY_S:
            looked = time.monotonic()
            most = max(most, total_bytes(by_name(running.processes())))
            say(f"{learned:,} of {len(tasks):,} tasks learned")

    os.environ["SEN_HOME"] = str(setting.home)  # where this process finds the network
    try:
        growth = grow(cluster.connect(), tasks, look)
    finally:
        ray.shutdown()
    look(len(tasks))
    return growth, max(most, total_bytes(by_name(running.processes())))


def _until_idle(running: Running) -> None:
    """Wait until nothing is trained; raises TimeoutError."""
    until = time.monotonic() + _PATIENCE_S
    while any(_trains(process) for process in running.processes()):
        if time.monotonic() > until:
            raise TimeoutError(f"a training worker still runs after {_PATIENCE_S:.0f} s")
        time.sleep(1)


def _trains(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return name_of(process) == "ray::RayTrainWorker"
    return False
