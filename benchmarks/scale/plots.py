"""Pictures against the number of tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def pictures(steps: Sequence[Mapping[str, Any]], out: Path) -> list[Path]:
    """Write `scale.png`, everything against the number of tasks, and `expansions.png`."""
    return [_against_tasks(steps, out / "scale.png"), _expansions(steps, out / "expansions.png")]


def _against_tasks(steps: Sequence[Mapping[str, Any]], path: Path) -> Path:
    figure, panels = plt.subplots(2, 3, figsize=(15, 8))
    tasks = [step["tasks"] for step in steps]

    def draw(place: tuple[int, int], title: str, lines: Mapping[str, Sequence[float]]) -> None:
        panel = panels[place]
        for label, values in lines.items():
            panel.plot(tasks, values, marker="o", label=label)
        panel.set(title=title, xlabel="tasks", xscale="log")
        panel.set_xticks(tasks, [f"{n:,}" for n in tasks], minor=False)
        panel.minorticks_off()
        panel.set_ylim(0, 1.08 * max(max(values) for values in lines.values()))
        panel.legend(fontsize="small")

    def rps(room: str, traffic: str) -> list[float]:
        return [r["rps"] for s in steps for r in s[room] if r["load"]["traffic"] == traffic]

    inside = [step["inside"] for step in steps]
    draw(
        (0, 0),
        "requests a second, 32 connections",
        {
            f"{traffic}, {title}": rps(room, traffic)
            for room, title in (("resident", "everything resident"), ("crowded", "a tenth"))
            for traffic in ("uniform", "zipf")
        },
    )
    draw(
        (0, 1),
        "ms to route an input",
        {f"of {b}": [i["routing"]["ms_per_input"][b] for i in inside] for b in ("1", "16", "256")},
    )
    draw((0, 2), "s from start to the first answer", {"all": [s["cold_start_s"] for s in steps]})
    draw(
        (1, 0),
        "share of inputs",
        {
            "right label": [step["asked"]["right"] for step in steps],
            "right task first": [i["routing"]["first"] for i in inside],
            "right task among two": [i["routing"]["among_two"] for i in inside],
            "learned from the true source": [i["sources"]["true"] for i in inside],
        },
    )
    draw(
        (1, 1),
        "memory, GiB",
        {
            "serving": [
                sum(held["pss_bytes"] for held in step["serving"].values()) / 2**30
                for step in steps
            ],
            "learning": [step["learning_bytes"] / 2**30 for step in steps],
        },
    )
    draw(
        (1, 2),
        "ms to wake a pathway",
        {p: [i["wakes"][f"{p}_ms"] for i in inside] for p in ("p50", "p99")},
    )
    return _saved(figure, path)


def _expansions(steps: Sequence[Mapping[str, Any]], path: Path) -> Path:
    """Tasks learned against time; where a step ended the network was measured meanwhile."""
    figure, panel = plt.subplots(figsize=(8, 4.5))
    for step in steps:
        growth = step["growth"]
        points = [(seconds, growth["before"] + done) for seconds, done in growth["samples"]]
        if points:
            panel.plot(*zip(*points, strict=True), label=f"to {step['tasks']:,}")
    panel.set(title="tasks learned", xlabel="s since the step's first submission", yscale="log")
    panel.legend(fontsize="small")
    return _saved(figure, path)


def _saved(figure: Any, path: Path) -> Path:
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path
