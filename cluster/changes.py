"""What changes from one view of the network to the next: small, however large the network is.

A follower holds a `NetworkView` and asks the controller what is newer. The answer is the changes
since, or a whole view if it is too far behind; `newest` makes one view of either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import numpy as np
from immutables import Map
from numpy.typing import NDArray

from cluster.messages import NetworkView
from cluster.registry import RegistryChange
from pathways import PathwayId

Key = TypeVar("Key")
Value = TypeVar("Value")

Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class MapChange(Generic[Key, Value]):
    """What makes one map out of another."""

    put: Mapping[Key, Value] = field(default_factory=dict)
    gone: tuple[Key, ...] = ()

    @classmethod
    def between(
        cls, before: Mapping[Key, Value], after: Mapping[Key, Value]
    ) -> MapChange[Key, Value]:
        """The change from `before` to `after`."""
        if before is after:
            return cls()
        put = {k: v for k, v in after.items() if k not in before or before[k] != v}
        return cls(put=put, gone=tuple(k for k in before if k not in after))

    def __bool__(self) -> bool:
        return bool(self.put or self.gone)

    def applied(self, before: Mapping[Key, Value]) -> Map[Key, Value]:
        """`before` as it is after the change; shares what stayed with a `Map`."""
        after = Map(before).mutate()
        after.update(self.put)
        for key in self.gone:
            after.pop(key, None)
        return after.finish()


@dataclass(frozen=True, kw_only=True)
class RouterChange:
    """A router anew, or what was added to it."""

    base: Any = None
    """Object reference to the arrays of a whole snapshot; None: the one before stays."""
    extensions: tuple[Arrays, ...] = ()
    """What is added to the snapshot, in this order: the arrays of a few tasks each."""

    def after(self, before: RouterChange | None) -> RouterChange:
        """Both changes as one; of a router as it is and a change, the router as it is then."""
        if self.base is not None or before is None:
            return self
        return RouterChange(base=before.base, extensions=before.extensions + self.extensions)


@dataclass(frozen=True, kw_only=True)
class NetworkChange:
    """What makes the view of `epoch` out of the one of the epoch before."""

    epoch: int
    versions: tuple[RegistryChange, ...] = ()
    """What each new network version brought."""
    placement: MapChange[PathwayId, Any] = field(default_factory=MapChange)
    slots: MapChange[PathwayId, Any] = field(default_factory=MapChange)
    nodes: MapChange[int, str] = field(default_factory=MapChange)
    unavailable: MapChange[str, str] = field(default_factory=MapChange)
    routers: Mapping[str, RouterChange] = field(default_factory=dict)
    """By signature key."""

    def __bool__(self) -> bool:
        """Whether it changes anything."""
        moved = (self.placement, self.slots, self.nodes)
        return any((self.versions, *moved, self.unavailable, self.routers))

    def applied(self, view: NetworkView) -> NetworkView:
        """The next view; `view` stays as it is. Costs what the change is large."""
        assert view.epoch == self.epoch - 1, f"change {self.epoch} does not follow {view.epoch}"
        registry = view.registry
        for change in self.versions:
            registry = registry.after(change)
        routers = {key: new.after(view.routers.get(key)) for key, new in self.routers.items()}
        return replace(
            view,
            epoch=self.epoch,
            registry=registry,
            placement=self.placement.applied(view.placement),
            slots=self.slots.applied(view.slots),
            nodes=self.nodes.applied(view.nodes),
            unavailable=self.unavailable.applied(view.unavailable),
            routers={**view.routers, **routers},
        )


News = NetworkView | tuple[NetworkChange, ...]
"""A whole view, or the changes that lead to it in their order; none: nothing is new."""


def newest(held: NetworkView | None, news: News) -> NetworkView:
    """The view that `news` leads to from the one that is held."""
    if isinstance(news, NetworkView):
        return news
    assert held is not None, "changes came before the first view"
    for change in news:
        held = change.applied(held)
    return held
