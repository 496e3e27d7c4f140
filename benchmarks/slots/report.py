"""What was simulated and reckoned, as JSON, tables and a picture."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from benchmarks.paper.tables import NONE, markdown
from benchmarks.slots.costs import Costs
from benchmarks.slots.reckoning import Cluster, Units, controller_calls, walls
from benchmarks.slots.scenarios import Scenario

Found = Mapping[str, tuple[Scenario, Mapping[str, float], Sequence[tuple[int, int, float]]]]
"""Title → scenario, its figures and its minutes."""

_REPLICA = "ray::ServeReplica:sen:ingress"

_COLUMNS: Mapping[str, Callable[[Mapping[str, float]], str]] = {
    "hits %": lambda f: f"{100 * f['hit_share']:.1f}",
    "LRU, reckoned %": lambda f: f"{100 * f['reckoned_hit_share']:.1f}",
    "wakes/s": lambda f: f"{f['wakes_per_s']:,.0f}",
    "p50 ms": lambda f: f"{f['p50_ms']:.1f}",
    "p99 ms": lambda f: f"{f['p99_ms']:.1f}",
    "p99 of waiting for a slot, ms": lambda f: f"{f['wait_p99_ms']:.1f}",
    "busiest slot": lambda f: f"{f['busiest_slot']:.2f}",
    "controller": lambda f: f"{f['controller']:.2f}",
    "moves": lambda f: f"{f['moves']:,.0f}",
    "copies": lambda f: f"{f['copies']:,.0f}",
}


def units(results: Path) -> Units:
    """Unit costs out of `benchmarks.scale`'s results, by the most tasks it had."""
    steps = json.loads(results.read_text(encoding="utf-8"))["steps"]
    least, most = steps[0], steps[-1]

    def replica(step: Mapping[str, Any]) -> float:
        held = step["serving"][_REPLICA]
        return float(held["pss_bytes"]) / int(held["processes"])

    more = most["tasks"] - least["tasks"]
    inside = most["inside"]
    return Units(
        dispatcher_bytes=max(0.0, replica(most) - replica(least)) / max(1, more),
        store_files=sum(inside["store_files"].values()) / most["tasks"],
        add_s=inside["read_routers_s"] / most["tasks"],
    )


def write(
    out: Path, found: Found, costs: Costs, cluster: Cluster, units: Units | None
) -> list[Path]:
    """Write results.json, tables.md and the picture; gives the files."""
    out.mkdir(parents=True, exist_ok=True)
    result = {
        "costs": asdict(costs),
        "scenarios": {
            title: {"scenario": asdict(scenario), **figures, "minutes": minutes}
            for title, (scenario, figures, minutes) in found.items()
        },
        "cluster": asdict(cluster),
        "units": asdict(units) if units else None,
        "walls": [asdict(w) | {"load": w.load} for w in walls(units, cluster)] if units else None,
    }
    results, tables = out / "results.json", out / "tables.md"
    results.write_text(json.dumps(result, indent=1), encoding="utf-8")
    tables.write_text(text(found, cluster, units), encoding="utf-8")
    return [results, tables, _picture(found, out / "minutes.png")]


def text(found: Found, cluster: Cluster, units: Units | None) -> str:
    """The tables as Markdown."""
    first = next(iter(found.values()))[0]
    title = (
        f"{first.traffic.tasks:,} tasks, {first.nodes} nodes of {first.slots} slots for "
        f"{first.pathways_per_slot} pathways, {first.traffic.rps:,.0f} requests/s"
    )
    rows = [
        [name, *(column(figures) for column in _COLUMNS.values())]
        for name, (_, figures, _) in found.items()
    ]
    parts = ["# Slots", "Simulated:", markdown([title, *_COLUMNS], rows)]
    if units:
        parts += ["Reckoned, from measured unit costs:", _walls(units, cluster)]
        parts += [_calls(units, cluster)]
    return "\n\n".join(parts) + "\n"


def _walls(units: Units, cluster: Cluster) -> str:
    def times(growth: float, now: int) -> str:
        return NONE if growth == float("inf") else f"{now * growth:,.0f}"

    return markdown(
        ["resource", "needs", "has", "load", "full at tasks", "full at nodes"],
        [
            [
                f"{wall.what}, {wall.unit}",
                f"{wall.needs:,.3g}",
                f"{wall.has:,.3g}",
                f"{wall.load:.3f}",
                times(wall.times_tasks, cluster.tasks),
                times(wall.times_nodes, cluster.nodes),
            ]
            for wall in walls(units, cluster)
        ],
    )


def _calls(units: Units, cluster: Cluster) -> str:
    calls = controller_calls(units, cluster)
    return markdown(
        ["the controller's calls", "a second"],
        [[what, f"{count:,.0f}"] for what, count in calls.items()],
    )


def _picture(found: Found, path: Path) -> Path:
    """Hits and p99 by the minute."""
    figure, (hits, late) = plt.subplots(1, 2, figsize=(13, 4.5))
    for title, (_, _, minutes) in found.items():
        number = range(1, len(minutes) + 1)
        hits.plot(number, [100 * hit / max(1, n) for n, hit, _ in minutes], label=title)
        late.plot(number, [1e3 * p99 for _, _, p99 in minutes], label=title)
    hits.set(title="requests whose pathway was resident, %", xlabel="minute")
    late.set(title="p99 latency, ms", xlabel="minute", yscale="log")
    hits.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path
