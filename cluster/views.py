"""The controller's views of its network: the newest one, and the changes that led to it. Pure.

Changes are noted as they happen and become a view together, when `renew` is called: a burst of
them wakes followers once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from cluster.changes import MapChange, NetworkChange, News, RouterChange
from cluster.messages import NetworkView
from cluster.registry import PathwayEntry, RegistryChange
from pathways import PathwayId

_KEPT = 256
"""Changes that are kept; who is further behind is told the whole. A follower that waits for
changes is never behind by more than a few."""


@dataclass
class _RouterEpochs:
    """When the parts of a router as it is now came."""

    base: int
    extensions: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class _Placed:
    """Where pathways are."""

    placement: Mapping[PathwayId, Any]
    slots: Mapping[PathwayId, Any]
    nodes: Mapping[int, str]


class Views:
    """The newest view with the last changes; epochs grow by one with each."""

    def __init__(self, first: NetworkView, kept: int = _KEPT) -> None:
        self._newest = first
        self._changes: deque[NetworkChange] = deque(maxlen=kept)
        self._router_epochs = {key: _RouterEpochs(first.epoch) for key in first.routers}
        self._versions: list[RegistryChange] = []
        self._routers: dict[str, RouterChange] = {}
        self._unavailable: dict[str, str | None] = {}  # None: it can be served again
        self._placed: _Placed | None = None

    @property
    def newest(self) -> NetworkView:
        """The view of the last `renew`."""
        return self._newest

    def publish(self, entries: Iterable[PathwayEntry]) -> None:
        """A network version brought these."""
        self.change(RegistryChange(publish=tuple(entries)))

    def change(self, change: RegistryChange) -> None:
        """A network version brought this."""
        self._versions.append(change)

    def route(self, key: str, change: RouterChange) -> None:
        """The router of a signature changed."""
        self._routers[key] = change.after(self._routers.get(key))

    def place(
        self,
        placement: Mapping[PathwayId, tuple[Any, ...]],
        slots: Mapping[PathwayId, tuple[int, ...]],
        nodes: Mapping[int, str],
    ) -> None:
        """Pathways are resident there now, and nowhere else; see NetworkView."""
        self._placed = _Placed(placement, slots, nodes)

    def withdraw(self, task: str, reason: str) -> None:
        """A task cannot be served."""
        self._unavailable[task] = reason

    def restore(self, task: str) -> None:
        """A task can be served again, or is no more."""
        self._unavailable[task] = None

    def renew(self) -> bool:
        """Make a new view of what was noted; False if nothing differs."""
        change = self._noted()
        self._versions, self._routers, self._unavailable = [], {}, {}
        self._placed = None
        if not change:
            return False
        self._newest = change.applied(self._newest)
        for key, router in change.routers.items():
            self._date(key, router)
        # Without the routers: the log would keep snapshots alive that newer ones replaced.
        self._changes.append(replace(change, routers={}))
        return True

    def _date(self, key: str, router: RouterChange) -> None:
        epoch = self._newest.epoch
        if router.base is not None:
            self._router_epochs[key] = _RouterEpochs(epoch)
        self._router_epochs[key].extensions += [epoch] * len(router.extensions)

    def _noted(self) -> NetworkChange:
        old = self._newest
        placed = self._placed or _Placed(old.placement, old.slots, old.nodes)
        noted = {t: r for t, r in self._unavailable.items() if old.unavailable.get(t) != r}
        withdrawn = {task: reason for task, reason in noted.items() if reason is not None}
        return NetworkChange(
            epoch=old.epoch + 1,
            versions=tuple(self._versions),
            placement=MapChange.between(old.placement, placed.placement),
            slots=MapChange.between(old.slots, placed.slots),
            nodes=MapChange.between(old.nodes, placed.nodes),
            unavailable=MapChange(put=withdrawn, gone=tuple(noted.keys() - withdrawn.keys())),
            routers=dict(self._routers),
        )

    def since(self, epoch: int) -> News:
        """What leads from the view of `epoch` to the newest; the whole if that is too long ago,
        or if `epoch` is another controller's."""
        behind = self._newest.epoch - epoch
        if behind == 0:
            return ()
        if not 0 < behind <= len(self._changes):
            return self._newest
        *others, last = islice(self._changes, len(self._changes) - behind, None)
        return (*others, replace(last, routers=self._routers_since(epoch)))

    def _routers_since(self, epoch: int) -> dict[str, RouterChange]:
        since = {}
        for key, came in self._router_epochs.items():
            router = self._newest.routers[key]
            if came.base > epoch:
                since[key] = router
            elif new := router.extensions[bisect_right(came.extensions, epoch) :]:
                since[key] = RouterChange(extensions=new)
        return since
