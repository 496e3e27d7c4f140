"""The command line: what is run, and what is said at the end."""

from __future__ import annotations

import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape
from rich.progress import Progress

from benchmarks.machine import machine
from benchmarks.serving import report
from benchmarks.serving.load import check_wrk
from benchmarks.serving.measure import Row, loads, measure, middle
from benchmarks.serving.models import make_store
from benchmarks.serving.systems import SYSTEMS, System
from pathways import DataError, PathwaysError

_PACKAGES = ("fastapi", "uvicorn", "uvloop", "httptools", "starlette")
_ROOM = 20
_WITH_LITTLE_ROOM = ("dispatching", "multiplexed-fast")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown")


def main() -> None:
    """Run the command; a user's mistake becomes one sentence and exit code 1."""
    try:
        app()
    except (PathwaysError, TimeoutError) as error:
        Console(stderr=True).print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)


@app.command(
    epilog="Examples:\n\n"
    "`python -m benchmarks.serving --out results/serving` – all of it, some 45 minutes\n\n"
    "`python -m benchmarks.serving --quick --systems dispatching,told,plain`"
)
def run(
    out: Annotated[Path, typer.Option(help="Folder for results and the learned store.")] = Path(
        "results/serving"
    ),
    data_dir: Annotated[
        Path | None, typer.Option(help="Real data sets; without it, made-up ones.")
    ] = None,
    systems: Annotated[
        str | None, typer.Option(help=f"Comma-separated, of {', '.join(s.name for s in SYSTEMS)}.")
    ] = None,
    tasks: Annotated[list[int] | None, typer.Option(help="Numbers of tasks.")] = None,
    seconds: Annotated[int, typer.Option(min=1, help="How long each load lasts.")] = 4,
    rounds: Annotated[int, typer.Option(min=1, help="The middle one of so many counts.")] = 1,
    is_quick: Annotated[
        bool, typer.Option("--quick", help="One load only: 32 connections, one image each.")
    ] = False,
) -> None:
    """Compare serving with plain FastAPI and with Ray Serve's multiplexing, on one machine.

    Every system answers the same requests with the same models; only ours is not told the task.
    """
    console = Console()
    check_wrk()
    chosen = _systems(systems)
    rows: list[Row] = []
    with Progress(console=console) as bars, tempfile.TemporaryDirectory() as scratch:
        for count in tasks or (5, 100):
            served = make_store(out / f"store-{count}", count, data_dir, bars)
            for room in [count, _ROOM] if count > _ROOM else [count]:
                among = [s for s in chosen if room == count or s.name in _WITH_LITTLE_ROOM]
                wanted = loads(count, room, is_quick=is_quick)
                bar = bars.add_task("", total=rounds * len(among) * len(wanted))
                for number in range(rounds):
                    folder = Path(scratch) / f"{count}-{room}-{number}"

                    def advance(what: str, bar: object = bar) -> None:
                        bars.update(bar, description=what, advance=1)  # type: ignore[arg-type]

                    rows += measure(among, served, wanted, seconds, folder, advance)
    about = {
        "machine": machine() | {name: version(name) for name in _PACKAGES},
        "config": {"seconds": seconds, "rounds": rounds, "real_data": data_dir is not None},
    }
    files = report.write(out, middle(rows), about)
    console.print(Markdown(report.text(middle(rows))))
    for path in files:
        console.print(f"wrote {path}", soft_wrap=True)


def _systems(wanted: str | None) -> list[System]:
    known = {system.name: system for system in SYSTEMS}
    names = list(known) if wanted is None else [name.strip() for name in wanted.split(",")]
    if unknown := [name for name in names if name not in known]:
        raise DataError(f"there is no system {unknown[0]!r}; known are {', '.join(known)}")
    return [system for system in SYSTEMS if system.name in names]
