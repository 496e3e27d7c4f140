"""Networks and answers as pictures, for notebooks. Needs the extra `sen-ray[plot]`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cluster.errors import SenError
from cluster.inputs import Input
from pathways.held_out import NINETY

if TYPE_CHECKING:
    from cluster.messages import Answer, NetworkView, Value
    from cluster.registry import PathwayEntry

_COLOURS: dict[str, str] = {
    "image": "#3b6fb6",
    "audio": "#c9762b",
    "table": "#3f8f5f",
    "text": "#8a5aa8",
}
_LINK = "#777777"
_MOST_NAMES = 60  # more names would lie on top of each other
_MOST_LABELS = 8


def plot_network(view: NetworkView, axes: Any = None) -> Any:
    """Draw tasks as nodes, coloured by modality, filled where resident; links as arrows.

    Returns the matplotlib axes, new ones unless given. Raises SenError without matplotlib.
    """
    pyplot, networkx = _libraries()
    graph = _graph(networkx, view)
    places = _places(networkx, graph)
    axes = axes or pyplot.subplots(figsize=(8, 6), layout="constrained")[1]
    size = float(np.clip(60_000 / max(len(graph), 1) ** 1.2, 20, 1200))
    for modality, colour in _COLOURS.items():
        nodes = [n for n, m in graph.nodes(data="modality") if m == modality]
        faces = [colour if graph.nodes[n]["resident"] else "white" for n in nodes]
        networkx.draw_networkx_nodes(
            graph, places, nodes, size, faces, edgecolors=colour, linewidths=1.5, ax=axes
        )
    networkx.draw_networkx_edges(
        graph, places, node_size=size, edge_color=_LINK, width=_widths(graph), ax=axes
    )
    if len(graph) <= _MOST_NAMES:
        _name(networkx, graph, places, axes)
    _finish(graph, view, axes)
    return axes


def _libraries() -> tuple[Any, Any]:
    try:
        import networkx
        from matplotlib import pyplot
    except ImportError as error:
        raise SenError(
            f"pictures need {error.name}; install it with pip install 'sen-ray[plot]'"
        ) from error
    return pyplot, networkx


def _graph(networkx: Any, view: NetworkView) -> Any:
    graph = networkx.DiGraph()
    entries = view.registry.entries()
    for entry in entries:
        modality = entry.spec.signature.modality
        graph.add_node(entry.id.task, modality=modality, resident=entry.id in view.slots)
    for entry in entries:
        source = view.registry.source_of(entry)
        if source is not None and entry.spec.links:
            graph.add_edge(source.id.task, entry.id.task, similarity=_similarity(entry))
    return graph


def _similarity(entry: PathwayEntry) -> float:
    """Mean over the task's links."""
    return float(np.mean([link.similarity for link in entry.spec.links]))


def _places(networkx: Any, graph: Any) -> dict[str, tuple[float, float]]:
    """Rows by how many links a task is away from one that learned by itself; long ones wrap."""
    widest = max(6, math.ceil(2 * len(graph) ** 0.5))
    places: dict[str, tuple[float, float]] = {}
    row = 0
    for generation in networkx.topological_generations(graph):
        tasks = sorted(generation, key=lambda task: graph.nodes[task]["modality"])
        for first in range(0, len(tasks), widest):
            part = tasks[first : first + widest]
            places |= {t: (x - (len(part) - 1) / 2, -row) for x, t in enumerate(part)}
            row += 1
    return places


def _widths(graph: Any) -> list[float]:
    """The more alike the thicker, and hair-thin where arrows are many."""
    most = 2.5 if len(graph) <= _MOST_NAMES else 0.3
    return [most * similarity for _, _, similarity in graph.edges(data="similarity")]


def _name(networkx: Any, graph: Any, places: dict[str, tuple[float, float]], axes: Any) -> None:
    for task, (x, y) in places.items():
        axes.annotate(task, (x, y), (21, 0), textcoords="offset points", va="center", fontsize=9)
    similarities = {(a, b): f"{s:.2f}" for a, b, s in graph.edges(data="similarity")}
    networkx.draw_networkx_edge_labels(
        graph, places, similarities, font_size=8, font_color=_LINK, rotate=False, ax=axes
    )


def _finish(graph: Any, view: NetworkView, axes: Any) -> None:
    found = {modality for _, modality in graph.nodes(data="modality")}
    shown = [(m, c, c) for m, c in _COLOURS.items() if m in found]
    shown += [("dormant", "white", _LINK)] if len(view.slots) < len(graph) else []
    for name, face, edge in shown:
        axes.plot([], [], "o", color=edge, markerfacecolor=face, label=name)
    if shown:
        axes.legend(loc="lower right", frameon=False, fontsize=9)
    links = sum(len(entry.spec.links) for entry in view.registry.entries())
    axes.set_title(f"network version {view.registry.version}: {len(graph)} tasks, {links} links")
    axes.margins(0.15)
    axes.set_axis_off()


def plot_answer(answer: Answer, given: Input | None, axes: Sequence[Any] | None = None) -> Any:
    """Draw an answer's most probable labels, or its numbers, beside its input if that is known.

    axes: two to draw into, input and labels. Returns the axes drawn into.
    Raises SenError without matplotlib.
    """
    pyplot, _ = _libraries()
    if axes is None:
        columns = 1 if given is None else 2
        _, made = pyplot.subplots(
            1, columns, figsize=(4 * columns, 3), layout="constrained", squeeze=False
        )
        axes = list(made[0])
    if given is not None:
        _draw_input(given, axes[0])
    _draw_answer(answer, axes[-1])
    return axes


def _draw_input(given: Input, axes: Any) -> None:
    match given.modality:
        case "image":
            image = given.array[..., 0] if given.array.shape[2] == 1 else given.array
            axes.imshow(image, cmap="gray", vmin=0, vmax=255)
            axes.set_axis_off()
        case "audio":
            seconds = np.arange(len(given.array)) / given.rate_hz
            axes.plot(seconds, given.array, color=_COLOURS["audio"], linewidth=0.6)
            axes.set_xlabel("seconds")
            axes.set_yticks([])
        case "table" | "text":
            axes.bar(np.arange(len(given.array)), given.array, color=_COLOURS[given.modality])
            axes.set_xlabel("column" if given.modality == "table" else "token")
            axes.set_yscale("symlog")  # columns of a table are of any scale


def _draw_answer(answer: Answer, axes: Any) -> None:
    """Labels, or where numbers alone are told those."""
    if answer.values and not answer.probabilities:
        _draw_numbers(answer.values, axes)
    else:
        _draw_labels(answer.probabilities[:_MOST_LABELS], axes)
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    by = "  ".join(f"{a.pathway} {a.weight:.2f}" for a in answer.activated)
    axes.set_title(f"by {by}" if by else "unlike everything learned", fontsize=9)


def _draw_numbers(values: Sequence[Value], axes: Any) -> None:
    """Means with the intervals that hold 90 %."""
    places = np.arange(len(values))
    axes.errorbar(
        [v.value for v in values],
        places,
        xerr=[NINETY * v.deviation for v in values],
        fmt="o",
        capsize=4,
        color=_COLOURS["table"],
    )
    axes.set_yticks(places, [v.name for v in values])
    axes.set_ylim(-1, len(values))


def _draw_labels(best: Sequence[tuple[str, float]], axes: Any) -> None:
    bars = axes.barh([label for label, _ in best], [p for _, p in best], color=_COLOURS["image"])
    axes.bar_label(bars, [f"{p:.3f}" for _, p in best], padding=3, fontsize=8)
    axes.set_xlim(0, 1.15)
    axes.set_xticks([0, 0.5, 1])
    if not best:
        axes.set_yticks([])
