"""A router that has learned given tasks."""

from __future__ import annotations

from collections.abc import Mapping

from dispatcher import Router, RouterConfig, TaskStatistics


def router_of(learned: Mapping[str, TaskStatistics], config: RouterConfig | None = None) -> Router:
    """One signature's tasks, in this order; at least one."""
    router = Router(next(iter(learned.values())).dim, config)
    for task, statistics in learned.items():
        router.add(task, statistics)
    return router
