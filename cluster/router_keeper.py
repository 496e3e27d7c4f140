"""Keeps the routers while the network grows: taught off the event loop, told as they change,
written and solved as a whole now and then. Lives in the controller's event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cluster.changes import RouterChange
from cluster.errors import StoreError
from cluster.registry import PathwayEntry, Registry
from cluster.routers import RouterNews, Routers

logger = logging.getLogger(__name__)


class RouterKeeper:
    """The routers, one change at a time."""

    def __init__(
        self,
        routers: Routers,
        put: Callable[[Any], Any],
        tell: Callable[[str, RouterChange], None],
        refuse: Callable[[str, str], None],
        quiet_s: float = 2.0,
    ) -> None:
        """put: shares arrays with all nodes, and gives a reference to them; tell: of a signature
        key's router; refuse: a task, with the reason, that cannot be routed to; quiet_s: time
        without a new task after which extended routers are solved as a whole."""
        self._routers = routers
        self._put = put
        self._tell = tell
        self._refuse = refuse
        self._quiet_s = quiet_s
        self._one_at_a_time = asyncio.Lock()

    async def load(self, registry: Registry) -> None:
        """Start with the tasks of a registry."""
        await self._teach(lambda: self._routers.load(registry))

    async def learn(self, entries: Iterable[PathwayEntry]) -> None:
        """Add tasks; one that cannot be added is refused alone."""
        await self._teach(lambda: self._routers.learn(entries))

    async def remove(self, entry: PathwayEntry, remaining: Registry) -> None:
        """Forget a task; `remaining`: the network without it."""
        await self._teach(lambda: self._routers.remove(entry, remaining))

    async def likeness(self, k: int) -> dict[str, list[tuple[str, float]]]:
        """See Routers.likeness."""
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._routers.likeness, k)

    async def _teach(self, teach: Callable[[], Mapping[str, str]]) -> None:
        async with self._one_at_a_time:
            refused = await asyncio.to_thread(teach)
            self._tell_all(await asyncio.to_thread(self._routers.news))
        for task, reason in refused.items():
            self._refuse(task, reason)

    def _tell_all(self, news: Mapping[str, RouterNews]) -> None:
        for key, new in news.items():
            base = None if new.whole is None else self._put(new.whole)
            extensions = () if new.extension is None else (new.extension,)
            self._tell(key, RouterChange(base=base, extensions=extensions))

    async def tend(self, version: Callable[[], int]) -> None:
        """Write routers as they grow, and solve them as a whole when nothing has been learned for
        a while; never returns. `version`: of the network, now."""
        before = tended = 0
        while True:
            await asyncio.sleep(self._quiet_s)
            now = version()
            if now != tended:
                quiet = now == before
                await self._put_in_order(now, quiet)
                tended = now if quiet else tended
            before = now

    async def _put_in_order(self, version: int, quiet: bool) -> None:
        async with self._one_at_a_time:
            await asyncio.to_thread(self._save, version, quiet)
            if quiet:
                self._tell_all(await asyncio.to_thread(self._routers.settle))

    def _save(self, version: int, eagerly: bool) -> None:
        try:
            self._routers.save(version, eagerly)
        except StoreError as error:
            logger.warning("%s; the next start takes longer", error)
