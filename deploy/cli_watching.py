"""The commands of `sen` that look at all nodes from one place: what they take. What they do is in
`logs` and `monitor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deploy.cli_options import Address

app = typer.Typer()


@app.command(epilog="Example: `sen logs --errors` or `sen logs --kind slot --node 10.0.0.7 -f`")
def logs(
    kind: Annotated[
        list[str] | None,
        typer.Option(
            help="Only of such processes: controller, slot, replica, dispatcher, training, serve, "
            "ray (Ray's own, which are left out otherwise). Can be given several times."
        ),
    ] = None,
    node: Annotated[
        str | None, typer.Option(help="Only of this node: its address, or how its id begins.")
    ] = None,
    lines: Annotated[int, typer.Option(help="Last lines of each file.", min=1)] = 20,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is added, until Ctrl-C.")
    ] = False,
    errors: Annotated[
        bool, typer.Option("--errors", help="Only lines that tell of errors, and tracebacks.")
    ] = False,
    as_list: Annotated[
        bool, typer.Option("--list", help="Only name the files, with who wrote them.")
    ] = False,
    address: Address = None,
) -> None:
    """Show what the processes of all nodes wrote: the ends of their logs, the newest last."""
    from deploy import logs as work

    work.logs(kind or [], node, lines, follow, errors, as_list, address)


@app.command(epilog="Example: `sen monitor` or `sen monitor --files-only --folder monitor`")
def monitor(
    folder: Annotated[
        Path | None, typer.Option(help="Of settings and data; by default $SEN_HOME/monitor.")
    ] = None,
    prometheus_port: Annotated[
        int, typer.Option(help="Prometheus listens on.", min=1, max=65_535)
    ] = 9090,
    grafana_port: Annotated[
        int, typer.Option(help="Grafana listens on.", min=1, max=65_535)
    ] = 3000,
    grafana_home: Annotated[
        Path | None, typer.Option(help="Where Grafana is installed, if not in a usual place.")
    ] = None,
    files_only: Annotated[
        bool, typer.Option("--files-only", help="Write the settings and start nothing.")
    ] = False,
    address: Address = None,
) -> None:
    """Start Prometheus and Grafana on the metrics of all nodes, until Ctrl-C."""
    from deploy import monitor as work

    work.monitor(folder, prometheus_port, grafana_port, grafana_home, files_only, address)
