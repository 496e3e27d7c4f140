"""The `sen` command."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cluster.client import Client, connect
from cluster.config import SenConfig, ServeConfig, build_config, read_config
from cluster.errors import ConfigError, NotRunning, SenError, user_message
from cluster.lifecycle import Running, home, load_running
from cluster.messages import ExpansionStatus
from deploy import network as networks
from deploy.demo import DemoConfig, run_demo
from deploy.report import (
    learning_remark,
    links_table,
    network_lines,
    progress_bars,
    tasks_table,
    verification_table,
)
from deploy.schemas import network_reply, predict_reply, tasks_reply
from dispatcher import DispatcherError
from pathways import LearnConfig, PathwaysError, TrainConfig
from pathways.data.load import load_task
from pathways.families import FAMILIES

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="SEN: one network that learns task after task and never forgets.",
    epilog="Start with `sen demo`. Every command has --help with an example.",
)
out = Console()
err = Console(stderr=True)

Address = Annotated[
    str | None, typer.Option(help="Ray cluster, host:port; by default the one `sen up` started.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Run the command; a user's mistake becomes one sentence and exit code 1."""
    try:
        app()
    except (PathwaysError, DispatcherError, SenError, TimeoutError) as error:
        if "--debug" in sys.argv:
            raise
        err.print(f"[red]error:[/red] {user_message(error)}", highlight=False, soft_wrap=True)
        sys.exit(1)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    """Options of all commands; `main` looks for --debug itself."""


@app.command(epilog="Example: `sen demo` or `sen demo --data-dir data --download --keep`")
def demo(
    data_dir: Annotated[
        Path | None, typer.Option(help="Real data sets instead of the embedded ones.")
    ] = None,
    download: Annotated[
        bool, typer.Option(help="Fetch missing sets into --data-dir first.")
    ] = False,
    store: Annotated[Path | None, typer.Option(help="Empty directory for the network.")] = None,
    seed: Annotated[int, typer.Option(help="Of data and weights.", min=0)] = 0,
    port: Annotated[int, typer.Option(help="To serve HTTP on.")] = 8000,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it serving at the end.")] = False,
) -> None:
    """Learn five tasks one after the other, serve them, and ask without naming the task."""
    if download and data_dir is None:
        raise ConfigError("--download needs --data-dir to say where the data sets go")
    run_demo(
        DemoConfig(
            data_dir=data_dir, download=download, store=store, seed=seed, port=port, keep=keep
        ),
        out,
    )


@app.command(epilog="Example: `sen up --store my-network --port 8000`")
def up(
    store: Annotated[
        str | None, typer.Option(help="Directory or URI of the network's store.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file with settings.")] = None,
    port: Annotated[int | None, typer.Option(help="To serve HTTP on.")] = None,
    address: Annotated[
        str | None, typer.Option(help="Join this Ray cluster instead of starting one.")
    ] = None,
    cpus: Annotated[
        int | None, typer.Option(help="CPUs a started Ray may use; all by default.", min=1)
    ] = None,
) -> None:
    """Start (or join) Ray, bring the network of a store back, and serve it."""
    settings = _settings(store, config, port)
    with progress_bars(out) as bars:
        bar = bars.add_task("start Ray", total=2, remark=settings.store)
        running = networks.start(settings, address=address, cpus=cpus)
        bars.update(bar, advance=1, description="start HTTP")
        running = networks.serve(settings, running)
        bars.update(bar, advance=1, description="serving", remark=running.url)
    view = connect().network()
    for task, reason in view.unavailable.items():
        err.print(f"[yellow]task {task} cannot be served:[/yellow] {reason}", soft_wrap=True)
    out.print(f"{len(view.registry.entries())} tasks served at {running.url} (docs: /docs)")


def _settings(store: str | None, config: Path | None, port: int | None) -> SenConfig:
    if config is not None:
        settings = read_config(config, **({"store": store} if store else {}))
    else:
        settings = build_config({"store": store or str(home() / "store")})
    if port is None:
        return settings
    serving = {**vars(settings.serve), "port": port}
    return SenConfig(**{**vars(settings), "serve": ServeConfig(**serving)})


@app.command(epilog="Example: `sen down`")
def down() -> None:
    """Stop the network on this machine; its store keeps everything."""
    running = networks.down()
    out.print(f"stopped; `sen up --store {running.store}` brings it back")


@app.command(epilog="Example: `sen learn digits --data digits/ --family cnn`")
def learn(
    name: Annotated[str, typer.Argument(help="Of the new task: a-z, 0-9, '.', '_', '-'.")],
    data: Annotated[
        Path,
        typer.Option(
            help="Folder with a directory of images or WAV files for each class, .npz or .parquet."
        ),
    ],
    family: Annotated[
        str | None, typer.Option(help=f"Of models: {', '.join(FAMILIES)}; by default the paper's.")
    ] = None,
    shots: Annotated[
        int | None, typer.Option(help="Examples a class to learn from; 0: links only.", min=0)
    ] = None,
    epochs: Annotated[int, typer.Option(help="Passes over the data.", min=1)] = 10,
    threshold: Annotated[float, typer.Option(help="Mean probability that makes a link.")] = 0.7,
    seed: Annotated[int, typer.Option(help="Of weights and order.", min=0)] = 0,
    address: Address = None,
) -> None:
    """Learn a new task from labelled examples."""
    how = LearnConfig(
        family=family,
        shots=shots,
        threshold=threshold,
        seed=seed,
        train=TrainConfig(epochs=epochs),
    )
    client = connect(address)
    with progress_bars(out) as bars:
        bar = bars.add_task(f"read {data}", total=None, remark="")
        loaded = load_task(
            data, progress=lambda done, total: bars.update(bar, completed=done, total=total)
        )
        bars.update(bar, total=1, completed=1, remark=f"{len(loaded.data):,} examples")
        for note in loaded.notes:
            bars.console.print(f"note: {note}")
        expansion = client.learn(name, loaded.data, how)
        learning = bars.add_task(f"learn {name}", total=1, remark="")

        def show(status: ExpansionStatus) -> None:
            bars.update(
                learning,
                total=status.epochs or 1,
                completed=(status.epochs or 1) if status.ended else status.epoch,
                remark=learning_remark(status),
            )

        expansion.wait(show)
    tasks = [task for task in tasks_reply(client.network()).tasks if task.task == name]
    out.print(tasks_table(tasks))
    out.print(links_table(tasks))


@app.command(epilog="Example: `sen predict seven.png --top 3`")
def predict(
    files: Annotated[list[Path], typer.Argument(help="Images (PNG, JPEG …) or sounds (WAV).")],
    task: Annotated[str | None, typer.Option(help="Ask this task only.")] = None,
    top: Annotated[int, typer.Option(help="Labels to show.", min=1)] = 3,
    as_json: AsJson = False,
    address: Address = None,
) -> None:
    """Label files; the dispatcher decides which tasks they belong to."""
    client = connect(address)
    reply = predict_reply(client.predict(files, task=task), client.network().registry, top)
    if as_json:
        named = [
            {"file": str(f), **p.model_dump()}
            for f, p in zip(files, reply.predictions, strict=True)
        ]
        print(json.dumps(named, indent=1))
        return
    for file, answer in zip(files, reply.predictions, strict=True):
        labels = "  ".join(f"{p.label} {p.probability:.3f}" for p in answer.probabilities)
        by = ", ".join(f"{p.pathway} {p.weight:.2f}" for p in answer.pathways)
        notes = f"; {', '.join(answer.notes)}" if answer.notes else ""
        said = (
            "unknown: it is unlike everything learned" if answer.unknown else f"{labels}  (by {by})"
        )
        out.print(f"{file}: {said}{notes}", highlight=False, soft_wrap=True)


@app.command(epilog="Example: `sen tasks --json`")
def tasks(as_json: AsJson = False, address: Address = None) -> None:
    """List the tasks in service."""
    reply = tasks_reply(connect(address).network())
    if as_json:
        print(reply.model_dump_json(indent=1))
    elif reply.tasks:
        out.print(tasks_table(reply.tasks))
    else:
        out.print("no task was learned yet; try `sen learn NAME --data FOLDER`")


@app.command(epilog="Example: `sen network`")
def network(as_json: AsJson = False, address: Address = None) -> None:
    """Show tasks, links, slots and the share of weights that is active."""
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


@app.command(epilog="Example: `sen verify`")
def verify(address: Address = None) -> None:
    """Prove that every task is what was learned: weight files and answers, bit for bit."""
    results = connect(address).verify()
    out.print(verification_table(results))
    bad = [result.task for result in results if not result.ok]
    if bad:
        raise SenError(f"not as learned: {', '.join(bad)}; restore them from a backup of the store")
    out.print(f"all {len(results)} tasks are as they were learned")


@app.command(epilog="Example: `sen status`")
def status(address: Address = None) -> None:
    """Show what runs: cluster, network, and tasks being learned."""
    running = load_running()
    if running is None and address is None:
        raise NotRunning("no network runs on this machine; start one with `sen up`")
    client = connect(address)
    _print_status(running, client)


def _print_status(running: Running | None, client: Client) -> None:
    if running is not None:
        out.print(f"Ray at {running.address}, store {running.store}", highlight=False)
        out.print(f"HTTP at {running.url or '(not served)'}", highlight=False)
    reply = network_reply(client.network(), client.config().dispatch.max_active)
    for line in network_lines(reply):
        out.print(line, highlight=False)
    for expansion in client.expansions():
        if not expansion.ended or expansion.error:
            out.print(f"{expansion.task}: {learning_remark(expansion)}", highlight=False)
