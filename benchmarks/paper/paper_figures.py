"""What the paper reports (its Tables 1 and 2 and §4.6), and what we set out to reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from benchmarks.paper.tasks import TASKS


def _row(*cells: tuple[float, float]) -> Mapping[str, tuple[float, float]]:
    return dict(zip(TASKS, cells, strict=False))  # audio only for SEN


TABLE_2: Mapping[str, Mapping[str, Mapping[str, tuple[float, float]]]] = {
    "0": {
        "single": _row((11.1, 1.7), (11.2, 1.7), (2.5, 2.2), (3.5, 1.1)),
        "ewc": _row((11.0, 1.1), (11.6, 1.5), (3.9, 0.5), (1.9, 0.5)),
        "pnn": _row((9.8, 2.7), (8.4, 2.7), (1.7, 1.2), (3.7, 4.5)),
        "sen": _row((9.1, 2.6), (10.4, 1.6), (13.2, 1.8), (53.3, 6.1), (9.9, 0.5)),
    },
    "5": {
        "single": _row((69.2, 0.3), (63.4, 0.5), (50.4, 1.0), (53.5, 0.3)),
        "ewc": _row((66.9, 2.0), (40.9, 3.2), (15.3, 5.3), (21.0, 3.4)),
        "pnn": _row((67.8, 1.4), (61.1, 2.6), (48.7, 1.3), (51.8, 1.6)),
        "sen": _row((69.4, 0.3), (64.0, 0.6), (50.6, 1.3), (69.2, 2.1), (45.8, 0.2)),
    },
    "10": {
        "single": _row((71.4, 0.1), (68.9, 0.6), (56.8, 0.3), (61.7, 0.6)),
        "ewc": _row((71.4, 0.4), (54.8, 2.4), (34.0, 5.8), (34.1, 4.3)),
        "pnn": _row((71.2, 0.7), (69.2, 0.1), (56.1, 1.6), (61.9, 0.1)),
        "sen": _row((71.6, 0.4), (69.0, 0.4), (56.6, 1.1), (73.6, 1.1), (57.6, 0.7)),
    },
    "all": {
        "single": _row((86.4, 0.9), (96.5, 0.3), (91.5, 2.3), (93.5, 0.5)),
        "ewc": _row((86.9, 0.4), (96.2, 0.1), (89.3, 0.4), (93.1, 3.8)),
        "pnn": _row((81.1, 1.0), (91.3, 0.9), (87.9, 1.2), (92.1, 0.4)),
        "sen": _row((87.0, 0.5), (96.5, 0.4), (90.5, 0.3), (93.2, 0.2), (86.0, 1.9)),
    },
}
"""Shots a class → system → task → (mean, standard deviation) of test accuracy in %."""

LINKS: Mapping[tuple[str, str, str, str], float] = {
    ("digits", "0", "lower", "o"): 0.936,
    ("digits", "1", "lower", "l"): 0.907,
    ("digits", "5", "lower", "s"): 0.840,
    ("digits", "2", "lower", "z"): 0.764,
    ("lower", "z", "upper", "Z"): 0.912,
    ("lower", "s", "upper", "S"): 0.897,
    ("digits", "4", "upper", "H"): 0.857,
    ("lower", "o", "upper", "O"): 0.855,
    ("lower", "t", "upper", "T"): 0.855,
    ("lower", "v", "upper", "V"): 0.838,
    ("lower", "m", "upper", "M"): 0.837,
    ("lower", "f", "upper", "F"): 0.836,
    ("lower", "u", "upper", "U"): 0.821,
    ("lower", "x", "upper", "X"): 0.815,
    ("lower", "c", "upper", "C"): 0.768,
    ("lower", "w", "upper", "W"): 0.753,
    ("lower", "k", "upper", "K"): 0.752,
    ("digits", "0", "upper", "D"): 0.743,
    ("lower", "p", "upper", "P"): 0.735,
    ("digits", "1", "upper", "I"): 0.715,
    ("lower", "l", "upper", "I"): 0.709,
}
"""(source task, source class, target task, target class) → mean probability (Table 1)."""

ACTIVE_SHARES: Mapping[str, float] = {
    "fashion": 6.7,
    "digits": 6.7,
    "lower": 13.6,
    "upper": 13.8,
    "spoken": 72.8,
}
"""Share of the network's weights active for a task after five tasks, in % (§4.6)."""

Measure = Literal[
    "accuracy", "above single", "forgetting", "changed answers", "right among two", "behind joint"
]


@dataclass(frozen=True, kw_only=True)
class Target:
    """A figure of SEN to reach: in %, points, or for `changed answers` a number of inputs."""

    measure: Measure
    bounds: Mapping[str, float]
    """Profile → the figure, at least or at most as the measure asks."""
    task: str | None = None
    shots: int | None = None
    """Examples a class; None for all."""

    @property
    def at_most(self) -> bool:
        """Whether less is better."""
        return self.measure in ("forgetting", "changed answers", "behind joint")

    @property
    def of_tasks(self) -> bool:
        """Whether it is a mean over the image tasks."""
        return self.measure in ("right among two", "behind joint")


def _reach(task: str, shots: int | None, **bounds: float) -> Target:
    return Target(measure="accuracy", task=task, shots=shots, bounds=bounds)


def _beat_single(task: str, shots: int, points: float) -> Target:
    return Target(measure="above single", task=task, shots=shots, bounds={"paper": points})


TARGETS = (
    _reach("upper", 0, paper=53, best=72),
    _reach("upper", 5, paper=70, best=85),
    _beat_single("upper", 5, 10),
    _reach("upper", 10, paper=74, best=88),
    _beat_single("upper", 10, 8),
    _beat_single("lower", 5, 0),
    _beat_single("lower", 10, 0),
    _reach("lower", 5, best=65),
    _reach("lower", 10, best=72),
    _reach("fashion", None, paper=87.5, best=92.5),
    _reach("digits", None, paper=97.5, best=99.3),
    _reach("lower", None, paper=89, best=92),
    _reach("upper", None, paper=91, best=95),
    _reach("spoken", 5, paper=46, best=75),
    _reach("spoken", 10, paper=58, best=88),
    _reach("spoken", None, paper=93, best=98),
    Target(measure="forgetting", bounds={"paper": 0, "best": 0}),
    Target(measure="changed answers", bounds={"paper": 0, "best": 0}),
    Target(measure="right among two", bounds={"paper": 99.5, "best": 99.8}),
    Target(measure="behind joint", bounds={"paper": 4, "best": 2}),
)
"""What was asked of this project."""
