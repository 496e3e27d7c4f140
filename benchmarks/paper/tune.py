"""Choose the strengths of the baselines on validation data, never on the test part.

    python -m benchmarks.paper.tune --data-dir ../shared/data

Every strength of the grid learns the four image tasks in sequence, from five sixths of their
training parts, with a seed that no result uses; the best mean accuracy at the end wins. Everything
else (model, optimiser, epochs, batch size, learning rate) is the same for every system, SEN too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.progress import track

from benchmarks.machine import machine
from benchmarks.paper.chain import SYSTEMS, Data, in_sequence
from benchmarks.paper.profiles import PAPER, Profile
from benchmarks.paper.tasks import IMAGE_TASKS, load_task

SEED = 1_000

GRID: Mapping[str, tuple[str, tuple[float, ...]]] = {
    "ewc": ("ewc_strength", (1.0, 10.0, 100.0, 1e3, 1e4, 1e5)),
    "lwf": ("lwf_strength", (0.3, 1.0, 3.0, 10.0)),
}
"""System → (field of Baselines, values tried). Replay's memory is a price, so it is not tuned."""


def tune(profile: Profile, data: Data) -> dict[str, dict[str, float]]:
    """Mean accuracy at the end, 0..1, of every value of the grid, by system."""
    tried = [(system, value) for system, (_, values) in GRID.items() for value in values]
    results: dict[str, dict[str, float]] = {system: {} for system in GRID}
    for system, value in track(tried, "learning"):
        results[system][f"{value:g}"] = _mean_accuracy(profile, system, value, data)
    return results


def _mean_accuracy(profile: Profile, system: str, value: float, data: Data) -> float:
    strengths: dict[str, Any] = {GRID[system][0]: value}
    given = replace(profile, shots=(), baselines=replace(profile.baselines, **strengths))
    module, _, name = SYSTEMS[system].partition(":")
    make = getattr(import_module(module), name)
    record = in_sequence(make, given, system, SEED, data, lambda step: None)
    return fmean(record.last.values())


def main(
    data_dir: Annotated[
        Path | None, typer.Option(help="Real data sets; without it, made-up ones.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the figures as JSON here.")] = None,
) -> None:
    """Try the grid and say which strength of each baseline is best on validation data."""
    torch.set_num_threads(1)
    console = Console()
    data = {task: load_task(task, data_dir, validation=True) for task in IMAGE_TASKS}
    results = tune(PAPER, data)
    for system, found in results.items():
        best = max(found, key=lambda value: found[value])
        said = ", ".join(f"{value}: {100 * share:.2f} %" for value, share in found.items())
        console.print(f"{GRID[system][0]}: {best} is best ({said})", highlight=False)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        result = {"machine": machine(), "seed": SEED, "accuracy": results}
        out.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
