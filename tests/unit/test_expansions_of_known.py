"""Expansions that make versions of known tasks: one of a task at a time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from cluster.errors import TaskInUse, TaskNameTaken, UnknownTask
from cluster.messages import NewTask, Stage
from cluster.orders import Improve, Prune, Share
from cluster.registry import Registry
from cluster.store import Store
from pathways import DataError, TaskData
from tests.unit.expanding import expansions, learn
from tests.unit.fakes import made_up_entry


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store", create=True)


@pytest.fixture
def data(sets: dict[str, tuple[TaskData, TaskData]]) -> TaskData:
    return sets["digits"][1]


def known(data: TaskData) -> Registry:
    """A network that knows a and b, with classes as in `data`."""
    entries = [made_up_entry(f"{task}@1") for task in "ab"]
    fields = {"signature": data.signature, "labels": data.labels}
    return Registry().publish(
        replace(entry, spec=replace(entry.spec, **fields)) for entry in entries
    )


def improved(data: TaskData, task: str = "a", **order: str) -> NewTask:
    return NewTask(task=task, data=data, config=Improve(**order))


def test_one_version_of_a_task_is_made_at_a_time(store: Store, data: TaskData) -> None:
    async def submit() -> None:
        mine = expansions(store)
        (request,) = await mine.submit([improved(data)], known(data))
        with pytest.raises(TaskInUse, match=f"'a' is being changed .expansion {request}, waiting"):
            await mine.submit([NewTask(task="a", data=data, config=Prune())], known(data))
        shared = NewTask(task="c", data=data, config=Share(partner="a"), beside={"shared": data})
        with pytest.raises(TaskInUse):
            await mine.submit([shared], known(data))
        with pytest.raises(TaskInUse):
            mine.check_idle("a")
        assert await mine.submit([improved(data, "b")], known(data)) == ["00000002-b"]
        assert await mine.take() is not None
        await mine.unchanged(request, "no better")
        mine.check_idle("a")
        assert mine.status(request).stage is Stage.UNCHANGED
        assert mine.status(request).outcome == "no better"

    asyncio.run(submit())


def test_a_partner_is_free_again_when_the_new_task_is_learned(store: Store, data: TaskData) -> None:
    async def submit() -> None:
        mine = expansions(store)
        shared = NewTask(task="c", data=data, config=Share(partner="a"), beside={"shared": data})
        (request,) = await mine.submit([shared], known(data))
        await mine.take()
        mine.learned(request, 3, None, "saved 7 units")
        mine.check_idle("a")
        assert mine.status(request).outcome == "saved 7 units"

    asyncio.run(submit())


def test_orders_that_cannot_be_carried_out_are_refused_at_once(
    store: Store, sets: dict[str, tuple[TaskData, TaskData]], data: TaskData
) -> None:
    others, spoken = sets["lower"][1], sets["spoken"][1]
    share = Share(partner="a")
    held_out = replace(improved(data), beside={"held_out": others})
    refused: list[tuple[NewTask, type[Exception], str]] = [
        (improved(data, "x"), UnknownTask, "no task is called 'x'"),
        (improved(data, source="x"), UnknownTask, "no task is called 'x'"),
        (improved(data, source="a"), DataError, "cannot be improved from itself"),
        (
            improved(spoken),
            DataError,
            "task a reads image-28x28x1, but the data have audio",
        ),
        (improved(others), DataError, "task a has the classes 0, 1"),
        (held_out, DataError, "in the held-out data '0' is missing"),
        (NewTask(task="c", data=data, config=share), DataError, "takes data of that task"),
        (NewTask(task="b", data=data, config=share), TaskNameTaken, "learned already"),
    ]

    async def submit() -> None:
        mine = expansions(store)
        for new, error, said in refused:
            with pytest.raises(error, match=said):
                await mine.submit([new], known(data))
        assert mine.all() == []

    asyncio.run(submit())
    assert store.list("requests") == []


def test_what_was_made_of_a_network_that_changed_is_made_again(
    store: Store, data: TaskData
) -> None:
    async def work() -> None:
        mine = expansions(store)
        request = await learn(mine, "a", data)
        await mine.take()
        mine.again(request)
        assert mine.status(request).stage is Stage.WAITING
        taken = await mine.take()
        assert taken is not None and taken.request == request

    asyncio.run(work())
