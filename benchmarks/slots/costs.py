"""Unit costs: what one of each thing takes. All else is counted in these."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Seconds. The defaults were measured on two cores of a small machine, with small models."""

    run_s: float = 50e-6
    """A pathway's own work for one input."""
    hop_s: float = 1.2e-3
    """A call to another process and back, when nothing waits."""
    wake_s: float = 1.0e-3
    """To read a pathway from the store and load it into a running slot."""
    controller_s: float = 0.6e-3
    """The controller's own time for one call: it answers about 1,700 a second."""
    start_s: float = 2.0
    """To start a slot's process."""


def measured(results: Path) -> Costs:
    """With what `python -m benchmarks.scale` measured, for the most tasks it had."""
    inside = json.loads(results.read_text(encoding="utf-8"))["steps"][-1]["inside"]
    return replace(Costs(), wake_s=inside["wakes"]["p50_ms"] / 1e3)
