"""The network on a Ray cluster: store, registry, slots, dispatcher, expansions and the client."""

import cluster.code  # noqa: F401 - first of all: it notes the code that this process begins with
from cluster.async_client import AsyncClient, connect_async
from cluster.client import Client, connect
from cluster.config import SenConfig, read_config
from cluster.errors import SenError
from cluster.handle import Expansion
from cluster.messages import Answer, ExpansionStatus, NetworkView, Verification
from cluster.store import Store

__all__ = [
    "Answer",
    "AsyncClient",
    "Client",
    "Expansion",
    "ExpansionStatus",
    "NetworkView",
    "SenConfig",
    "SenError",
    "Store",
    "Verification",
    "connect",
    "connect_async",
    "read_config",
]
