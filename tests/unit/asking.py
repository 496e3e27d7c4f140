"""Asking a NetworkDispatcher, for the tests of what it answers and of how it wakes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import numpy as np

from cluster.dispatch import NetworkDispatcher
from cluster.inputs import Input, inputs_from_array
from cluster.messages import Answer
from cluster.running import Running
from dispatcher import SelectConfig
from tests.unit.networks import LocalSlots, Sets

TASKS = ("digits", "lower", "fashion", "spoken")


def run(work: Coroutine[Any, Any, list[Answer]]) -> list[Answer]:
    return asyncio.run(asyncio.wait_for(work, timeout=30))


def dispatcher(
    slots: LocalSlots, config: SelectConfig | None = None, **view: Any
) -> NetworkDispatcher:
    """A dispatcher of the network, nothing resident unless `view` says so."""
    made = NetworkDispatcher(config or SelectConfig(), Running(slots.run, slots.wake))
    made.adopt(slots.network.view(**view), slots.network.snapshots)
    return made


def all_resident(slots: LocalSlots, **view: Any) -> NetworkDispatcher:
    """Every pathway in a slot of its own."""
    tasks = [entry.id.task for entry in slots.network.registry.entries()]
    placement = slots.placement(**{task: slots.start(task) for task in tasks})
    return dispatcher(slots, placement=placement, **view)


def inputs(sets: Sets, name: str, n: int = 40) -> list[Input]:
    data = sets[name][1]
    return inputs_from_array(data.x[:n], data.signature.rate_hz)


def right(answers: Sequence[Answer], sets: Sets, name: str) -> float:
    data = sets[name][1]
    pairs = zip(answers, data.y[: len(answers)], strict=True)
    return float(np.mean([answer.label == data.labels[y] for answer, y in pairs]))


def first_task(answer: Answer) -> str | None:
    return answer.activated[0].pathway.task if answer.activated else None
