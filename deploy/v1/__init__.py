"""Our own HTTP interface."""

from deploy.v1 import learning, network, pairs, predict, revisions

__all__ = ["routers"]

routers = (predict.router, learning.router, pairs.router, network.router, revisions.router)
"""The most wanted first: routes are tried in their order, and a router in a router takes as long as
reading a request."""
