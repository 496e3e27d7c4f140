"""Every task learned by itself: the product's learning without any source."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.paper.systems.sen import Sen
from benchmarks.paper.untold import Data
from pathways import LearnConfig


class Single(Sen):
    """Single-task of the paper: a fresh model for every task."""

    def config(self, task: str, shots: int | None) -> LearnConfig:
        return replace(super().config(task, shots), max_sources=0)

    def extras(self, data: Data) -> dict[str, Any]:
        return {}
