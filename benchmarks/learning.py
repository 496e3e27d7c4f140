"""How long learning takes: the four image tasks, with our code and with Avalanche's strategies.

    python -m benchmarks.learning --data-dir data --out learning.json

All learn the paper's MLP with the same epochs, batch size, optimiser and learning rate, in one
process and on one thread. The systems take turns at every task, so that all meet the same noise.
Evaluation and the making of tensors are not timed; our search for a source is.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, median
from typing import Annotated, Any, Protocol

import numpy as np
import torch
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.paper.profiles import PAPER
from benchmarks.paper.tasks import IMAGE_TASKS, TITLES, load_task
from benchmarks.with_avalanche import avalanche_learners
from pathways import (
    DataError,
    FrozenPathway,
    LearnConfig,
    PathwayId,
    StoredPathway,
    TaskData,
    learn,
    load_source,
)

OURS = "SEN"
SECOND = IMAGE_TASKS[1]

Data = Mapping[str, tuple[TaskData, TaskData]]
"""Task → (train, test)."""


class Learner(Protocol):
    """What is measured."""

    def learn(self, task: str, data: TaskData, config: LearnConfig) -> None:
        """Learn a task after those learned before."""

    def accuracy(self, task: str, data: TaskData) -> float:
        """Share of `data` answered right when told the task, 0..1."""


class Sen:
    """The product's learning, with a source searched among all earlier pathways."""

    def __init__(self) -> None:
        self.stored: dict[str, StoredPathway] = {}

    def learn(self, task: str, data: TaskData, config: LearnConfig) -> None:
        sources = [load_source(earlier) for earlier in self.stored.values()]
        self.stored[task] = learn(PathwayId(task), data, sources, config)

    def accuracy(self, task: str, data: TaskData) -> float:
        given = self.stored[task]
        source = self.stored[given.spec.source.task] if given.spec.source else None
        answers = FrozenPathway.load(given, source).probabilities(data.x)
        return float((answers.argmax(axis=1) == data.y).mean())


@dataclass
class Measured:
    """One system's figures, by task."""

    seconds: dict[str, float] = field(default_factory=dict)
    right_after: dict[str, float] = field(default_factory=dict)
    """Accuracy when just learned, 0..1."""
    at_the_end: dict[str, float] = field(default_factory=dict)


def compare(
    learners: Mapping[str, Learner],
    data: Data,
    configs: Mapping[str, LearnConfig],
    advance: Callable[[str], None],
) -> dict[str, Measured]:
    """Every system learns every task; who begins changes from task to task."""
    names = list(learners)
    measured = {name: Measured() for name in names}
    for turn, (task, (train, test)) in enumerate(data.items()):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            advance(f"{name} learns {TITLES[task]}")
            learner, figures = learners[name], measured[name]
            figures.seconds[task] = seconds(partial(learner.learn, task, train, configs[task]))
            figures.right_after[task] = learner.accuracy(task, test)
    for name, figures in measured.items():
        figures.at_the_end = {t: learners[name].accuracy(t, test) for t, (_, test) in data.items()}
    return measured


def growth(
    sen: Sen,
    data: Data,
    fifth: LearnConfig,
    config: LearnConfig,
    repeats: int,
    advance: Callable[[str], None],
) -> dict[str, Any]:
    """What a sixth task costs beside the second: median seconds of both, learned in turn.

    sen: has learned the four tasks. The fifth is the first with its pixels shuffled, the sixth
    the second with its pixels shuffled, so that it has as many examples as the second. Both
    search all earlier pathways for a source; training costs more for the one that finds one.
    """
    rng = np.random.default_rng(0)
    advance("SEN learns a fifth task")
    sen.learn("fifth", shuffled_pixels(data[IMAGE_TASKS[0]][0], rng), fifth)
    second, sixth = data[SECOND][0], shuffled_pixels(data[SECOND][0], rng)
    times: dict[str, list[float]] = {"second": [], "sixth": []}
    sources: dict[str, str | None] = {}
    for _ in range(repeats):
        for name, train, earlier in (("second", second, 1), ("sixth", sixth, 5)):
            advance(f"SEN learns a {name} task")
            learner = Sen()
            learner.stored = dict(list(sen.stored.items())[:earlier])
            times[name].append(seconds(partial(learner.learn, "new", train, config)))
            source = learner.stored["new"].spec.source
            sources[name] = source.task if source else None
    medians = {name: median(taken) for name, taken in times.items()}
    return {
        "epochs": config.train.epochs_for(len(second)),
        "examples": len(second),
        "seconds": times,
        "source": sources,
        "ratio": medians["sixth"] / medians["second"],
    }


def warm_up(data: TaskData, config: LearnConfig) -> None:
    """Let torch load what it loads at the first step, so that nobody's time counts it."""
    Sen().learn("warm-up", data.shots(1, np.random.default_rng(0)), config)


def seconds(work: Callable[[], None]) -> float:
    """Wall-clock seconds of `work`."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def shuffled_pixels(data: TaskData, rng: np.random.Generator) -> TaskData:
    """The same images with their pixels in another order, one order for all."""
    order = rng.permutation(data.x[0].size)
    x: Any = np.ascontiguousarray(data.x.reshape(len(data), -1)[:, order])
    return replace(data, x=x.reshape(data.x.shape))


def summary(measured: Mapping[str, Measured]) -> dict[str, dict[str, Any]]:
    """Figures of every system with totals, means and the ratio of seconds to ours."""
    ours = sum(measured[OURS].seconds.values())
    return {
        name: {
            **asdict(figures),
            "total_seconds": sum(figures.seconds.values()),
            "seconds_over_ours": sum(figures.seconds.values()) / ours,
            "mean_right_after": fmean(figures.right_after.values()),
            "mean_at_the_end": fmean(figures.at_the_end.values()),
        }
        for name, figures in measured.items()
    }


def show(result: Mapping[str, Any], console: Console) -> None:
    """The result as a table and a sentence."""
    table = Table(title="Seconds to learn: ours, and Avalanche's Naive, EWC and PNN")
    table.add_column("system")
    for title in (*(TITLES[task] for task in IMAGE_TASKS), "total", "÷ ours", "ACC", "ACC at end"):
        table.add_column(title, justify="right")
    for name, row in result["results"].items():
        table.add_row(
            name,
            *(f"{taken:.1f}" for taken in row["seconds"].values()),
            f"{row['total_seconds']:.1f}",
            f"{row['seconds_over_ours']:.2f}",
            f"{100 * row['mean_right_after']:.2f}",
            f"{100 * row['mean_at_the_end']:.2f}",
        )
    console.print(table)
    growth = result["growth"]
    console.print(
        f"A sixth task costs {growth['ratio']:.2f} times what the second did "
        f"({growth['examples']:,} examples, {growth['epochs']} epochs; source of the second: "
        f"{growth['source']['second'] or 'none'}, of the sixth: "
        f"{growth['source']['sixth'] or 'none'})."
    )


def measure(
    data: Data, epochs: int, growth_config: LearnConfig, repeats: int, console: Console
) -> dict[str, Any]:
    """Everything, with a progress bar on `console`."""
    configs = {
        task: replace(
            PAPER.learning[task], train=replace(PAPER.learning[task].train, epochs=epochs)
        )
        for task in data
    }
    torch.manual_seed(0)
    warm_up(data[SECOND][0], configs[SECOND])
    sen, strength = Sen(), PAPER.baselines.ewc_strength
    theirs = avalanche_learners({task: train for task, (train, _) in data.items()}, strength)
    learners: dict[str, Learner] = {OURS: sen, **theirs}
    with Progress(console=console) as bars:
        steps = len(data) * len(learners) + 1 + 2 * repeats
        bar = bars.add_task("starting", total=steps + 1, completed=0)

        def advance(what: str) -> None:
            bars.update(bar, description=what, advance=1)

        measured = compare(learners, data, configs, advance)
        grown = growth(sen, data, configs[IMAGE_TASKS[0]], growth_config, repeats, advance)
        bars.update(bar, description="done", advance=1)
    return {
        "machine": {**machine(), "avalanche-lib": version("avalanche-lib"), "threads": 1},
        "config": {
            "epochs": epochs,
            "ewc_strength": strength,
            "learning": {task: asdict(config) for task, config in configs.items()},
            "growth": {"repeats": repeats, **asdict(growth_config)},
            "examples": {task: len(train) for task, (train, _) in data.items()},
        },
        "results": summary(measured),
        "growth": grown,
    }


def main(
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the real data; made-up data if left out.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the result as JSON here.")] = None,
    epochs: Annotated[
        int, typer.Option(min=1, help="Epochs of every task (the paper profile has 20 and 30).")
    ] = 3,
    quick: Annotated[
        bool, typer.Option("--quick", help="One epoch and no repetition: a smoke test.")
    ] = False,
) -> None:
    """Time learning the four image tasks with our code and with Avalanche's Naive, EWC and PNN.

    Then time a sixth task beside the second, with the paper profile's epochs.

    Example: python -m benchmarks.learning --data-dir data --out learning.json
    """
    torch.set_num_threads(1)
    console = Console()
    try:
        data = {task: load_task(task, data_dir, validation=False) for task in IMAGE_TASKS}
    except DataError as error:
        raise typer.BadParameter(str(error), param_hint="--data-dir") from error
    growth_config = PAPER.learning[SECOND]
    if quick:
        growth_config = replace(growth_config, train=replace(growth_config.train, epochs=1))
    result = measure(data, 1 if quick else epochs, growth_config, 1 if quick else 3, console)
    result["config"]["data"] = "real" if data_dir else "embedded"
    show(result, console)
    if out:
        out.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
