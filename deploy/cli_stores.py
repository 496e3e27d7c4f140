"""The commands of `sen` that copy stores: what they take. What they do is in `store_commands`."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer()

Destination = Annotated[str, typer.Argument(help="Empty directory, or URI of an empty prefix.")]


@app.command(epilog="Example: `sen backup s3://backups/sen/monday`")
def backup(
    destination: Destination,
    store: Annotated[
        str | None,
        typer.Option(help="What to copy; by default that of the network that runs here."),
    ] = None,
) -> None:
    """Copy a store as of one moment, while its network runs; called again, it goes on."""
    from deploy import store_commands

    store_commands.backup(destination, store)


@app.command(epilog="Example: `sen restore s3://backups/sen/monday my-network`")
def restore(
    source: Annotated[str, typer.Argument(help="A backup: directory or URI.")],
    destination: Destination,
) -> None:
    """Make a store from a backup, every file checked; `sen up --store` then serves it."""
    from deploy import store_commands

    store_commands.restore(source, destination)
