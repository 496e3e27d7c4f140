"""What was measured, as JSON, as tables and as a picture, and whether it is enough."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from benchmarks.paper.tables import markdown
from benchmarks.serving.measure import CONNECTIONS, Load, Row
from benchmarks.serving.systems import SYSTEMS

_TITLES = {system.name: system.title for system in SYSTEMS}
_FEW = 20
_COLUMNS = [
    "tasks",
    "room",
    "traffic",
    "images",
    "c",
    "system",
    "rps",
    "images/s",
    "p50_ms",
    "p99_ms",
    "CPU_ms",
    "memory_MB",
    "failed",
]


@dataclass(frozen=True, kw_only=True)
class Target:
    """Ours over another system's, or a figure of ours alone."""

    what: str
    bound: float
    at_most: bool
    reached: float | None
    """None if a run it takes was not made."""

    @property
    def met(self) -> bool | None:
        if self.reached is None:
            return None
        return self.reached <= self.bound if self.at_most else self.reached >= self.bound


def targets(rows: Sequence[Row]) -> list[Target]:
    """What was asked of this project: 100 tasks, uniform traffic."""
    found = {(row.system, row.load): row for row in rows}

    def figure(
        system: str, field: str, batch: int = 1, c: int = 32, room: int = 100
    ) -> float | None:
        load = Load(tasks=100, room=room, traffic="uniform", batch=batch, connections=c)
        row = found.get((system, load))
        return None if row is None else float(getattr(row, field))

    def ratio(other: str, field: str = "rps", **load: int) -> float | None:
        mine, theirs = figure("dispatching", field, **load), figure(other, field, **load)
        return mine / theirs if mine and theirs else None

    told = ratio("told")
    return [
        _least("rps over FastAPI + uvicorn's", 0.5, ratio("plain")),
        _least("rps over serve.multiplexed's", 5, ratio("multiplexed")),
        _least("rps over serve.multiplexed's with fast flags", 0.9, ratio("multiplexed-fast")),
        _least(
            f"the same with room for {_FEW} of the models",
            1.5,
            ratio("multiplexed-fast", room=_FEW),
        ),
        _most("p99 over FastAPI + uvicorn's", 3, ratio("plain", "p99_ms")),
        _most("p50 in ms, one connection", 3, figure("dispatching", "p50_ms", c=1)),
        _least(
            "images a second over FastAPI + uvicorn's, 256 a request",
            0.8,
            ratio("plain", "images_per_s", batch=256),
        ),
        _most("seconds over those when told the task", 1.2, 1 / told if told else None),
    ]


def _least(what: str, bound: float, reached: float | None) -> Target:
    return Target(what=what, bound=bound, at_most=False, reached=reached)


def _most(what: str, bound: float, reached: float | None) -> Target:
    return Target(what=what, bound=bound, at_most=True, reached=reached)


def write(out: Path, rows: Sequence[Row], about: Mapping[str, Any]) -> list[Path]:
    """Write results.json, tables.md and the picture; gives the files."""
    out.mkdir(parents=True, exist_ok=True)
    result = {
        **about,
        "targets": [{**asdict(target), "met": target.met} for target in targets(rows)],
        "rows": [asdict(row) for row in rows],
    }
    results, tables = out / "results.json", out / "tables.md"
    results.write_text(json.dumps(result, indent=1), encoding="utf-8")
    tables.write_text(text(rows), encoding="utf-8")
    return [results, tables, _picture(rows, out / "requests.png")]


def text(rows: Sequence[Row]) -> str:
    """The tables as Markdown."""
    asked = markdown(
        [
            "100 tasks, uniform traffic, one image a request, 32 connections",
            "asked",
            "reached",
            "met",
        ],
        [
            [
                target.what,
                f"{'≤' if target.at_most else '≥'} {target.bound:g}",
                "–" if target.reached is None else f"{target.reached:.2f}",
                {None: "not measured", True: "yes", False: "**no**"}[target.met],
            ]
            for target in targets(rows)
        ],
    )
    figures = markdown(
        _COLUMNS,
        [_cells(row) for row in sorted(rows, key=lambda row: (*asdict(row.load).values(),))],
    )
    return f"# Serving\n\n{asked}\n\n{figures}\n"


def _cells(row: Row) -> list[str]:
    load = row.load
    return [
        *(str(value) for value in asdict(load).values()),
        _TITLES[row.system],
        *(f"{value:,.0f}" for value in (row.rps, row.images_per_s)),
        *(f"{value:.2f}" for value in (row.p50_ms, row.p99_ms, row.cpu_ms)),
        f"{row.memory_bytes / 2**20:,.0f}",
        str(row.failed),
    ]


def _picture(rows: Sequence[Row], path: Path) -> Path:
    """Requests a second against connections, one panel for each number of images."""
    most = max(row.load.tasks for row in rows)
    batches = sorted({row.load.batch for row in rows})
    figure, panels = plt.subplots(1, len(batches), figsize=(6 * len(batches), 4), squeeze=False)
    for batch, panel in zip(batches, panels[0], strict=True):
        for name, title in _TITLES.items():
            points = sorted(
                (row.load.connections, row.rps)
                for row in rows
                if row.system == name
                and (row.load.tasks, row.load.room, row.load.batch) == (most, most, batch)
                and row.load.traffic == "uniform"
            )
            panel.plot(*zip(*points, strict=True), marker="o", label=title) if points else None
        panel.set(
            title=f"{most} tasks, {batch} image{'s' if batch > 1 else ''} a request",
            xlabel="connections",
            ylabel="requests a second",
            xscale="log",
        )
        panel.set_xticks(CONNECTIONS, [str(c) for c in CONNECTIONS])
        panel.set_ylim(bottom=0)
        panel.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path
