"""The command line: what is run, and what is said at the end."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

from benchmarks.paper.chain import SYSTEMS
from benchmarks.paper.jobs import DataConfig, Job, fingerprint, make_jobs
from benchmarks.paper.profiles import PROFILES, Profile, quick
from benchmarks.paper.report import MADE_UP, QUICK, Report
from benchmarks.paper.runner import Runner
from benchmarks.paper.tasks import Letters
from benchmarks.paper.worker import Failure
from pathways import DataError, PathwaysError

_QUICK_PER_CLASS = (20, 10)
_INTERRUPTED = 130  # what shells give for Ctrl-C

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown")


def main() -> None:
    """Run the command; a user's mistake becomes one sentence and exit code 1."""
    try:
        app()
    except PathwaysError as error:
        said = f"[red]error:[/red] {escape(str(error))}"
        Console(stderr=True).print(said, highlight=False, soft_wrap=True)
        sys.exit(1)


@app.command(
    epilog="Examples:\n\n"
    "`python -m benchmarks.paper --quick` – a smoke test on made-up data\n\n"
    "`python -m benchmarks.paper --data-dir ../shared/data` – all of it\n\n"
    "`python -m benchmarks.paper --data-dir data --profile paper --systems sen,single --seeds 1`"
)
def run(
    data_dir: Annotated[
        Path | None, typer.Option(help="Real data sets; without it, made-up ones.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for runs, tables and pictures.")] = Path(
        "results/paper"
    ),
    profile: Annotated[
        Literal["paper", "best", "both"], typer.Option(help="How the tasks are learned.")
    ] = "both",
    seeds: Annotated[int, typer.Option(help="Runs of every system.", min=1)] = 5,
    letters: Annotated[
        Letters, typer.Option(help="LettersCased, or torchvision's EMNIST ByClass.")
    ] = "cased",
    workers: Annotated[
        int | None, typer.Option(help="Processes; by default one for each core.", min=1)
    ] = None,
    systems: Annotated[
        str | None, typer.Option(help=f"Comma-separated, of {', '.join(SYSTEMS)}.")
    ] = None,
    is_quick: Annotated[
        bool, typer.Option("--quick", help="One seed and a small budget: a smoke test.")
    ] = False,
) -> None:
    """Run the paper's experiments: five tasks, learned in order by every system.

    Finished runs are kept in the output folder; the same command goes on where it was stopped,
    and runs again what other settings or other data would change.
    """
    console = Console()
    profiles, names = _profiles(profile, is_quick), _systems(systems)
    config = DataConfig(
        data_dir=data_dir, letters=letters, per_class=_QUICK_PER_CLASS if is_quick else None
    )
    warnings = [*([MADE_UP] if data_dir is None else []), *([QUICK] if is_quick else [])]
    for warning in warnings:
        console.print(f"[yellow]{warning}[/yellow]", soft_wrap=True)
    data = config.load()
    report = Report(
        out=out,
        data_config=config,
        data=data,
        fingerprint=fingerprint(data),
        profiles=profiles,
        warnings=warnings,
    )
    jobs = _jobs(profiles, names, 1 if is_quick else seeds, report.fingerprint)
    count = workers or os.cpu_count() or 1
    failures = _run_jobs(Runner(load=config.load, out=out, workers=count, console=console), jobs)
    for path in report.write():
        console.print(f"wrote {path}", soft_wrap=True)
    if failures:
        failed = "; ".join(str(failure.job) for failure in failures)
        console.print(f"[red]{len(failures)} of {len(jobs)} runs failed:[/red] {failed}")
        raise typer.Exit(1)


def _run_jobs(runner: Runner, jobs: Sequence[Job]) -> list[Failure]:
    """Run them; Ctrl-C ends the command and says how to go on."""
    try:
        return runner.run(jobs)
    except KeyboardInterrupt:
        again = shlex.join(["python", "-m", "benchmarks.paper", *sys.argv[1:]])
        said = f"Stopped; finished runs are in {runner.out}. Go on with:\n{again}"
        runner.console.print(escape(said), soft_wrap=True)
        raise typer.Exit(_INTERRUPTED) from None


def _profiles(wanted: str, is_quick: bool) -> list[Profile]:
    names = list(PROFILES) if wanted == "both" else [wanted]
    if unknown := [name for name in names if name not in PROFILES]:
        raise DataError(f"there is no profile {unknown[0]!r}; known are {', '.join(PROFILES)}")
    return [quick(PROFILES[name]) if is_quick else PROFILES[name] for name in names]


def _systems(wanted: str | None) -> list[str]:
    names = list(SYSTEMS) if wanted is None else [name.strip() for name in wanted.split(",")]
    if unknown := [name for name in names if name not in SYSTEMS]:
        raise DataError(f"there is no system {unknown[0]!r}; known are {', '.join(SYSTEMS)}")
    return names


def _jobs(profiles: Sequence[Profile], names: Sequence[str], seeds: int, digest: str) -> list[Job]:
    """Every system named that a profile has."""
    return [
        job
        for profile in profiles
        for job in make_jobs(
            profile, [name for name in names if name in profile.systems], range(seeds), digest
        )
    ]
