"""The command line: how large a cluster is simulated and reckoned for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.progress import track

from benchmarks.slots import report
from benchmarks.slots.costs import Costs, measured
from benchmarks.slots.reckoning import Cluster
from benchmarks.slots.scenarios import figures, scenarios, simulate
from pathways import PathwaysError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def main() -> None:
    """Run the command; a user's mistake becomes one sentence and exit code 1."""
    try:
        app()
    except PathwaysError as error:
        Console(stderr=True).print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)


@app.command()
def run(
    out: Annotated[Path, typer.Option(help="Folder for results.")] = Path("results/slots"),
    measured_at: Annotated[
        Path | None, typer.Option("--measured", help="results.json of benchmarks.scale.")
    ] = None,
    tasks: Annotated[int, typer.Option(min=1)] = 100_000,
    nodes: Annotated[int, typer.Option(min=1)] = 100,
    slots: Annotated[int, typer.Option(min=1, help="On each node.")] = 4,
    pathways_per_slot: Annotated[int, typer.Option(min=1)] = 25,
    rps: Annotated[float, typer.Option(min=1, help="Requests a second, over all nodes.")] = 2_000,
    seconds: Annotated[int, typer.Option(min=2, help="Of simulated time.")] = 180,
    expansions_per_s: Annotated[float, typer.Option(min=0)] = 5.0,
    wake_ms: Annotated[float | None, typer.Option(help="In place of the measured time.")] = None,
) -> None:
    """Simulate the slot policy under made-up traffic, and reckon which wall comes next."""
    console = Console()
    costs = Costs() if measured_at is None else measured(measured_at)
    if wake_ms is not None:
        costs = Costs(wake_s=wake_ms / 1e3)
    wanted = scenarios(
        tasks=tasks,
        nodes=nodes,
        slots=slots,
        pathways_per_slot=pathways_per_slot,
        rps=rps,
        seconds=seconds,
    )
    found = {}
    for scenario in track(wanted, "simulating", console=console):
        outcome = simulate(scenario, costs)
        found[scenario.title] = (scenario, figures(scenario, outcome), outcome.minutes)
    live = found[wanted[2].title][1]
    cluster = Cluster(
        tasks=tasks,
        nodes=nodes,
        rps=rps,
        expansions_per_s=expansions_per_s,
        miss_share=1 - live["hit_share"],
    )
    units = report.units(measured_at) if measured_at else None
    files = report.write(out, found, costs, cluster, units)
    console.print(Markdown((out / "tables.md").read_text(encoding="utf-8")))
    for path in files:
        console.print(f"wrote {path}", soft_wrap=True)
