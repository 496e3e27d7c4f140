"""The demo: five tasks learned one after the other, served, and asked without naming the task.

Everything it does goes the way a user's own tasks go: the client, a Ray Train job, the store,
slots, Serve, HTTP.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from rich.console import Console
from rich.progress import Progress

from cluster.client import Client, Expansion, connect
from cluster.config import ExpansionConfig, SenConfig, ServeConfig
from cluster.errors import SenError, StoreFormatError
from cluster.lifecycle import home
from cluster.store import Store
from deploy import network
from deploy.evaluation import HttpNetwork, Score, answers
from deploy.report import learning_remark, links_table, progress_bars, score_table
from deploy.schemas import tasks_reply
from pathways import LearnConfig, TaskData, TrainConfig
from pathways.data.embedded import NAMES, embedded_task
from pathways.data.real import download, real_task

_EMBEDDED_PER_CLASS = {"fashion": 400, "digits": 400, "lower": 160, "upper": 160, "spoken": 100}
_EPOCHS = {"image": 15, "audio": 12}
_COMPARED = 200  # held-out inputs of each task whose answers are compared bit for bit

Split = tuple[TaskData, TaskData]
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """What the demo is asked to do."""

    data_dir: Path | None = None
    """Real data sets; None for the embedded ones."""
    download: bool = False
    """Fetch missing sets into `data_dir` first."""
    store: Path | None = None
    """Where the network is kept; None for the demo's own place, emptied first."""
    seed: int = 0
    port: int = 8000
    keep: bool = False
    """Leave the network serving."""


def run_demo(config: DemoConfig, console: Console) -> None:
    """Run the demo; raises SenError or PathwaysError, and cleans up in any case."""
    started = time.monotonic()
    if config.download:
        assert config.data_dir is not None, "the command line asks for a directory"
        download(config.data_dir, report=console.print)
    sen = SenConfig(
        store=str(_prepare_store(config.store)),
        expansion=ExpansionConfig(linger_s=5),
        serve=ServeConfig(port=config.port),
    )
    with progress_bars(console) as bars:
        running = _step(bars, "start Ray", lambda: network.start(sen))
        kept = False
        try:
            data, expansions = _submit(bars, config, connect())
            running = _step(bars, "start HTTP", lambda: network.serve(sen, running), running.store)
            http = HttpNetwork(running.url)
            before = _follow(bars, data, expansions, http)
            scores = _evaluate(bars, data, http)
            identical = _still_identical(before, data, http)
            verified = _step(bars, "verify", connect().verify)
            view = connect().network()
            http.close()
            kept = config.keep
        finally:
            if not kept:
                _step(bars, "stop", lambda: network.stop(running))
    console.print(score_table(scores))
    console.print(links_table(tasks_reply(view).tasks))
    _print_proof(console, identical, all(result.ok for result in verified))
    console.print(f"{len(scores)} tasks in {time.monotonic() - started:.0f} s")
    _print_ways_on(console, config, running.url, sen.store)
    if not all(identical.values()) or not all(result.ok for result in verified):
        raise SenError("an earlier task changed while later ones were learned")


def _prepare_store(store: Path | None) -> Path:
    """A user's store must be new; the demo's own is emptied."""
    if store is not None:
        if store.exists() and any(store.iterdir()):
            raise StoreFormatError(f"{store} is not empty; the demo needs an empty directory")
        return store
    own = home() / "demo-store"
    if own.exists():
        Store.open(own)  # only ever remove what is a store
        shutil.rmtree(own)
    return own


def _load(name: str, config: DemoConfig) -> Split:
    if config.data_dir is not None:
        return real_task(name, config.data_dir)
    train = _EMBEDDED_PER_CLASS[name]
    return embedded_task(name, train_per_class=train, test_per_class=train // 4, seed=config.seed)


def _submit(
    bars: Progress, config: DemoConfig, client: Client
) -> tuple[dict[str, Split], dict[str, Expansion]]:
    """Hand over each task as soon as its data is made; learning begins with the first."""
    data: dict[str, Split] = {}
    expansions: dict[str, Expansion] = {}
    bar = bars.add_task("make data", total=len(NAMES), remark="")
    for name in NAMES:
        bars.update(bar, remark=name)
        data[name] = _load(name, config)
        train = data[name][0]
        how = LearnConfig(
            seed=config.seed, train=TrainConfig(epochs=_EPOCHS[train.signature.modality])
        )
        expansions[name] = client.learn(name, train, how)
        bars.advance(bar)
    examples = sum(len(train) for train, _ in data.values())
    kind = "real" if config.data_dir else "embedded"
    bars.update(bar, remark=f"{examples:,} training examples, {kind}")
    return data, expansions


def _follow(
    bars: Progress,
    data: dict[str, Split],
    expansions: dict[str, Expansion],
    http: HttpNetwork,
) -> dict[str, list[list[tuple[str, float]]]]:
    """Show learning; as soon as a task is learned, write down how it answers."""
    shown = {
        name: bars.add_task(f"learn {name}", total=1, start=False, remark="") for name in expansions
    }
    before = {}
    for name, expansion in expansions.items():
        bars.start_task(shown[name])
        expansion.wait(
            lambda status, bar=shown[name]: bars.update(  # type: ignore[misc]
                bar,
                total=status.epochs or 1,
                completed=status.epochs if status.ended else status.epoch,
                remark=learning_remark(status),
            )
        )
        bars.stop_task(shown[name])
        _wait_until_served(http, name)
        before[name] = answers(http.predict(_compared(data[name]), name))
    return before


def _wait_until_served(http: HttpNetwork, task: str, timeout_s: float = 30.0) -> None:
    """Ingress replicas hear of a new task a moment after it is learned."""
    until = time.monotonic() + timeout_s
    while task not in http.tasks():
        if time.monotonic() > until:
            raise SenError(f"task {task} was learned but is not served after {timeout_s:.0f} s")
        time.sleep(0.05)


def _evaluate(bars: Progress, data: dict[str, Split], http: HttpNetwork) -> list[Score]:
    bar = bars.add_task("ask over HTTP", total=2 * len(data), remark="")
    scores = []
    for name, (_, test) in data.items():
        bars.update(bar, remark=name)
        scores.append(http.score(name, test, lambda: bars.advance(bar)))
    bars.update(bar, remark=f"{2 * sum(score.examples for score in scores):,} answers")
    return scores


def _compared(split: Split) -> TaskData:
    """The same few held-out inputs each time, every class among them."""
    test = split[1]
    shots = -(-_COMPARED // len(test.labels))
    return test.shots(shots, np.random.default_rng(0))


def _still_identical(
    before: dict[str, list[list[tuple[str, float]]]], data: dict[str, Split], http: HttpNetwork
) -> dict[str, bool]:
    return {
        name: answers(http.predict(_compared(data[name]), name)) == earlier
        for name, earlier in before.items()
    }


def _step(bars: Progress, name: str, work: Callable[[], Result], remark: str = "") -> Result:
    bar = bars.add_task(name, total=1, remark=remark)
    result = work()
    bars.advance(bar)
    return result


def _print_proof(console: Console, identical: dict[str, bool], verified: bool) -> None:
    changed = [name for name, same in identical.items() if not same]
    if changed:
        console.print(f"[red]Answers changed after later tasks: {', '.join(changed)}")
    else:
        console.print(
            f"[green]Every task answers bit-identically after all {len(identical)} were learned "
            f"({_COMPARED} inputs each)."
        )
    if verified:
        console.print(
            "[green]Every stored pathway is intact and answers its probes as when frozen."
        )
    else:
        console.print("[red]A stored pathway is damaged or answers differently; see `sen verify`.")


def _print_ways_on(console: Console, config: DemoConfig, url: str, store: str) -> None:
    if config.keep:
        console.print(f"Serving at {url} (try {url}/docs); stop it with `sen down`.")
    else:
        console.print(f"The network is kept in {store}; serve it with `sen up --store {store}`.")
