"""Expansions that no job carries out."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.config import ExpansionConfig
from cluster.expansions import Expansions
from cluster.messages import NewTask
from cluster.registry import Registry
from cluster.store import Store
from pathways import TaskData
from tests.unit.fakes import made_up_entry


async def no_job() -> None:
    """A job nobody waits for."""


def expansions(store: Store, learned: tuple[str, ...] = (), **config: float) -> Expansions:
    settings = ExpansionConfig(**{"linger_s": 0.01, **config})  # type: ignore[arg-type]
    return Expansions(store, settings, learned, no_job)


async def learn(mine: Expansions, task: str, data: TaskData, in_service: Sequence[str] = ()) -> str:
    """Submit one task; its request id."""
    (request,) = await mine.submit([NewTask(task=task, data=data)], network(*in_service))
    return request


def network(*tasks: str) -> Registry:
    return Registry().publish(made_up_entry(f"{task}@1") for task in tasks)
