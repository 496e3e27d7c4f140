"""What the commands of `sen` do."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from cluster.client import Client, connect
from cluster.config import SenConfig, build_config, read_config
from cluster.errors import SenError
from cluster.inputs import Input, read_inputs
from cluster.lifecycle import home
from cluster.messages import Answer
from cluster.registry import Registry
from deploy import keys
from deploy.auth import check_exposed
from deploy.report import (
    keys_table,
    learned_line,
    links_table,
    network_lines,
    progress_bars,
    read_data,
    submit_and_follow,
    tasks_table,
    verification_table,
)
from deploy.schemas import Prediction, network_reply, predict_reply, tasks_reply
from pathways import DataError, FamilyError, LearnConfig
from pathways.data.pairs_file import load_pairs
from pathways.pairing import PairConfig

out = Console()


def up(
    store: str | None, config: Path | None, port: int | None, address: str | None, cpus: int | None
) -> None:
    """Start or join Ray, bring the network back and serve it."""
    from deploy import network as networks  # Serve takes long to import

    wanted = settings(store, config, port)
    source = keys.KeySource(file=wanted.serve.keys_file, text=os.environ.get(keys.ENVIRONMENT, ""))
    guarded = check_exposed(wanted.serve, source)
    with progress_bars(out) as bars:
        bar = bars.add_task("start Ray", total=2, remark=wanted.store)
        running = networks.start(wanted, address=address, cpus=cpus)
        bars.update(bar, advance=1, description="start HTTP")
        running = networks.serve(wanted, running, source)
        bars.update(bar, advance=1, description="serving", remark=running.url)
    view = connect().network()
    for task, reason in view.unavailable.items():
        out.print(f"[yellow]task {task} cannot be served:[/yellow] {reason}", soft_wrap=True)
    served = len(view.registry.current) - len(view.unavailable)
    out.print(f"{served} tasks served at {running.url} (docs: /docs)")
    if not guarded:
        out.print("no API keys: only this machine may ask; see `sen keys add --help`")


def settings(store: str | None, config: Path | None, port: int | None) -> SenConfig:
    """The settings of a file, or the defaults, with what the command line says otherwise."""
    if config is not None:
        read = read_config(config, **({"store": store} if store else {}))
    else:
        read = build_config({"store": store or str(home() / "store")})
    # Replicas have working directories of their own.
    keys_file = keys_path(read.serve.keys_file)
    served = replace(read.serve, keys_file=str(keys_file), port=port or read.serve.port)
    return replace(read, serve=served)


def keys_path(given: str | Path | None) -> Path:
    """The file of API keys: the one given, or this user's."""
    return Path(given or home() / "keys").expanduser().absolute()


def add_key(name: str, scopes: list[str], file: Path | None) -> None:
    """Make an API key and show it, this once."""
    secret = keys.add_key(keys_path(file), name, scopes)
    out.print(f"key {name}, shown only now; send it as `Authorization: Bearer …`:")
    print(secret)


def list_keys(file: Path | None) -> None:
    """Show the names and scopes of API keys."""
    found = keys.read_file(keys_path(file))
    out.print(keys_table(found) if found else "there is no API key; see `sen keys add --help`")


def remove_key(name: str, file: Path | None) -> None:
    """Make an API key invalid."""
    keys.remove_key(keys_path(file), name)
    out.print(f"key {name} is removed; running replicas refuse it within a second")


def down() -> None:
    """Stop the network on this machine."""
    from deploy import network as networks

    running = networks.down()
    out.print(f"stopped; `sen up --store {running.store}` brings it back", soft_wrap=True)


def family_options(given: list[str]) -> dict[str, Any]:
    """Options of a family from NAME=VALUE, where a value is JSON or else a text; raises
    FamilyError."""
    options: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise FamilyError(f"{text!r} is no option; write it as NAME=VALUE")
        if name in options:
            raise FamilyError(f"option {name} is given twice")
        try:
            options[name] = json.loads(value)
        except ValueError:
            options[name] = value
    return options


def learn(
    name: str,
    path: Path,
    how: LearnConfig,
    weights: Path | None,
    address: str | None,
    target: str | None = None,
) -> None:
    """Learn a task and follow its progress."""
    client = connect(address)
    with progress_bars(out) as bars:
        data = read_data(bars, path, target=target)
        submit = partial(client.learn, name, data, how, weights)
        submit_and_follow(bars, submit, f"learn {name}")
    _show_learned(client, [name])


def learn_pair(
    first: str,
    second: str,
    path: Path,
    how: LearnConfig,
    pairing: PairConfig,
    address: str | None,
) -> None:
    """Learn two tasks together and follow their progress."""
    client = connect(address)
    with progress_bars(out) as bars:
        loaded = load_pairs(path)
        for note in loaded.notes:
            bars.console.print(f"note: {note}", highlight=False)
        submit = partial(client.learn_pair, first, second, loaded.data, how, pairing)
        submit_and_follow(bars, submit, f"learn {first} + {second}")
    _show_learned(client, [first, second])


def _show_learned(client: Client, names: Sequence[str]) -> None:
    learned = [task for task in tasks_reply(client.network()).tasks if task.task in names]
    for task in learned:
        out.print(learned_line(task), highlight=False, soft_wrap=True)
    if linked := [task for task in learned if task.links]:
        out.print(links_table(linked))


def predict(
    files: list[Path], task: str | None, top: int, as_json: bool, address: str | None
) -> None:
    """Label files, and every row of those that are tables."""
    client = connect(address)
    registry = client.network().registry
    named = _read_all(files, registry)
    answers = client.predict([given for _, given in named], task=task)
    _show_answers([name for name, _ in named], answers, registry, top, as_json)


def predict_together(
    files: list[Path],
    task: str | None,
    tasks: str | None,
    top: int,
    as_json: bool,
    address: str | None,
) -> None:
    """Label an image and a sound of the same thing."""
    if task is not None:
        raise DataError("an image and a sound together ask two tasks; give --tasks, or neither")
    client = connect(address)
    answers = client.predict_together([files], tasks=tasks.split(",") if tasks else ())
    named = [{"file": " + ".join(map(str, files))}]
    _show_answers(named, answers, client.network().registry, top, as_json)


def _show_answers(
    names: Sequence[dict[str, Any]],
    answers: Sequence[Answer],
    registry: Registry,
    top: int,
    as_json: bool,
) -> None:
    given = predict_reply(answers, registry, top).predictions
    told = list(zip(names, given, strict=True))
    if as_json:
        print(json.dumps([{**name, **p.model_dump()} for name, p in told], indent=1))
        return
    for name, prediction in told:
        where = ":".join(map(str, name.values()))
        out.print(f"{where}: {_in_words(prediction)}", highlight=False, soft_wrap=True)


def _read_all(files: list[Path], registry: Registry) -> list[tuple[dict[str, Any], Input]]:
    """(what it is called, input) of every file, or of every row of a table.

    Columns that hold what a task of the network predicts are no part of a row.
    """
    numbers = {
        entry.spec.labels[0] for entry in registry.entries() if entry.spec.output == "number"
    }
    read = []
    for file in files:
        inputs = read_inputs(file, without=numbers)
        one = len(inputs) == 1 and inputs[0].modality != "table"
        read += [
            ({"file": str(file)} if one else {"file": str(file), "row": row}, given)
            for row, given in enumerate(inputs)
        ]
    return read


def _in_words(prediction: Prediction) -> str:
    notes = f"; {', '.join(prediction.notes)}" if prediction.notes else ""
    if prediction.unknown:
        return f"unknown: it is unlike everything learned{notes}"
    told = [f"{v.name} {v.value:.5g} ± {v.deviation:.2g}" for v in prediction.values]
    told += [f"{p.label} {p.probability:.3f}" for p in prediction.probabilities]
    labels = "  ".join(told)
    by = ", ".join(f"{p.pathway} {p.weight:.2f}" for p in prediction.pathways)
    return f"{labels}  (by {by}){notes}"


def tasks(as_json: bool, address: str | None) -> None:
    """List the tasks in service."""
    reply = tasks_reply(connect(address).network())
    if as_json:
        print(reply.model_dump_json(indent=1))
    elif reply.tasks:
        out.print(tasks_table(reply.tasks))
        for task in reply.tasks:
            if task.reason:
                out.print(f"{task.task} is unavailable: {task.reason}", soft_wrap=True)
    else:
        out.print("no task was learned yet; try `sen learn NAME --data FOLDER`")


def network(as_json: bool, address: str | None) -> None:
    """Show the network at a glance."""
    client = connect(address)
    view = client.network()
    reply = network_reply(view, client.config().dispatch.max_active)
    if as_json:
        print(reply.model_dump_json(indent=1))
        return
    for line in network_lines(reply):
        out.print(line, highlight=False)
    if reply.links:
        out.print(links_table(tasks_reply(view).tasks))


def verify(address: str | None) -> None:
    """Prove that every task is what was learned; raises SenError if one is not."""
    results = connect(address).verify()
    out.print(verification_table(results))
    bad = [result.task for result in results if not result.ok]
    if bad:
        raise SenError(f"not as learned: {', '.join(bad)}; restore them from a backup of the store")
    out.print(f"all {len(results)} tasks are as they were learned")
