"""What it costs that the dispatcher decides, beside being told the task: arithmetic only.

    python -m benchmarks.dispatching --out dispatching.json

In one process and on one thread, the product's own router and pathways answer the same inputs
twice, once told the task and once not. Passes alternate, so that both meet the same noise; the
result is the ratio of the medians. HTTP and actor calls are left out: they are the same for both.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.machine import machine
from cluster.dispatch import features_for
from cluster.expansion import learn_routing
from dispatcher import Dispatcher, Router, rows_by_task
from pathways import (
    FrozenPathway,
    LearnConfig,
    PathwayId,
    StoredPathway,
    TaskData,
    TrainConfig,
    learn,
    load_source,
)
from pathways.data.embedded import embedded_task

TASKS = ("fashion", "digits", "lower", "upper")
BATCHES = (1, 16, 256)
HOW = LearnConfig(train=TrainConfig(epochs=5))


def build(seed: int) -> tuple[dict[str, FrozenPathway], Dispatcher, dict[str, TaskData]]:
    """Learn the embedded image tasks; gives pathways, dispatcher and held-out data."""
    stored: dict[str, StoredPathway] = {}
    pathways: dict[str, FrozenPathway] = {}
    held_out: dict[str, TaskData] = {}
    router: Router | None = None
    for name in track(TASKS, "learning"):
        train, held_out[name] = embedded_task(
            name, train_per_class=150, test_per_class=30, seed=seed
        )
        sources = [load_source(earlier) for earlier in stored.values()]
        stored[name] = learn(PathwayId(name), train, sources, HOW)
        source = stored[name].spec.source
        pathways[name] = FrozenPathway.load(stored[name], stored[source.task] if source else None)
        features = features_for(train.signature)
        router = router or Router(features.dim)
        router.add(name, learn_routing(features, train))
    assert router is not None
    return pathways, Dispatcher({train.signature.key: (features, router.solve())}), held_out


def told(pathways: dict[str, FrozenPathway], x: np.ndarray, task: str) -> None:
    """Answer with the task given."""
    pathways[task].probabilities(x)


def dispatched(
    pathways: dict[str, FrozenPathway], dispatcher: Dispatcher, key: str, x: np.ndarray
) -> None:
    """Answer without: decide, then run every activated pathway on its rows."""
    for task, rows in rows_by_task(dispatcher.decide(key, x)).items():
        pathways[task].probabilities(x[rows])


def alternate(works: Sequence[Callable[[], None]], passes: int) -> list[float]:
    """Median seconds of each piece of work, run in turn."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(passes):
        for work, taken in zip(works, times, strict=True):
            started = time.perf_counter()
            work()
            taken.append(time.perf_counter() - started)
    return [median(taken) for taken in times]


def measure(seed: int, passes: int) -> dict[str, object]:
    """All batch sizes: milliseconds per input of both ways, and their ratio."""
    pathways, dispatcher, held_out = build(seed)
    rng = np.random.default_rng(seed)
    rows = []
    for batch in BATCHES:
        task = TASKS[-1]
        data = held_out[task]
        x, key = data.x[rng.integers(0, len(data), batch)], data.signature.key
        ways: list[Callable[[], None]] = [
            lambda x=x, task=task: told(pathways, x, task),  # type: ignore[misc]
            lambda x=x, key=key: dispatched(pathways, dispatcher, key, x),  # type: ignore[misc]
        ]
        alternate(ways, 3)
        given, decided = alternate(ways, passes)
        rows.append(
            {
                "batch": batch,
                "told_ms_per_input": 1e3 * given / batch,
                "dispatched_ms_per_input": 1e3 * decided / batch,
                "ratio": decided / given,
            }
        )
    return {
        "machine": machine(),
        "config": {"tasks": TASKS, "asked": TASKS[-1], "seed": seed, "passes": passes},
        "results": rows,
    }


def show(result: dict[str, object], console: Console) -> None:
    """The result as a table."""
    table = Table(title=f"{len(TASKS)} image tasks, one thread, ms per input (median)")
    for name in ("batch", "told", "dispatched", "dispatched / told"):
        table.add_column(name, justify="right")
    rows = result["results"]
    assert isinstance(rows, list)
    for row in rows:
        table.add_row(
            str(row["batch"]),
            f"{row['told_ms_per_input']:.3f}",
            f"{row['dispatched_ms_per_input']:.3f}",
            f"{row['ratio']:.1f}",
        )
    console.print(table)


def main() -> None:
    """Measure, print, and write JSON if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, help="write the result as JSON here")
    parser.add_argument("--passes", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    result = measure(given.seed, given.passes)
    show(result, Console())
    if given.out:
        given.out.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
