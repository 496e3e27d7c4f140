"""The logs of every node of the joined cluster, each read by a task that runs there.

Ray's own way to them, `ray logs`, goes through its dashboard, without which networks run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from cluster.errors import SenError
from cluster.log_files import LogQuery, Written, read_logs
from cluster.ray_nodes import alive, on_node

_TIMEOUT_S = 30.0


@dataclass(frozen=True, kw_only=True)
class NodeLogs:
    """What the processes of a node wrote, or why that cannot be told."""

    node: str
    """Its address."""
    written: tuple[Written, ...] = ()
    error: str | None = None


def logs_of_nodes(
    query: LogQuery, only: str | None = None, since: Mapping[str, Mapping[str, int]] | None = None
) -> list[NodeLogs]:
    """The logs of all nodes that are alive, or of one.

    only: its address, or the beginning of its id. since: address → file → how far it was read
    before. Raises SenError if no node is called so.
    """
    nodes = [node for node in alive() if _is(node, only)]
    if not nodes:
        known = ", ".join(sorted(node["NodeManagerAddress"] for node in alive()))
        raise SenError(f"no node {only!r} is alive; there are {known}")
    asked = {}
    for node in nodes:
        address = node["NodeManagerAddress"]
        before = None if since is None else since.get(address, {})
        asked[on_node(node["NodeID"], _read_here).remote(query, before)] = address
    done, _ = ray.wait(list(asked), num_returns=len(asked), timeout=_TIMEOUT_S)
    return [_told(asked[reference], reference, reference in done) for reference in asked]


def _is(node: Mapping[str, Any], wanted: str | None) -> bool:
    return wanted is None or (
        node["NodeManagerAddress"] == wanted or str(node["NodeID"]).startswith(wanted)
    )


def _told(address: str, reference: Any, done: bool) -> NodeLogs:
    if not done:
        return NodeLogs(node=address, error=f"did not answer within {_TIMEOUT_S:g} s")
    try:
        return NodeLogs(node=address, written=tuple(ray.get(reference)))
    except RayError as error:
        return NodeLogs(node=address, error=str(error))


def _read_here(query: LogQuery, since: Mapping[str, int] | None) -> list[Written]:
    # Ray has led this process's output into a file there; it tells nowhere else where that is.
    return read_logs(Path("/proc/self/fd/2").readlink().parent, query, since)
