"""The commands of `sen` that change known tasks: what they take. What they do is in
`revision_commands`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli_options import Address, AsJson, Epochs, Seed, share

app = typer.Typer()

Task = Annotated[str, typer.Argument(help="A task that was learned.")]
HeldOut = Annotated[
    Path | None,
    typer.Option(help="Examples to prove it on; by default some of --data are set aside."),
]


@app.command(
    epilog="Example: `sen improve lower --from upper --data lower/`, or `sen improve --auto`"
)
def improve(
    task: Annotated[str | None, typer.Argument(help="A task that was learned.")] = None,
    data: Annotated[Path | None, typer.Option(help="Its examples; see `sen learn`.")] = None,
    source: Annotated[
        str | None,
        typer.Option("--from", help="Later task to read; by default the one that promises most."),
    ] = None,
    held_out: HeldOut = None,
    auto: Annotated[
        bool, typer.Option("--auto", help="Propose the pairs of tasks that promise most.")
    ] = False,
    most: Annotated[int, typer.Option(help="Pairs to propose.", min=1)] = 10,
    epochs: Epochs = 10,
    significance: Annotated[
        float, typer.Option(help="Most p may be, of the new version being better by luck.")
    ] = 0.05,
    seed: Seed = 0,
    as_json: AsJson = False,
    address: Address = None,
) -> None:
    """Let a task learn from a later one; kept only if proven better (backward transfer)."""
    from deploy import revision_commands as commands
    from pathways import TrainConfig
    from pathways.revising import ImproveConfig

    if auto:
        commands.propose(task, most, as_json, address)
        return
    if task is None or data is None:
        raise typer.BadParameter("name a task and its --data, or ask for proposals with --auto")
    how = ImproveConfig(significance=significance, seed=seed, train=TrainConfig(epochs=epochs))
    commands.improve(task, data, source, held_out, how, address)


@app.command(epilog="Example: `sen prune digits --max-loss 0.5% --data digits/`")
def prune(
    task: Task,
    data: Annotated[Path, typer.Option(help="Its examples; see `sen learn`.")],
    max_loss: Annotated[
        float, typer.Option(help="Most it may lose, of held-out examples.", parser=share)
    ] = 0.005,
    held_out: HeldOut = None,
    keep: Annotated[
        int | None, typer.Option(help="Units to keep; by default as few as the loss allows.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of order.", min=0)] = 0,
    address: Address = None,
) -> None:
    """Make a task's pathway smaller and faster, within a stated loss."""
    from deploy import revision_commands as commands
    from pathways.revising import PruneConfig

    how = PruneConfig(max_loss=max_loss, keep=keep, seed=seed)
    commands.prune(task, data, held_out, how, address)


@app.command(epilog="Example: `sen versions lower`")
def versions(task: Task, as_json: AsJson = False, address: Address = None) -> None:
    """Show what a task was and is, and what every new version gained."""
    from deploy import revision_commands as commands

    commands.versions(task, as_json, address)


@app.command(epilog="Example: `sen rollback lower` or `sen rollback lower --to 1`")
def rollback(
    task: Task,
    to: Annotated[
        int | None, typer.Option(help="Version; by default what the one in service was made of.")
    ] = None,
    address: Address = None,
) -> None:
    """Put an earlier version of a task back into service."""
    from deploy import revision_commands as commands

    commands.rollback(task, to, address)


@app.command(epilog="Example: `sen remove digits --reroot`")
def remove(
    task: Task,
    reroot: Annotated[
        bool,
        typer.Option("--reroot", help="Give tasks that read it a copy of what they need."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    address: Address = None,
) -> None:
    """Remove a task for good: its versions, its files, what the router learned of it."""
    from deploy import revision_commands as commands

    if not yes:
        typer.confirm(f"Remove task {task} with all its versions, for good?", abort=True)
    commands.remove(task, reroot, address)
