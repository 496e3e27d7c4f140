"""What the routes of a served network work with, made once when the replica starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fastapi import Request

from cluster.client import AsyncClient
from cluster.config import SenConfig
from cluster.inputs import Input
from cluster.messages import Answer, NetworkView


class Answering(Protocol):
    """What the application needs of a dispatcher."""

    @property
    def view(self) -> NetworkView: ...

    async def answer(self, inputs: Sequence[Input], task: str | None = None) -> list[Answer]: ...


@dataclass(frozen=True, kw_only=True)
class Served:
    """The network's settings and this replica's ways to it."""

    config: SenConfig
    dispatcher: Answering
    client: AsyncClient
    """For what the network's controller does: learning, verifying."""

    @property
    def view(self) -> NetworkView:
        """The network as it is served now."""
        return self.dispatcher.view


def served(request: Request) -> Served:
    """The network that the request's application serves."""
    found: Served = request.app.state.served
    return found
