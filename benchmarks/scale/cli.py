"""The command line: how many tasks, and where results go."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape

from benchmarks.machine import machine
from benchmarks.scale import report
from benchmarks.scale.step import Setting, measure
from benchmarks.serving.load import check_wrk
from cluster.errors import SenError
from pathways import PathwaysError

_ALL = (10, 100, 1_000, 10_000)
_QUICK = (10, 40)

_ABOUT = """What SEN costs as tasks become thousands.

Simulated tasks go the product's own way: learned on Ray Train through the client, stored, served
over HTTP. One store grows from each number of tasks to the next; a step that was measured before
is not measured again, and a store that holds tasks already is learned on from there."""


def main() -> None:
    """Run the command; a user's mistake becomes one sentence and exit code 1."""
    given = _parser().parse_args()
    try:
        run(given, Console())
    except (PathwaysError, SenError, TimeoutError) as error:
        Console(stderr=True).print(f"[red]error:[/red] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale",
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--tasks", type=int, nargs="+", help=f"numbers of tasks, {_ALL} if left out"
    )
    parser.add_argument("--out", type=Path, default=Path("results/scale"), help="results and store")
    parser.add_argument("--seconds", type=int, default=10, help="how long each load lasts")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help=f"{_QUICK} tasks and short loads")
    return parser


def run(given: argparse.Namespace, console: Console) -> None:
    """Measure every number of tasks, and write what was found after each."""
    check_wrk()
    counts = sorted(set(given.tasks or (_QUICK if given.quick else _ALL)))
    seconds = 1 if given.quick else given.seconds
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        home.mkdir()
        setting = Setting(
            out=given.out, home=home, scratch=Path(scratch), seconds=seconds, seed=given.seed
        )
        for count in counts:
            _step(setting, count, console)
    steps = report.read(given.out)
    about = {"machine": machine(), "config": {"seconds": seconds, "seed": given.seed}}
    files = report.write(given.out, steps, about)
    console.print(Markdown(report.text(steps)))
    for path in files:
        console.print(f"wrote {path}", soft_wrap=True)


def _step(setting: Setting, count: int, console: Console) -> None:
    path = report.step_path(setting.out, count)
    if path.exists():
        console.print(f"{count:,} tasks: measured before, see {path}", soft_wrap=True)
        return
    started = time.monotonic()

    def say(what: str) -> None:
        console.print(f"{count:,} tasks, {time.monotonic() - started:.0f} s: {what}")

    step = measure(setting, count, say)
    path.write_text(json.dumps(report.fields(step), indent=1), encoding="utf-8")
