"""How hot pathways are: rows a second that each ran lately, by a count that decays."""

from __future__ import annotations

import math
from collections.abc import Callable

from pathways import PathwayId

_HALF_LIFE_S = 10.0
_RATE = math.log(2) / _HALF_LIFE_S  # of a steady rate the count becomes rate / this


class Heat:
    """A count of rows for each pathway, of which half is forgotten every ten seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counts: dict[PathwayId, tuple[float, float]] = {}  # → (rows, as of when)

    def add(self, pathway: PathwayId, rows: int) -> float:
        """It ran so many more rows; returns its rows a second."""
        now = self._clock()
        count = self._decayed(pathway, now) + rows
        self._counts[pathway] = (count, now)
        return count * _RATE

    def rate(self, pathway: PathwayId) -> float:
        """Rows a second."""
        return self._decayed(pathway, self._clock()) * _RATE

    def forget(self, pathway: PathwayId) -> None:
        """It is dormant."""
        self._counts.pop(pathway, None)

    def _decayed(self, pathway: PathwayId, now: float) -> float:
        rows, then = self._counts.get(pathway, (0.0, now))
        return rows * 0.5 ** ((now - then) / _HALF_LIFE_S)
