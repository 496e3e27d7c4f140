"""Ray's nodes: which are alive, and the head."""

from __future__ import annotations

import ray

from cluster.nodes import Node

ON_HEAD = {"node:__internal_head__": 0.001}
"""Resources of an actor of which there is one. Only the head has this, so no other node that is
lost takes it along. (Without any resource Ray places an actor anywhere, whatever it is told.)"""


def nodes_alive() -> list[Node]:
    """The nodes of the joined cluster."""
    alive = [node for node in ray.nodes() if node["Alive"]]
    return [
        Node(
            id=node["NodeID"],
            cpus=node["Resources"].get("CPU", 0.0),
            gpus=node["Resources"].get("GPU", 0.0),
        )
        for node in alive
    ]
