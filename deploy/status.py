"""`sen status`: nodes, replicas, slots, waiting tasks and health at a glance."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import ray
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from cluster.client import Client, connect
from cluster.errors import NotRunning
from cluster.lifecycle import Running, load_running, metrics_urls
from cluster.messages import ExpansionStatus, Rollout
from deploy.report import learning_remark, network_lines
from deploy.schemas import NetworkReply, network_reply

_GIB = 1 << 30
_REPLICA = "SERVE_REPLICA::sen#"
_EVERY_S = 2.0
_HEALTH_TIMEOUT_S = 5.0
out = Console()


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node of the Ray cluster."""

    address: str
    alive: bool
    cpus: float
    memory_gib: float
    """That Ray may hand out."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """What runs, at one moment."""

    running: Running | None
    """What was started on this machine."""
    nodes: tuple[Node, ...]
    metrics: tuple[str, ...]
    """Where each node's Prometheus metrics are."""
    replicas: int
    """Of the HTTP application that live."""
    health: str
    """What /healthz answered."""
    rollout: Rollout
    """Which code runs."""
    network: NetworkReply
    expansions: tuple[ExpansionStatus, ...]
    """Those that have not ended, or failed."""

    @property
    def logs(self) -> str | None:
        """Where the logs of this machine's processes are."""
        if self.running is None or self.running.temp_dir is None:
            return None
        return str(Path(self.running.temp_dir) / "session_latest" / "logs")

    def to_json(self) -> str:
        """All of it, for scripts."""
        fields = {
            "running": asdict(self.running) if self.running else None,
            "logs": self.logs,
            "nodes": [asdict(node) for node in self.nodes],
            "metrics": self.metrics,
            "replicas": self.replicas,
            "health": self.health,
            "rollout": asdict(self.rollout),
            "network": self.network.model_dump(),
            "expansions": [asdict(expansion) for expansion in self.expansions],
        }
        return json.dumps(fields, indent=1)


def status(address: str | None, as_json: bool, watch: bool) -> None:
    """Show what runs, once, or again and again until Ctrl-C."""
    if load_running() is None and address is None:
        raise NotRunning("no network runs on this machine; start one with `sen up`")
    client = connect(address)
    if as_json:
        print(read_status(client).to_json())
    elif watch:
        with suppress(KeyboardInterrupt), Live(console=out, auto_refresh=False) as live:
            while True:
                live.update(_shown(read_status(client)), refresh=True)
                time.sleep(_EVERY_S)
    else:
        out.print(_shown(read_status(client)))


def read_status(client: Client) -> Status:
    """Ask the network, the cluster and the HTTP application."""
    running = load_running()
    names = (each["name"] for each in ray.util.list_named_actors(all_namespaces=True))
    return Status(
        running=running,
        nodes=tuple(_node(node) for node in ray.nodes()),
        metrics=tuple(metrics_urls()),
        replicas=sum(name.startswith(_REPLICA) for name in names),
        health=_health(running.url) if running and running.url else "not served from here",
        rollout=client.rollout(),
        network=network_reply(client.network(), client.config().dispatch.max_active),
        expansions=tuple(e for e in client.expansions() if not e.ended or e.error),
    )


def _node(node: dict[str, object]) -> Node:
    has = node["Resources"]
    assert isinstance(has, dict)
    return Node(
        address=str(node["NodeManagerAddress"]),
        alive=bool(node["Alive"]),
        cpus=has.get("CPU", 0.0),
        memory_gib=has.get("memory", 0.0) / _GIB,
    )


def _health(url: str) -> str:
    start = time.monotonic()
    try:
        answer = httpx.get(f"{url}/healthz", timeout=_HEALTH_TIMEOUT_S)
    except httpx.HTTPError as error:
        return f"does not answer: {error}"
    if answer.status_code != httpx.codes.OK:
        return f"answers with status {answer.status_code}"
    return f"answers in {1000 * (time.monotonic() - start):.0f} ms"


def _shown(status: Status) -> Group:
    return Group(*(Text.from_markup(line) for line in status_lines(status)))


def status_lines(status: Status) -> Iterator[str]:
    """A status in words, worst first where something is not well; rich markup."""
    if status.running is not None:
        yield f"Ray at {status.running.address}, store {escape(status.running.store)}"
        yield f"HTTP at {status.running.url or '(not served)'}: {escape(status.health)}"
    yield f"{status.replicas} HTTP replicas live"
    for node in status.nodes:
        state = "alive" if node.alive else "[red]gone[/red]"
        room = f", {node.cpus:g} CPUs, {node.memory_gib:.1f} GiB" if node.alive else ""
        yield f"node {node.address}: {state}{room}"
    for url in status.metrics:
        yield f"metrics at {url}"
    if status.logs:
        yield f"logs in {status.logs}"
    yield f"code {status.rollout.code}"
    if outdated := status.rollout.outdated:
        of = f"{outdated} of {status.rollout.slots} slots"
        yield f"[yellow]{of} still run older code; they are being replaced[/yellow]"
    yield from map(escape, network_lines(status.network))
    learning = sum(not expansion.ended for expansion in status.expansions)
    yield f"{learning} tasks wait or are being learned"
    for expansion in status.expansions:
        yield escape(f"{expansion.task}: {learning_remark(expansion)}")
