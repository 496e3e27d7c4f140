"""What a client holds of a task that it gave the network to learn."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol, TypeVar

from cluster.calls import Patience, awaited, result
from cluster.errors import ExpansionFailed, NetworkUnavailable
from cluster.messages import ExpansionStatus, Stage


class _Versioned(Protocol):
    @property
    def network_version(self) -> int | None: ...


Told = TypeVar("Told", bound=_Versioned)

_POLL_S = 0.2


class Seen:
    """The newest network version that a client was told of: what it asks next must know it too,
    though dispatchers hear of a new task some milliseconds later."""

    def __init__(self) -> None:
        self.version = 0

    def noted(self, told: Told) -> Told:
        """What the controller told, which names the network version it came of, perhaps."""
        self.version = max(self.version, told.network_version or 0)
        return told


class Expansion:
    """A task on its way into the network."""

    def __init__(self, controller: Any, request: str, seen: Seen) -> None:
        self._controller = controller
        self._seen = seen
        self.request = request
        """Id of the expansion; it survives a restart of the cluster."""

    def status(self) -> ExpansionStatus:
        """Where it stands now."""
        return self._seen.noted(result(self._controller.expansion.remote(self.request)))

    def wait(
        self,
        report: Callable[[ExpansionStatus], None] = lambda status: None,
        timeout_s: float | None = None,
    ) -> ExpansionStatus:
        """Block until the task is learned; raises ExpansionFailed, or TimeoutError."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while not (status := self._patiently()).ended:
            report(status)
            if until is not None and time.monotonic() > until:
                raise TimeoutError(f"{status.task} is still {status.stage} after {timeout_s} s")
            time.sleep(_POLL_S)
        report(status)
        return _checked(status)

    def _patiently(self) -> ExpansionStatus:
        patience = Patience()
        while True:
            try:
                return self.status()
            except NetworkUnavailable as error:
                patience.bear(error)
                time.sleep(_POLL_S)

    async def _patiently_async(self) -> ExpansionStatus:
        patience = Patience()
        while True:
            try:
                return await self.status_async()
            except NetworkUnavailable as error:
                patience.bear(error)
                await asyncio.sleep(_POLL_S)

    async def status_async(self) -> ExpansionStatus:
        """Like `status`, awaited."""
        return self._seen.noted(await awaited(self._controller.expansion.remote(self.request)))

    async def wait_async(self) -> ExpansionStatus:
        """Like `wait`, awaited."""
        async for status in self.changes():
            last = status
        return _checked(last)

    async def changes(self) -> AsyncIterator[ExpansionStatus]:
        """The status now, then every other one that is seen, up to the one that ends it."""
        seen = None
        while seen is None or not seen.ended:
            if (status := await self._patiently_async()) != seen:
                yield status
                seen = status
            if not status.ended:
                await asyncio.sleep(_POLL_S)


def _checked(status: ExpansionStatus) -> ExpansionStatus:
    if status.stage is Stage.FAILED:
        raise ExpansionFailed(f"the expansion of task {status.task!r} failed: {status.error}")
    return status
