"""Tells all who follow the network what is new in it. Lives in the controller's event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from cluster.changes import News, RouterChange
from cluster.messages import NetworkView
from cluster.registry import RegistryChange
from cluster.views import Views
from pathways import PathwayId

logger = logging.getLogger(__name__)

_TOGETHER_S = 0.02
"""Changes within this time become one new view, so that followers are woken once for them."""

Placed = tuple[
    Mapping[PathwayId, tuple[Any, ...]], Mapping[PathwayId, tuple[int, ...]], Mapping[int, str]
]
"""Where pathways are: handles and numbers of their slots, and each slot's node."""


class Announcer:
    """Changes are noted as they happen and told together a moment later."""

    def __init__(self, first: NetworkView, placed: Callable[[], Placed]) -> None:
        """placed: where pathways are now."""
        self._views = Views(first)
        self._placed = placed
        self._moved = False
        self._renewing: asyncio.TimerHandle | None = None
        self._news = asyncio.Event()

    @property
    def newest(self) -> NetworkView:
        """The newest view that was told."""
        return self._views.newest

    def renew(self) -> None:
        """Tell now what was noted."""
        if self._renewing is not None:
            self._renewing.cancel()
            self._renewing = None
        if self._moved:
            self._moved = False
            self._views.place(*self._placed())
        if self._views.renew():
            self._news.set()
            self._news = asyncio.Event()

    def since(self, epoch: int) -> News:
        """What is new since `epoch`; see Views.since."""
        return self._views.since(epoch)

    async def watch(self, epoch: int, timeout_s: float) -> News:
        """What is new since `epoch` as soon as anything is; nothing after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._views.newest.epoch == epoch:
                    await self._news.wait()
        except TimeoutError:
            logger.debug("no change after epoch %d within %.0f s", epoch, timeout_s)
        return self._views.since(epoch)

    def change(self, change: RegistryChange) -> None:
        """A network version brought this."""
        self._views.change(change)
        self._noted()

    def route(self, key: str, change: RouterChange) -> None:
        """The router of a signature changed."""
        self._views.route(key, change)
        self._noted()

    def moved(self) -> None:
        """Pathways were loaded or unloaded."""
        self._moved = True
        self._noted()

    def withdraw(self, task: str, reason: str) -> None:
        """A task cannot be served."""
        logger.error("task %s cannot be served: %s", task, reason)
        self._views.withdraw(task, reason)
        self._noted()

    def restore(self, task: str) -> None:
        """A task can be served again, or is no more."""
        self._views.restore(task)
        self._noted()

    def _noted(self) -> None:
        if self._renewing is None:
            self._renewing = asyncio.get_running_loop().call_later(_TOGETHER_S, self.renew)
