"""How well inputs of a task are dispatched that was learned from few examples.

    python -m benchmarks.few_shot --data-dir data --out few_shot.json

The router learns the four image tasks, one of them from a few examples a class and the others from
all they have, with the class scores of few examples raised (RouterConfig.leverage_power) and
without. With --validation a part of the training data is asked about in place of the test data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.paper.tasks import IMAGE_TASKS, TITLES, load_task
from benchmarks.routing import router_of
from cluster.dispatch import features_for
from cluster.expansion import learn_routing
from dispatcher import Dispatcher, RouterConfig
from pathways import DataError, TaskData

SHOTS = (5, 10, 20)
_ASKED = 2_000  # test inputs of a task, at most

Data = Mapping[str, tuple[TaskData, TaskData]]
"""Task → (train, test)."""


@dataclass(frozen=True, kw_only=True)
class Dispatched:
    """One task learned from few examples; shares of test inputs, 0..1."""

    task: str
    shots: int
    seed: int
    power: float
    """RouterConfig.leverage_power; 0: nothing is raised."""
    first: float
    """Of the task: it comes first."""
    among_two: float
    """Of the task: it is activated."""
    others_first: float
    """The same of the other tasks, mean over them."""
    others_among_two: float


def measure(data: Data, seed: int, powers: Sequence[float]) -> list[Dispatched]:
    """Every task as the one of few examples, which `seed` draws."""
    signature = next(iter(data.values()))[1].signature
    features = features_for(signature)
    whole = {task: learn_routing(features, train) for task, (train, _) in data.items()}
    found = []
    for task, (train, _) in data.items():
        for shots in SHOTS:
            few = train.shots(shots, np.random.default_rng(seed))
            learned = {**whole, task: learn_routing(features, few)}
            for power in powers:
                router = router_of(learned, RouterConfig(leverage_power=power))
                decide = Dispatcher({signature.key: (features, router.solve())})
                shares = {name: _shares(decide, name, test) for name, (_, test) in data.items()}
                first, among_two = shares.pop(task)
                others = [fmean(column) for column in zip(*shares.values(), strict=True)]
                found.append(
                    Dispatched(
                        task=task,
                        shots=shots,
                        seed=seed,
                        power=power,
                        first=first,
                        among_two=among_two,
                        others_first=others[0],
                        others_among_two=others[1],
                    )
                )
    return found


def _shares(dispatcher: Dispatcher, task: str, test: TaskData) -> tuple[float, float]:
    """How many inputs of a task have it first, and among the two that are activated."""
    decisions = dispatcher.decide(test.signature.key, test.x[:_ASKED])
    first = fmean(decision.tasks[0] == task for decision in decisions)
    return first, fmean(task in decision.tasks for decision in decisions)


def table(found: list[Dispatched]) -> Table:
    """Means over seeds; shares in %."""
    shown = Table(title="One of four image tasks learned from few examples a class")
    columns = ("first", "among_two", "others_first", "others_among_two")
    for name in ("task", "a class", "power", *columns):
        shown.add_column(name, justify="left" if name == "task" else "right")
    for task, shots, power in dict.fromkeys((d.task, d.shots, d.power) for d in found):
        own = [d for d in found if (d.task, d.shots, d.power) == (task, shots, power)]
        means = [f"{100 * fmean(getattr(d, name) for d in own):.1f}" for name in columns]
        shown.add_row(TITLES[task], str(shots), f"{power:g}", *means)
    return shown


def main(
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the real data; made-up data if left out.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Draws of the few examples.")] = 3,
    power: Annotated[
        list[float] | None, typer.Option(min=0, help="Settings to compare; 0 and ours by default.")
    ] = None,
    validation: Annotated[
        bool, typer.Option("--validation", help="Ask about a part of the training data.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Write the result as JSON here.")] = None,
) -> None:
    """Measure how well a task of few examples is dispatched, beside tasks of many."""
    try:
        data = {task: load_task(task, data_dir, validation=validation) for task in IMAGE_TASKS}
    except DataError as error:
        raise typer.BadParameter(str(error), param_hint="--data-dir") from error
    powers = power or [0.0, RouterConfig().leverage_power]
    runs = [measure(data, seed, powers) for seed in track(range(seeds), "seed by seed")]
    found = [each for run in runs for each in run]
    console = Console()
    console.print(table(found))
    if out is not None:
        result = {
            "machine": machine(),
            "real_data": data_dir is not None,
            "validation": validation,
            "router": asdict(RouterConfig()),
            "results": [asdict(each) for each in found],
        }
        out.write_text(json.dumps(result, indent=1), encoding="utf-8")
        console.print(f"wrote {out}")


if __name__ == "__main__":
    typer.run(main)
