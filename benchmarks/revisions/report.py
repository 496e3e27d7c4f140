"""What was found, as JSON and as a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from benchmarks.machine import machine
from benchmarks.paper.report import MADE_UP, QUICK
from benchmarks.paper.tables import NONE, markdown
from benchmarks.revisions.setting import Row, Setting


def write(
    out: Path,
    name: str,
    rows: Sequence[Row],
    columns: Mapping[str, str],
    config: Mapping[str, Any],
    setting: Setting,
) -> list[Path]:
    """Write NAME.json and NAME.md; gives the files."""
    out.mkdir(parents=True, exist_ok=True)
    result = {
        "machine": {**machine(), "threads": 1},
        "real_data": setting.data_dir is not None,
        "quick": setting.quick,
        "config": config,
        "rows": rows,
    }
    results, tables = out / f"{name}.json", out / f"{name}.md"
    results.write_text(json.dumps(result, indent=1), encoding="utf-8")
    tables.write_text(_text(rows, columns, setting), encoding="utf-8")
    return [results, tables]


def _text(rows: Sequence[Row], columns: Mapping[str, str], setting: Setting) -> str:
    seeds = sorted({int(row["seed"]) for row in rows})
    notes = [f"Mean ± sample standard deviation over seeds {', '.join(map(str, seeds))}."]
    notes += [MADE_UP] if setting.data_dir is None else []
    notes += [QUICK] if setting.quick else []
    return "\n\n".join([*notes, table(rows, columns)]) + "\n"


def table(rows: Sequence[Row], columns: Mapping[str, str]) -> str:
    """A line a way, over its seeds."""
    ways = list(dict.fromkeys(str(row["way"]) for row in rows))
    lines = []
    for way in ways:
        its = [row for row in rows if row["way"] == way]
        lines.append([way, *(_cell(its, name) for name in columns)])
    return markdown(["", *columns.values()], lines)


def _cell(rows: Sequence[Row], name: str) -> str:
    values = [float(row[name]) for row in rows if name in row]
    if not values:
        return NONE
    if name == "published":
        return f"{int(sum(values))} of {len(rows)}"
    scale, digits = _form(name)
    around = f" ± {scale * stdev(values):,.{digits}f}" if len(values) > 1 else ""
    return f"{scale * fmean(values):,.{digits}f}{around}"


def _form(name: str) -> tuple[float, int]:
    """(factor, digits after the point) of a figure."""
    if name.startswith(("test", "accuracy", "linked", "others")):
        return 100, 1
    if name == "loss":
        return 100, 2
    if name == "weight_difference":
        return 1e6, 1
    return (1, 1) if name.startswith(("microseconds", "units", "links")) else (1, 0)
