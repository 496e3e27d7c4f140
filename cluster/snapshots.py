"""Router snapshots as a process holds them: fetched whole once, then extended task by task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cluster.changes import Arrays, RouterChange
from dispatcher import Part, Snapshot


@dataclass(frozen=True)
class _Held:
    base: Any
    extensions: int
    """So many of the router's extensions are in the snapshot."""
    snapshot: Snapshot


class Snapshots:
    """One snapshot a signature."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}

    def to_fetch(self, key: str, router: RouterChange) -> Any | None:
        """Object reference of the arrays that `updated` needs, or None if it needs none."""
        held = self._held.get(key)
        return None if held is not None and held.base == router.base else router.base

    def updated(self, key: str, router: RouterChange, fetched: Arrays | None) -> Snapshot:
        """The snapshot of a router as a view has it; extends the one that is held."""
        if fetched is not None:
            self._held[key] = _Held(router.base, 0, Snapshot.from_arrays(fetched))
        held = self._held[key]
        snapshot = held.snapshot
        for arrays in router.extensions[held.extensions :]:
            snapshot = snapshot.extended(Part.from_arrays(arrays))
        self._held[key] = _Held(router.base, len(router.extensions), snapshot)
        return snapshot
