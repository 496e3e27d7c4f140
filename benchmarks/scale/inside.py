"""What is measured on the store of a network that does not run: arithmetic, reading, the truth."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np

from cluster.config import SlotConfig
from cluster.dispatch import features_for
from cluster.local import LocalSlot
from cluster.registry import Registry
from cluster.registry_log import RegistryLog
from cluster.routers import Routers
from cluster.store import Store
from dispatcher import Dispatcher, SelectConfig, Snapshot
from pathways import Signature
from pathways.simulated import SimulatedTask, SimulatedTasks

BATCHES = (1, 16, 256)
_PASSES = 20
_WAKES = 300
_ALWAYS_TWO = SelectConfig(second_above=0.0)

_Given = TypeVar("_Given")


@dataclass(frozen=True, kw_only=True)
class Routing:
    """Deciding, on one thread."""

    ms_per_input: dict[int, float]
    """Inputs in a batch → milliseconds for one, features included; the median pass."""
    first: float
    """Share of held-out inputs whose right task is the most probable."""
    among_two: float
    """Share whose right task is among the two most probable."""
    exact_among_two: float
    """The same where every task is scored exactly."""
    inputs: int


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Which earlier tasks new ones were learned from, beside the truth."""

    derived: int
    """Tasks that truly derive from an earlier one."""
    true: float
    """Share of them learned from their true source."""
    family: float
    """Share learned from any task of their family."""
    none: float
    """Share learned from nothing."""
    roots_linked: float
    """Share of the others, which derive from nothing, learned from some task nevertheless."""


@dataclass(frozen=True, kw_only=True)
class Wakes:
    """Waking small pathways from the store, one after another."""

    p50_ms: float
    p99_ms: float
    count: int


@dataclass(frozen=True, kw_only=True)
class Inside:
    """All of it."""

    routing: Routing
    wakes: Wakes
    sources: Sources
    store_bytes: dict[str, int]
    """Kind of file → bytes of all such files."""
    store_files: dict[str, int]
    read_registry_s: float
    read_routers_s: float
    """To read and solve the routers of all signatures."""


def measure(root: Path, tasks: SimulatedTasks, sample: Sequence[SimulatedTask]) -> Inside:
    """Everything about a store that holds `tasks`; recall is asked of the tasks in `sample`."""
    store = Store.open(root)
    registry, read_registry_s = _timed(RegistryLog(store).load)
    snapshots, read_routers_s = _timed(lambda: _snapshots(store, registry))
    sizes, files = _sizes(root)
    return Inside(
        routing=_routing(snapshots, sample),
        wakes=_wakes(store, registry),
        sources=sources(registry, tasks),
        store_bytes=sizes,
        store_files=files,
        read_registry_s=read_registry_s,
        read_routers_s=read_routers_s,
    )


def _timed(work: Callable[[], _Given]) -> tuple[_Given, float]:
    started = time.perf_counter()
    return work(), time.perf_counter() - started


Snapshots = dict[Signature, Snapshot]


def _snapshots(store: Store, registry: Registry) -> Snapshots:
    routers = Routers(store)
    routers.load(registry)
    return {signature: routers.solve(key) for key, signature in registry.signatures.items()}


def _dispatcher(snapshots: Snapshots) -> Dispatcher:
    routes = {s.key: (features_for(s), snapshot) for s, snapshot in snapshots.items()}
    return Dispatcher(routes, _ALWAYS_TWO)


def _exactly(snapshot: Snapshot) -> Snapshot:
    """The same, scoring every task."""
    parts = tuple(replace(part, vectors=part.vectors[:, -1:]) for part in snapshot.parts)
    return replace(snapshot, parts=parts, projection=snapshot.projection[:, :0])


def _routing(snapshots: Snapshots, sample: Sequence[SimulatedTask]) -> Routing:
    dispatcher = _dispatcher(snapshots)
    exact = _dispatcher({s: _exactly(snapshot) for s, snapshot in snapshots.items()})
    ranks = _ranks(dispatcher, sample)
    return Routing(
        ms_per_input={batch: _ms_per_input(dispatcher, sample, batch) for batch in BATCHES},
        first=_share([rank == 0 for rank in ranks]),
        among_two=_share([rank is not None for rank in ranks]),
        exact_among_two=_share([rank is not None for rank in _ranks(exact, sample)]),
        inputs=len(ranks),
    )


def _ranks(dispatcher: Dispatcher, sample: Sequence[SimulatedTask]) -> list[int | None]:
    """Place of the right task among the two of every held-out input; None if it is neither."""
    return [
        decision.tasks.index(task.name) if task.name in decision.tasks else None
        for task in sample
        for decision in dispatcher.decide(task.origin.kind.signature.key, task.test.x)
    ]


def _ms_per_input(dispatcher: Dispatcher, sample: Sequence[SimulatedTask], batch: int) -> float:
    """Over inputs of many tasks of the commonest signature."""
    signature = sample[0].origin.kind.signature
    alike = [task.test.x for task in sample if task.origin.kind.signature == signature]
    inputs = np.concatenate(alike)
    rng, taken = np.random.default_rng(0), []
    for _ in range(_PASSES):
        x = inputs[rng.integers(0, len(inputs), batch)]
        taken.append(_timed(lambda x=x: dispatcher.decide(signature.key, x))[1])  # type: ignore[misc]
    return 1e3 * median(taken) / batch


def _wakes(store: Store, registry: Registry) -> Wakes:
    """Each with its source's body. Files that the system holds in memory are read fastest."""
    slot, entries = LocalSlot(store, SlotConfig()), registry.entries()
    rng = np.random.default_rng(0)
    chosen = rng.permutation(len(entries))[: _WAKES + 1].tolist()
    slot.wake(entries[chosen[0]], registry.source_of(entries[chosen[0]]))  # what is imported once
    taken = [
        _timed(lambda e=entries[i]: slot.wake(e, registry.source_of(e)))[1]  # type: ignore[misc]
        for i in chosen[1:]
    ]
    p50, p99 = (1e3 * float(np.percentile(taken, p)) for p in (50, 99))
    return Wakes(p50_ms=p50, p99_ms=p99, count=len(taken))


def sources(registry: Registry, tasks: Sequence[SimulatedTask]) -> Sources:
    """Compare the registry with the truth."""
    chosen = {e.id.task: e.spec.source.task if e.spec.source else None for e in registry.entries()}
    families = {task.name: task.family for task in tasks}
    derived = [task for task in tasks if task.source is not None]
    roots = [task for task in tasks if task.source is None]
    picked = [(task, chosen[task.name]) for task in derived]
    return Sources(
        derived=len(derived),
        true=_share([source == task.source for task, source in picked]),
        family=_share([families.get(source or "") == task.family for task, source in picked]),
        none=_share([source is None for _, source in picked]),
        roots_linked=_share([chosen[task.name] is not None for task in roots]),
    )


def _share(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else 0.0


def _sizes(root: Path) -> tuple[dict[str, int], dict[str, int]]:
    """Bytes and numbers of the store's files by kind: the first folder and the file's name."""
    sizes: Counter[str] = Counter()
    files: Counter[str] = Counter()
    for file in root.rglob("*"):
        if file.is_file():
            folder = file.relative_to(root).parts[0]
            kind = f"{folder}/*{file.suffix}" if folder != file.name else file.name
            sizes[kind] += file.stat().st_size
            files[kind] += 1
    return dict(sizes.most_common()), dict(files.most_common())
