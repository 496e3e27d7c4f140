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

from cluster.client import Client, connect
from cluster.config import SenConfig, ServeConfig
from cluster.errors import ConfigError, SenError, StoreFormatError
from cluster.handle import Expansion
from cluster.lifecycle import Running, home
from cluster.store import Store
from deploy import network
from deploy.evaluation import HttpNetwork, Score, answers
from deploy.report import follow_expansion, links_table, progress_bars, score_table
from deploy.schemas import TaskInfo, tasks_reply
from pathways import LearnConfig, TaskData, TrainConfig
from pathways.data.embedded import NAMES, embedded_task
from pathways.data.real import download, real_task

_EMBEDDED_PER_CLASS = {"fashion": 400, "digits": 400, "lower": 160, "upper": 160, "spoken": 100}
_IMAGES = TrainConfig(epochs=15)
# The spoken sets are small: small batches learn most from each second.
_SOUNDS = TrainConfig(epochs=15, min_steps=0, batch_size=64)
_COMPARED = 200  # held-out inputs of each task whose answers are compared bit for bit

Split = tuple[TaskData, TaskData]
Answers = list[list[tuple[str, float]]]
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


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the demo measured."""

    url: str
    scores: list[Score]
    tasks: list[TaskInfo]
    changed: list[str]
    """Tasks that answer otherwise than when they were learned."""
    verified: bool
    """Every stored pathway has its hash and answers its probes as when frozen."""


def run_demo(config: DemoConfig, console: Console) -> None:
    """Run the demo; raises SenError or PathwaysError, and cleans up in any case."""
    started = time.monotonic()
    if config.download:
        if config.data_dir is None:
            raise ConfigError("--download needs --data-dir to say where the data sets go")
        download(config.data_dir, report=console.print)
    sen = SenConfig(store=str(_prepare_store(config.store)), serve=ServeConfig(port=config.port))
    with progress_bars(console) as bars:
        running = _step(bars, "start Ray", lambda: network.start(sen))
        kept = False
        try:
            findings = _learn_and_ask(bars, config, sen, running)
            kept = config.keep
        finally:
            if not kept:
                _step(bars, "stop", lambda: network.stop(running))
    _print_findings(console, findings)
    console.print(f"{len(findings.scores)} tasks in {time.monotonic() - started:.0f} s")
    if config.keep:
        console.print(f"Serving at {findings.url} (docs: /docs); stop it with `sen down`.")
    else:
        console.print(f"The network is kept; serve it with `sen up --store {sen.store}`.")
    if findings.changed or not findings.verified:
        raise SenError("an earlier task changed while later ones were learned")


def _learn_and_ask(
    bars: Progress, config: DemoConfig, sen: SenConfig, running: Running
) -> Findings:
    client = connect()
    data = _make_data(bars, config)
    # Ray Train starts its worker for the first task while Serve starts its replicas.
    first = _submit(client, config, NAMES[0], data)
    url = _step(bars, "start HTTP", lambda: network.serve(sen, running)).url
    with HttpNetwork(url) as http:
        before = _learn_all(bars, client, config, first, data, http)
        scores = _evaluate(bars, data, http)
        changed = [
            name
            for name, earlier in before.items()
            if answers(http.predict(_compared(data[name]), name)) != earlier
        ]
    verified = _step(bars, "verify", client.verify)
    return Findings(
        url=url,
        scores=scores,
        tasks=tasks_reply(client.network()).tasks,
        changed=changed,
        verified=all(result.ok for result in verified),
    )


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


def _make_data(bars: Progress, config: DemoConfig) -> dict[str, Split]:
    data: dict[str, Split] = {}
    kind = "read data" if config.data_dir else "make data"
    bar = bars.add_task(kind, total=len(NAMES), remark="")
    for name in NAMES:
        bars.update(bar, remark=name)
        data[name] = _load(name, config)
        bars.advance(bar)
    examples = sum(len(train) for train, _ in data.values())
    bars.update(bar, remark=f"{examples:,} training examples")
    return data


def _submit(client: Client, config: DemoConfig, name: str, data: dict[str, Split]) -> Expansion:
    train = data[name][0]
    budget = _SOUNDS if train.signature.modality == "audio" else _IMAGES
    return client.learn(name, train, LearnConfig(seed=config.seed, train=budget))


def _learn_all(
    bars: Progress,
    client: Client,
    config: DemoConfig,
    first: Expansion,
    data: dict[str, Split],
    http: HttpNetwork,
) -> dict[str, Answers]:
    """Learn task after task; before the next one, write down how each answers."""
    before: dict[str, Answers] = {}
    for name in NAMES:
        expansion = first if name == NAMES[0] else _submit(client, config, name, data)
        follow_expansion(bars, expansion, f"learn {name}")
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


def _step(bars: Progress, name: str, work: Callable[[], Result], remark: str = "") -> Result:
    bar = bars.add_task(name, total=1, remark=remark)
    result = work()
    bars.advance(bar)
    return result


def _print_findings(console: Console, findings: Findings) -> None:
    console.print(score_table(findings.scores))
    console.print(links_table(findings.tasks))
    if findings.changed:
        console.print(f"[red]Answers changed after later tasks: {', '.join(findings.changed)}")
    else:
        console.print(
            f"[green]Every task answers bit-identically after all {len(findings.scores)} were "
            f"learned ({_COMPARED} inputs each)."
        )
    if findings.verified:
        console.print(
            "[green]Every stored pathway is intact and answers its probes as when frozen."
        )
    else:
        console.print("[red]A stored pathway is damaged or answers differently; see `sen verify`.")
