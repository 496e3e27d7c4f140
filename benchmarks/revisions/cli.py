"""The command line: which experiment, on which data, with how many seeds."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.progress import track

from benchmarks.revisions import backward, forgetting, pruning, removing, report
from benchmarks.revisions.setting import Row, Setting
from pathways import PathwaysError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Experiment(StrEnum):
    """What is measured."""

    BACKWARD = "backward"
    PRUNING = "pruning"
    FORGETTING = "forgetting"
    REMOVING = "removing"


_MODULES = {
    Experiment.BACKWARD: backward,
    Experiment.PRUNING: pruning,
    Experiment.FORGETTING: forgetting,
    Experiment.REMOVING: removing,
}


def main() -> None:
    """Run the command; a user's mistake becomes one sentence and exit code 1."""
    try:
        app()
    except PathwaysError as error:
        Console(stderr=True).print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)


@app.command()
def run(
    experiment: Annotated[Experiment, typer.Argument()],
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the real data; made-up data if left out.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs, with seeds 0, 1, …")] = 5,
    out: Annotated[Path, typer.Option(help="Folder for results.")] = Path("results/revisions"),
    quick: Annotated[bool, typer.Option("--quick", help="A smoke test.")] = False,
) -> None:
    """Measure what one kind of revision gains and costs, on one thread."""
    torch.set_num_threads(1)
    console = Console()
    setting, module = Setting(data_dir=data_dir, quick=quick), _MODULES[experiment]
    rows: list[Row] = []
    for seed in track(range(seeds), f"{experiment}, seed by seed", console=console):
        rows += module.run(setting, seed)
        # After every seed, so that a run that is broken off leaves what it found.
        files = report.write(
            out, str(experiment), rows, module.COLUMNS, module.config(setting), setting
        )
    console.print(Markdown(files[1].read_text(encoding="utf-8")))
    for path in files:
        console.print(f"wrote {path}", soft_wrap=True)
