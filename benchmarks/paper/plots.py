"""The figures as pictures (PNG), drawn without a display or global state of matplotlib."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.paper import aggregate
from benchmarks.paper.aggregate import FoundLink, Spread, Systems
from benchmarks.paper.chain import SYSTEM_TITLES, Data
from benchmarks.paper.tasks import TASKS, TITLES
from pathways import TaskData

_LOOKS = {
    "sen": ("#d62728", "o"),
    "single": ("#1f77b4", "s"),
    "multitask": ("#7f7f7f", "v"),
    "pnn": ("#2ca02c", "D"),
    "ewc": ("#9467bd", "^"),
    "lwf": ("#8c564b", "P"),
    "replay": ("#e377c2", "X"),
    "joint": ("#000000", "*"),
}
"""(colour, marker) of every system's curve."""

_DPI = 150
_LINKS_A_ROW = 5
_GAP = 20  # pixels between two linked characters


def draw_all(
    systems: Systems, shots: Sequence[int], data: Data, folder: Path, stem: str
) -> list[Path]:
    """Write every picture there are figures for to `folder`/`stem`-….png; gives the files."""
    figures: dict[str, Figure | None] = {
        "figure-4": figure_4(systems),
        "shots": accuracy_by_shots(systems, shots),
        "links": linked_characters(systems, data),
    }
    written = []
    for name, figure in figures.items():
        if figure:
            written.append(folder / f"{stem}-{name}.png")
            figure.savefig(written[-1], dpi=_DPI)
    return written


def figure_4(systems: Systems) -> Figure:
    """Accuracy of every task after each further task; joint training as a level."""

    def draw(axes: Axes, task: str) -> None:
        for name, runs in systems.items():
            curve = aggregate.curve(runs, task)
            positions = [TASKS.index(after) for after in curve]
            _curve(axes, name, positions, list(curve.values()))
        if joint := aggregate.accuracy(systems.get("joint", ()), None, task):
            colour, title = _LOOKS["joint"][0], SYSTEM_TITLES["joint"]
            axes.axhline(100 * joint.mean, color=colour, linestyle=":", label=title)
        axes.set_xlim(-0.3, len(TASKS) - 0.7)
        axes.set_xticks(range(len(TASKS)), [TITLES[after] for after in TASKS], rotation=30)
        axes.set_xlabel("after learning")

    return _by_task(draw)


def accuracy_by_shots(systems: Systems, shots: Sequence[int]) -> Figure:
    """Accuracy of every task right after it was learned, by examples a class."""
    budgets: list[int | None] = [*shots, None]

    def draw(axes: Axes, task: str) -> None:
        for name, runs in systems.items():
            spreads = [aggregate.accuracy(runs, budget, task) for budget in budgets]
            there = [at for at, spread in enumerate(spreads) if spread]
            _curve(axes, name, there, [spread for spread in spreads if spread])
        axes.set_xticks(range(len(budgets)), [*map(str, shots), "all"])
        axes.set_xlabel("examples a class")

    return _by_task(draw)


def _by_task(draw: Callable[[Axes, str], None]) -> Figure:
    """A plot for every task, and one legend for all."""
    figure = Figure(figsize=(4 * len(TASKS), 4.2), layout="constrained")
    legend = {}
    for axes, task in zip(figure.subplots(1, len(TASKS)), TASKS, strict=True):
        draw(axes, task)
        axes.set_title(TITLES[task])
        axes.set_ylabel("test accuracy, %")
        axes.grid(alpha=0.3)
        handles, labels = axes.get_legend_handles_labels()
        legend.update(dict(zip(labels, handles, strict=True)))
    if legend:
        figure.legend(legend.values(), legend.keys(), loc="outside lower center", ncols=len(legend))
    return figure


def _curve(axes: Axes, system: str, positions: Sequence[int], spreads: Sequence[Spread]) -> None:
    """Means with their standard deviations, in %; SEN above the others."""
    if not spreads:
        return
    colour, marker = _LOOKS[system]
    axes.errorbar(
        positions,
        [100 * spread.mean for spread in spreads],
        yerr=[100 * (spread.std or 0.0) for spread in spreads],
        color=colour,
        marker=marker,
        capsize=3,
        linewidth=2 if system == "sen" else 1.2,
        zorder=3 if system == "sen" else 2,
        label=SYSTEM_TITLES[system],
    )


def linked_characters(systems: Systems, data: Data) -> Figure | None:
    """Table 1 as a picture: each link's classes by their typical images; None without links."""
    links = aggregate.links(systems.get("sen", ()))
    if not links:
        return None
    rows = math.ceil(len(links) / _LINKS_A_ROW)
    figure = Figure(figsize=(2.4 * _LINKS_A_ROW, 1.5 * rows), layout="constrained")
    grid = figure.subplots(rows, _LINKS_A_ROW, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, link in zip(grid.flat, links, strict=False):
        _draw_link(axes, link, data)
    return figure


def _draw_link(axes: Axes, link: FoundLink, data: Data) -> None:
    source = _typical(data[link.source_task][0], link.source_label)
    target = _typical(data[link.target_task][0], link.target_label)
    height, width = source.shape
    gap = np.zeros((height, _GAP), dtype=np.uint8)
    axes.imshow(np.concatenate([source, gap, target], axis=1), cmap="gray_r")
    start, end = (width + 2, height / 2), (width + _GAP - 2, height / 2)
    axes.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "->", "color": "#d62728"})
    title = (
        f"{TITLES[link.source_task]} {link.source_label} → "
        f"{TITLES[link.target_task]} {link.target_label}  {link.similarity.mean:.2f}"
    )
    axes.set_title(title, fontsize=8)


def _typical(data: TaskData, label: str) -> NDArray[np.uint8]:
    """The image [height, width] of class `label` that is nearest to the class's mean."""
    images = data.x[data.y == data.labels.index(label)][..., 0].astype(np.float32)
    distances = np.square(images - images.mean(axis=0)).sum(axis=(1, 2))
    nearest: NDArray[np.uint8] = images[distances.argmin()].astype(np.uint8)
    return nearest
