"""What the routes of a served network work with, made once when the replica starts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from fastapi import Request

from cluster.async_client import AsyncClient
from cluster.config import SenConfig
from cluster.inputs import Batch, Input
from cluster.messages import Answer, NetworkActivity, NetworkView
from cluster.meter import Meter, NoMeter

_DECODERS = 2

Made = TypeVar("Made")


class Answering(Protocol):
    """What the application needs of a dispatcher."""

    @property
    def view(self) -> NetworkView: ...

    async def answer(
        self, inputs: Sequence[Input] | Batch, task: str | None = None
    ) -> list[Answer]: ...

    async def answer_together(
        self, elements: Sequence[Sequence[Input]], tasks: Sequence[str] = ()
    ) -> list[Answer]: ...

    async def until(self, version: int) -> None:
        """Wait until the network served is no older than this."""

    async def activity(self) -> NetworkActivity: ...


@dataclass(frozen=True, kw_only=True)
class Served:
    """The network's settings and this replica's ways to it."""

    config: SenConfig
    dispatcher: Answering
    client: AsyncClient
    """For what the network's controller does: learning, verifying."""
    meter: Meter = field(default_factory=NoMeter)
    """Records what the stages of requests take."""
    decoding: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_DECODERS))
    """Held while files are decoded: each may take a gibibyte for a moment."""
    _of_view: dict[str, tuple[NetworkView, Any]] = field(default_factory=dict)

    @property
    def view(self) -> NetworkView:
        """The network as it is served now."""
        return self.dispatcher.view

    async def once_a_view(self, what: str, make: Callable[[NetworkView], Made]) -> Made:
        """What follows from the view alone: of thousands of tasks it takes long to make, so it is
        made once for each view, off the event loop."""
        view = self.view
        made = self._of_view.get(what)
        if made is None or made[0] is not view:
            made = self._of_view[what] = (view, await asyncio.to_thread(make, view))
        return made[1]


def served(request: Request) -> Served:
    """The network that the request's application serves."""
    found: Served = request.app.state.served
    return found
