"""What was measured, as JSON, as tables and as pictures, and whether it is enough."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.paper.tables import NONE, markdown
from benchmarks.scale.plots import pictures
from benchmarks.scale.step import Step
from benchmarks.serving.report import Target

Fields = Mapping[str, Any]
"""A step as it stands in its JSON file."""

_GIB = 2**30
_BATCH = "256"
_MANY = 1_000


def step_path(out: Path, tasks: int) -> Path:
    """File of one step's results."""
    return out / f"step-{tasks:06d}.json"


def fields(step: Step) -> dict[str, Any]:
    """A step as JSON holds it."""
    return asdict(step)


def read(out: Path) -> list[Fields]:
    """All steps measured so far, the fewest tasks first."""
    files = sorted(out.glob("step-*.json"))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def write(out: Path, steps: Sequence[Fields], about: Mapping[str, Any]) -> list[Path]:
    """Write results.json, tables.md and the pictures; gives the files."""
    result = {
        **about,
        "targets": [{**asdict(target), "met": target.met} for target in targets(steps)],
        "steps": steps,
    }
    results, tables = out / "results.json", out / "tables.md"
    results.write_text(json.dumps(result, indent=1), encoding="utf-8")
    tables.write_text(text(steps), encoding="utf-8")
    return [results, tables, *pictures(steps, out)]


def rps(step: Fields, room: str, traffic: str) -> float:
    """Requests a second; room: `resident` or `crowded`."""
    return float(next(r["rps"] for r in step[room] if r["load"]["traffic"] == traffic))


def serving_bytes(step: Fields) -> int:
    """All processes while serving with everything resident."""
    return sum(int(held["pss_bytes"]) for held in step["serving"].values())


def targets(steps: Sequence[Fields]) -> list[Target]:
    """What was asked of this project, judged by the step with the most tasks."""
    least, most = steps[0], steps[-1]
    first_many = [s for s in steps if s["tasks"] <= _MANY and s["first_rate"]]
    first = first_many[-1]["first_rate"] if first_many else None
    hundred = next((s for s in steps if s["tasks"] == 100), None)
    routing = most["inside"]["routing"]
    return [
        _least("expansions a second, the last thousand", 5, most["last_rate"]),
        _least("the last thousand's over the first's", 0.8, _ratio(most["last_rate"], first)),
        _most("GiB of all processes, learning", 8, most["learning_bytes"] / _GIB),
        _most("GiB of all processes, serving", 8, serving_bytes(most) / _GIB),
        _most("ms to wake a pathway, p50", 10, most["inside"]["wakes"]["p50_ms"]),
        _least(
            "Zipf rps with a tenth resident over everything resident",
            0.5,
            rps(most, "crowded", "zipf") / rps(most, "resident", "zipf"),
        ),
        _least(
            f"rps over that at {least['tasks']:,} tasks",
            0.8,
            rps(most, "resident", "uniform") / rps(least, "resident", "uniform"),
        ),
        _most("s from start to the first right answer", 60, most["cold_start_s"]),
        _most("active share times tasks", 2, most["asked"]["active_share"] * most["tasks"]),
        _most(
            f"routing time over that at 100 tasks, {_BATCH} inputs at once",
            2,
            _ratio(_routing_ms(most), _routing_ms(hundred) if hundred else None),
        ),
        _most(
            "points of top-two recall below exact scoring",
            1,
            100 * (routing["exact_among_two"] - routing["among_two"]),
        ),
    ]


def _routing_ms(step: Fields) -> float:
    return float(step["inside"]["routing"]["ms_per_input"][_BATCH])


def _ratio(over: float | None, under: float | None) -> float | None:
    return over / under if over and under else None


def _least(what: str, bound: float, reached: float | None) -> Target:
    return Target(what=what, bound=bound, at_most=False, reached=reached)


def _most(what: str, bound: float, reached: float | None) -> Target:
    return Target(what=what, bound=bound, at_most=True, reached=reached)


def text(steps: Sequence[Fields]) -> str:
    """The tables as Markdown."""
    parts = [_asked(steps), _costs(steps), _loads(steps), _memory(steps), _store(steps)]
    return "# Scale\n\n" + "\n\n".join(parts) + "\n"


def _asked(steps: Sequence[Fields]) -> str:
    return markdown(
        [f"{steps[-1]['tasks']:,} tasks", "asked", "reached", "met"],
        [
            [
                target.what,
                f"{'≤' if target.at_most else '≥'} {target.bound:g}",
                NONE if target.reached is None else f"{target.reached:.2f}",
                {None: "not measured", True: "yes", False: "**no**"}[target.met],
            ]
            for target in targets(steps)
        ],
    )


_FIGURES = (
    ("expansions a second, first of the step", lambda s: _figure(s["first_rate"], 2)),
    ("expansions a second, last of the step", lambda s: _figure(s["last_rate"], 2)),
    ("tasks at either end that these are over", lambda s: f"{s['window']:,}"),
    ("expansions that failed", lambda s: str(s["growth"]["failed"])),
    ("learned from the true source, %", lambda s: _percent(s["inside"]["sources"]["true"])),
    ("learned from its family, %", lambda s: _percent(s["inside"]["sources"]["family"])),
    ("right label over HTTP, %", lambda s: _percent(s["asked"]["right"])),
    ("right task first, %", lambda s: _percent(s["inside"]["routing"]["first"])),
    ("right task among two, %", lambda s: _percent(s["inside"]["routing"]["among_two"])),
    (
        "the same, scoring every task, %",
        lambda s: _percent(s["inside"]["routing"]["exact_among_two"]),
    ),
    ("said to be unknown, %", lambda s: _percent(s["asked"]["unknown"])),
    ("active share × tasks", lambda s: _figure(s["asked"]["active_share"] * s["tasks"], 2)),
    ("pathways an answer used", lambda s: _figure(s["asked"]["pathways"], 2)),
    (
        "ms to route an input, alone",
        lambda s: _figure(s["inside"]["routing"]["ms_per_input"]["1"], 3),
    ),
    (
        "ms to route an input, of 16",
        lambda s: _figure(s["inside"]["routing"]["ms_per_input"]["16"], 3),
    ),
    ("ms to route an input, of 256", lambda s: _figure(_routing_ms(s), 3)),
    ("ms to wake a pathway, p50", lambda s: _figure(s["inside"]["wakes"]["p50_ms"], 2)),
    ("ms to wake a pathway, p99", lambda s: _figure(s["inside"]["wakes"]["p99_ms"], 2)),
    ("s from start to the first right answer", lambda s: _figure(s["cold_start_s"], 1)),
    ("s of them to read the registry", lambda s: _figure(s["inside"]["read_registry_s"], 2)),
    ("s of them to read and solve routers", lambda s: _figure(s["inside"]["read_routers_s"], 2)),
)


def _costs(steps: Sequence[Fields]) -> str:
    return markdown(_header("", steps), [[name, *map(figure, steps)] for name, figure in _FIGURES])


def _loads(steps: Sequence[Fields]) -> str:
    rows = []
    for room, title in (("resident", "everything resident"), ("crowded", "a tenth resident")):
        for traffic in ("uniform", "zipf"):
            found = [next(r for r in s[room] if r["load"]["traffic"] == traffic) for s in steps]
            rows.append([f"rps, {traffic}, {title}", *(f"{r['rps']:,.0f}" for r in found)])
            rows.append([f"p99 ms, {traffic}, {title}", *(f"{r['p99_ms']:.1f}" for r in found)])
            rows.append([f"failed, {traffic}, {title}", *(str(r["failed"]) for r in found)])
    return markdown(_header("32 connections, one input a request", steps), rows)


def _memory(steps: Sequence[Fields]) -> str:
    """By process, and how much a task adds to each."""
    names = list(dict.fromkeys(name for s in reversed(steps) for name in s["serving"]))
    more = steps[-1]["tasks"] - steps[0]["tasks"]

    def held(step: Fields, name: str) -> int:
        return int(step["serving"].get(name, {"pss_bytes": 0})["pss_bytes"])

    def row(title: str, sizes: Sequence[int]) -> list[str]:
        added = f"{(sizes[-1] - sizes[0]) / more / 1024:.1f}" if more else NONE
        return [title, *(f"{size / 2**20:,.0f}" for size in sizes), added]

    rows = [
        row(f"{name} ({_processes(steps[-1], name)})", [held(s, name) for s in steps])
        for name in names
    ]
    rows.append(row("all, serving", [serving_bytes(s) for s in steps]))
    rows.append(row("all, learning, at most", [s["learning_bytes"] for s in steps]))
    return markdown([*_header("memory in MiB (processes)", steps), "KiB a task"], rows)


def _processes(step: Fields, name: str) -> int:
    return int(step["serving"].get(name, {"processes": 0})["processes"])


def _store(steps: Sequence[Fields]) -> str:
    kinds = list(
        dict.fromkeys(kind for s in reversed(steps) for kind in s["inside"]["store_bytes"])
    )
    rows = []
    for kind in kinds:
        sizes = [s["inside"]["store_bytes"].get(kind, 0) for s in steps]
        rows.append(_store_row(kind, sizes, steps))
    totals = [sum(s["inside"]["store_bytes"].values()) for s in steps]
    rows.append(_store_row("all", totals, steps))
    files = [sum(s["inside"]["store_files"].values()) for s in steps]
    rows.append(["files", *(f"{n:,}" for n in files), NONE])
    return markdown([*_header("store in MiB", steps), "KiB a task"], rows)


def _store_row(kind: str, sizes: Sequence[int], steps: Sequence[Fields]) -> list[str]:
    added = sizes[-1] / steps[-1]["tasks"] / 1024
    return [kind, *(f"{size / 2**20:,.1f}" for size in sizes), f"{added:.2f}"]


def _header(title: str, steps: Sequence[Fields]) -> list[str]:
    return [title, *(f"{step['tasks']:,} tasks" for step in steps)]


def _figure(value: float | None, digits: int) -> str:
    return NONE if value is None else f"{value:,.{digits}f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
