"""Ray's nodes: which are alive, the head, and tasks that run on one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.nodes import Node

ON_HEAD = {"node:__internal_head__": 0.001}
"""Resources of an actor of which there is one. Only the head has this, so no other node that is
lost takes it along. (Without any resource Ray places an actor anywhere, whatever it is told.)"""


def alive() -> list[dict[str, Any]]:
    """What Ray tells of each node of the joined cluster that is alive."""
    return [node for node in ray.nodes() if node["Alive"]]


def nodes_alive() -> list[Node]:
    """The same, as far as slots are concerned."""
    return [
        Node(
            id=node["NodeID"],
            cpus=node["Resources"].get("CPU", 0.0),
            gpus=node["Resources"].get("GPU", 0.0),
        )
        for node in alive()
    ]


def on_node(node: str, work: Callable[..., Any]) -> Any:
    """`work` as a remote function that runs on the node of this id, reserves nothing there, and is
    not tried elsewhere or again."""
    where = NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=where)(work)
