"""The `sen` command: what it takes. What it does is in `commands`, imported only when a command
runs, so that --help answers at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from deploy import cli_options as take
from deploy import cli_revisions, cli_stores, cli_watching
from deploy.cli_options import Address, AsJson

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="SEN: one network that learns task after task and never forgets.",
    epilog="Start with `sen demo`. Every command has --help with an example.",
)

keys = typer.Typer(no_args_is_help=True, help="Make, list and remove API keys for HTTP.")
app.add_typer(keys, name="keys")
app.add_typer(cli_revisions.app)
app.add_typer(cli_stores.app)
app.add_typer(cli_watching.app)

KeysFile = Annotated[
    Path | None, typer.Option(help="The setting serve.keys_file; by default $SEN_HOME/keys.")
]


def main() -> None:
    """Run the command; a user's mistake becomes one sentence and exit code 1."""
    try:
        app()
    except (ValueError, TimeoutError) as error:
        if "--debug" in sys.argv or not _is_users(error):
            raise
        _say_error(error)
        sys.exit(1)


def _is_users(error: Exception) -> bool:
    """Whether the error is one of those that users can mend, not one of ours."""
    from cluster.errors import SenError
    from dispatcher import DispatcherError
    from pathways import PathwaysError

    return isinstance(error, (PathwaysError, DispatcherError, SenError, TimeoutError))


def _say_error(error: Exception) -> None:
    from cluster.errors import user_message

    said = f"[red]error:[/red] {escape(user_message(error))}"
    Console(stderr=True).print(said, highlight=False, soft_wrap=True)


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
        bool, typer.Option("--download", help="Fetch missing sets into --data-dir first.")
    ] = False,
    store: Annotated[Path | None, typer.Option(help="Empty directory for the network.")] = None,
    seed: Annotated[int, typer.Option(help="Of data and weights.", min=0)] = 0,
    port: Annotated[int, typer.Option(help="To serve HTTP on.")] = 8000,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it serving at the end.")] = False,
) -> None:
    """Learn five tasks one after the other, serve them, and ask without naming the task."""
    from deploy.demo import DemoConfig, run_demo

    wanted = DemoConfig(
        data_dir=data_dir, download=download, store=store, seed=seed, port=port, keep=keep
    )
    run_demo(wanted, Console())


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
    from deploy import commands

    commands.up(store, config, port, address, cpus)


@app.command(epilog="Example: `git pull && make setup && sen update`")
def update() -> None:
    """Change a running network over to the code that is installed now, without interrupting it.

    Call it where `sen up` was called, once all nodes have the new code. Settings stay as they are.
    What is being learned begins anew.
    """
    from deploy import updating

    updating.update()


@app.command(epilog="Example: `sen down`")
def down() -> None:
    """Stop the network on this machine; its store keeps everything."""
    from deploy import commands

    commands.down()


@app.command(epilog="Example: `sen learn digits --data digits/ --family cnn --augment`")
def learn(
    name: Annotated[str, typer.Argument(help="Of the new task: a-z, 0-9, '.', '_', '-'.")],
    data: take.Data,
    target: take.Target = None,
    family: take.Family = None,
    option: take.FamilyOptions = None,
    weights: take.Weights = None,
    shots: take.Shots = None,
    epochs: take.Epochs = 10,
    augment: take.Augment = False,
    mixed_precision: take.MixedPrecision = False,
    threshold: take.Threshold = 0.7,
    seed: take.Seed = 0,
    share_with: take.ShareWith = None,
    shared_data: take.SharedData = None,
    forget_budget: take.ForgetBudget = 0.02,
    concepts: take.Concepts = None,
    namespace: take.Namespace = "",
    address: Address = None,
) -> None:
    """Learn a new task from labelled examples."""
    from deploy import commands, revision_commands
    from deploy.concepts import read_concepts
    from pathways import LearnConfig, TrainConfig

    how = LearnConfig(
        family=family,
        options=commands.family_options(option or []),
        shots=shots,
        threshold=threshold,
        seed=seed,
        concepts=read_concepts(concepts) if concepts else {},
        namespace=namespace,
        train=TrainConfig(epochs=epochs, augment=augment, mixed_precision=mixed_precision),
    )
    if share_with is None and shared_data is None:
        commands.learn(name, data, how, weights, address, target)
    elif share_with is None or shared_data is None:
        raise typer.BadParameter("--share-with and --shared-data are given together")
    else:
        revision_commands.learn_sharing(
            name, data, how, share_with, shared_data, forget_budget, address
        )


@app.command(epilog="Example: `sen learn-pair digits spoken --data pairs.npz`")
def learn_pair(
    first: Annotated[str, typer.Argument(help="Name of the new task of images.")],
    second: Annotated[str, typer.Argument(help="Name of the new task of sounds.")],
    data: Annotated[
        Path, typer.Option(help=".npz with x_image, x_sound, rate_hz and y; -1 is no label.")
    ],
    agreement: Annotated[
        float, typer.Option(help="Weight of agreeing on pairs without labels; 0: off.", min=0)
    ] = 1.0,
    epochs: take.Epochs = 10,
    augment: take.Augment = False,
    namespace: take.Namespace = "",
    seed: take.Seed = 0,
    address: Address = None,
) -> None:
    """Learn two tasks together, from images and sounds that were shown together."""
    from deploy import commands
    from pathways import LearnConfig, TrainConfig
    from pathways.pairing import PairConfig

    train = TrainConfig(epochs=epochs, augment=augment)
    how = LearnConfig(seed=seed, namespace=namespace, train=train)
    commands.learn_pair(first, second, data, how, PairConfig(agreement=agreement), address)


@app.command(epilog="Example: `sen predict seven.png --top 3`")
def predict(
    files: Annotated[
        list[Path], typer.Argument(help="Images (PNG, JPEG …), sounds (WAV) or tables (CSV).")
    ],
    task: Annotated[str | None, typer.Option(help="Ask this task only.")] = None,
    together: Annotated[
        bool,
        typer.Option("--together", help="An image and a sound of the same thing: one answer."),
    ] = False,
    tasks: Annotated[
        str | None, typer.Option(help="With --together: ask these two, such as digits,spoken.")
    ] = None,
    top: Annotated[int, typer.Option(help="Labels to show.", min=1)] = 3,
    as_json: AsJson = False,
    address: Address = None,
) -> None:
    """Label files, or the rows of a table; the dispatcher decides which tasks they belong to."""
    from deploy import commands

    if together:
        commands.predict_together(files, task, tasks, top, as_json, address)
    else:
        commands.predict(files, task, top, as_json, address)


@app.command(epilog="Example: `sen tasks --json`")
def tasks(as_json: AsJson = False, address: Address = None) -> None:
    """List the tasks in service."""
    from deploy import commands

    commands.tasks(as_json, address)


@app.command(epilog="Example: `sen network`")
def network(as_json: AsJson = False, address: Address = None) -> None:
    """Show tasks, links, slots and the share of weights that is active."""
    from deploy import commands

    commands.network(as_json, address)


@app.command(epilog="Example: `sen verify`")
def verify(address: Address = None) -> None:
    """Prove that every task is what was learned: weight files and answers, bit for bit."""
    from deploy import commands

    commands.verify(address)


@app.command(epilog="Example: `sen status` or `sen status --watch`")
def status(
    as_json: AsJson = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Again every two seconds, until Ctrl-C.")
    ] = False,
    address: Address = None,
) -> None:
    """Show what runs: nodes, replicas, slots, tasks being learned, and whether all is well."""
    from deploy.status import status as show

    show(address, as_json, watch)


@app.command(epilog="Example: `sen doctor` before `sen up`, or while the network runs")
def doctor(
    config: Annotated[Path | None, typer.Option(help="YAML file with settings.")] = None,
    port: Annotated[int | None, typer.Option(help="To serve HTTP on.")] = None,
    as_json: AsJson = False,
    address: Address = None,
) -> None:
    """Check this machine and every node of the network, and say how to mend what is not well."""
    from deploy import commands
    from deploy.doctor import doctor as examine

    examine(commands.settings(None, config, port), address, as_json)


@keys.command("add", epilog="Example: `sen keys add camera --scope predict`")
def add_key(
    name: Annotated[str, typer.Argument(help="Of the key's owner.")],
    scope: Annotated[list[str], typer.Option(help="predict or learn; may be given twice.")],
    file: KeysFile = None,
) -> None:
    """Make an API key and show it, this once: only its hash is kept."""
    from deploy import commands

    commands.add_key(name, scope, file)


@keys.command("list", epilog="Example: `sen keys list`")
def list_keys(file: KeysFile = None) -> None:
    """Show the names and scopes of the API keys."""
    from deploy import commands

    commands.list_keys(file)


@keys.command("remove", epilog="Example: `sen keys remove camera`")
def remove_key(name: str, file: KeysFile = None) -> None:
    """Make an API key invalid; running replicas notice within a second."""
    from deploy import commands

    commands.remove_key(name, file)
