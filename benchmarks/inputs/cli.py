"""What `python -m benchmarks.inputs` takes, and how it shows what it found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.inputs.measure import HOW, Found, measure
from benchmarks.inputs.tables import tables
from benchmarks.inputs.texts import texts
from benchmarks.machine import machine


def main(
    seeds: Annotated[int, typer.Option(help="Splits and weights to average over.", min=1)] = 5,
    out: Annotated[Path | None, typer.Option(help="Write the result as JSON here.")] = None,
) -> None:
    """Learn real tables and texts, and ask about what was set aside, told the task and not."""
    torch.set_num_threads(1)
    words = texts()
    runs = [
        measure({**tables(seed), **words}, seed)
        for seed in track(range(seeds), "learning and asking")
    ]
    means = [mean(found) for found in zip(*runs, strict=True)]
    show(means, Console())
    if out:
        result = {
            "machine": {**machine(), "threads": 1, "scikit-learn": version("scikit-learn")},
            "config": {"seeds": seeds, "learn": asdict(HOW)},
            "means": [asdict(found) for found in means],
            "runs": [[asdict(found) for found in run] for run in runs],
        }
        out.write_text(json.dumps(result, indent=1), encoding="utf-8")


def mean(found: Sequence[Found]) -> Found:
    """One task over all seeds."""
    values: dict[str, Any] = {}
    for field in fields(Found):
        each = [getattr(one, field.name) for one in found]
        values[field.name] = float(np.mean(each)) if isinstance(each[0], float) else each[0]
    return Found(**values)


def show(found: Sequence[Found], console: Console) -> None:
    """As a table."""
    table = Table(
        title="Tables, texts and numbers: % right, or R²",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        caption="told, routed: with the task given, with the dispatcher deciding. forest: "
        "scikit-learn's random forest. in 90 %: values within the interval told to hold so many. "
        "1st, in 2: the task's pathway is first, is among those activated. unknown: said to be "
        "like nothing learned; if new: had the task not been learned; noise: of random inputs.",
    )
    table.add_column("task", no_wrap=True)
    titles = ("told", "forest", "in 90 %", "routed", "1st", "in 2", "unknown", "if new", "noise")
    for title in titles:
        table.add_column(title, justify="right")
    for one in found:
        scored = _r2 if one.output == "number" else _percent
        table.add_row(
            one.task,
            scored(one.told),
            scored(one.forest),
            _percent(one.coverage),
            scored(one.dispatched),
            *(_percent(share) for share in shares(one)),
        )
    console.print(table)


def shares(one: Found) -> tuple[float | None, ...]:
    """How its inputs are dispatched."""
    return one.first, one.among_two, one.unknown, one.unknown_if_new, one.unknown_noise


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"


def _r2(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
