"""Expansions are durable, are handed out in order, and survive lost jobs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cluster.config import ExpansionConfig
from cluster.errors import QueueFull, StoreError, TaskNameTaken
from cluster.expansions import Expansions, JobLost
from cluster.messages import NewTask, Stage, WaitingTask
from cluster.names import JOBS
from cluster.store import Store
from pathways import PathwaysError, Progress, TaskData
from tests.unit.expanding import expansions, learn, network
from tests.unit.fakes import FakeMeter, open_directory, powerless


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store", create=True)


@pytest.fixture
def data(sets: dict[str, tuple[TaskData, TaskData]]) -> TaskData:
    return sets["digits"][1]


def test_what_was_acknowledged_is_there_after_a_restart(store: Store, data: TaskData) -> None:
    async def submit() -> list[str]:
        before = expansions(store)
        return [await learn(before, task, data) for task in ("b", "a")]

    requests = asyncio.run(submit())
    after = expansions(store)
    after.resume()
    assert [status.request for status in after.all()] == requests == ["00000001-b", "00000002-a"]

    async def take() -> list[WaitingTask | None]:
        first = await after.take()
        assert first is not None
        after.learned(first.request, 1, None)
        return [first, await after.take()]

    assert [waiting.task for waiting in asyncio.run(take()) if waiting] == ["b", "a"]


def test_a_learned_request_is_not_learned_again_and_its_data_go(
    store: Store, data: TaskData
) -> None:
    request = asyncio.run(learn(expansions(store), "a", data))
    after = expansions(store, learned=(request,))
    after.resume()
    assert after.all() == []
    assert store.list("requests") == []


def test_ids_go_on_after_learned_and_waiting_ones(store: Store, data: TaskData) -> None:
    later = expansions(store, learned=("00000041-old",))
    assert asyncio.run(learn(later, "a", data)) == "00000042-a"
    assert asyncio.run(learn(expansions(store), "b", data)) == "00000043-b"


def test_names_that_are_taken_or_unusable_are_refused(store: Store, data: TaskData) -> None:
    async def submit() -> None:
        mine = expansions(store)
        await learn(mine, "a", data)
        for name, in_service, error in (
            ("a", (), TaskNameTaken),
            ("b", ("b",), TaskNameTaken),
            ("B!", (), PathwaysError),
        ):
            with pytest.raises(error, match=name):
                await learn(mine, name, data, in_service)

    asyncio.run(submit())
    assert store.list("requests") == ["00000001-a"]


def test_many_tasks_are_taken_in_order_all_or_none(store: Store, data: TaskData) -> None:
    def tasks(*names: str) -> list[NewTask]:
        return [NewTask(task=name, data=data) for name in names]

    async def submit() -> Expansions:
        mine = expansions(store, max_waiting=5)
        assert await mine.submit(tasks("c", "a", "b"), network()) == [
            "00000001-c",
            "00000002-a",
            "00000003-b",
        ]
        for refused, error in (
            (("d", "e", "f"), QueueFull),
            (("d", "d"), TaskNameTaken),
            (("d", "a"), TaskNameTaken),
            (("d", "E!"), PathwaysError),
        ):
            with pytest.raises(error):
                await mine.submit(tasks(*refused), network())
        return mine

    assert [status.task for status in asyncio.run(submit()).all()] == ["c", "a", "b"]
    after = expansions(store)
    after.resume()
    assert [status.task for status in after.all()] == ["c", "a", "b"]


def test_a_failed_task_is_told_and_forgotten(store: Store, data: TaskData) -> None:
    async def fail() -> Expansions:
        mine = expansions(store)
        request = await learn(mine, "a", data)
        await mine.take()
        await mine.failed(request, "it is impossible")
        return mine

    (status,) = asyncio.run(fail()).all()
    assert (status.stage, status.error) == (Stage.FAILED, "it is impossible")
    assert store.list("requests") == []


def test_a_worker_lingers_for_work_and_then_ends(store: Store, data: TaskData) -> None:
    async def linger() -> tuple[WaitingTask | None, WaitingTask | None]:
        mine = expansions(store, linger_s=5)
        taking = asyncio.create_task(mine.take())
        await asyncio.sleep(0)
        await learn(mine, "a", data)
        return await taking, await expansions(store).take()

    waited, ended = asyncio.run(linger())
    assert waited is not None
    assert waited.task == "a"
    assert ended is None


def test_a_lost_job_is_started_again_until_the_task_fails(store: Store, data: TaskData) -> None:
    async def run() -> tuple[int, Expansions]:
        jobs = 0
        over = asyncio.Event()

        async def lost() -> None:
            nonlocal jobs
            jobs += 1
            await mine.take()
            store.write_new(f"{JOBS}/{jobs}", b"left behind")
            if jobs == 2:
                over.set()
            raise JobLost("killed")

        mine = Expansions(store, ExpansionConfig(attempts=2), (), lost)
        await learn(mine, "a", data)
        running = asyncio.create_task(mine.run_jobs())
        await over.wait()
        while not mine.all()[0].ended:
            await asyncio.sleep(0)
        while store.exists(JOBS):
            await asyncio.sleep(0)
        running.cancel()
        return jobs, mine

    jobs, mine = asyncio.run(asyncio.wait_for(run(), 20))
    assert jobs == 2
    assert "died 2 times: killed" in str(mine.all()[0].error)


def test_a_learned_task_s_data_go_soon_and_its_last_epoch_is_told(
    store: Store, data: TaskData
) -> None:
    async def end() -> Expansions:
        mine = expansions(store)
        request = await learn(mine, "a", data)
        await mine.take()
        assert not mine.ended(request)
        mine.learned(request, 4, Progress(epoch=9, epochs=9, loss=0.1, accuracy=0.75))
        assert mine.ended(request)
        tidying = asyncio.create_task(mine.tidy())
        while store.list("requests"):
            await asyncio.sleep(0)
        tidying.cancel()
        return mine

    (status,) = asyncio.run(asyncio.wait_for(end(), 20)).all()
    assert (status.stage, status.network_version) == (Stage.LEARNED, 4)
    assert (status.epoch, status.loss, status.accuracy) == (9, 0.1, 0.75)


def test_what_is_not_known_any_more_has_ended(store: Store) -> None:
    assert expansions(store).ended("00000001-old")


def test_several_workers_take_a_task_each_and_linger_while_one_learns(
    store: Store, data: TaskData
) -> None:
    async def work() -> list[WaitingTask | None]:
        mine = expansions(store, linger_s=0.02)
        first = await learn(mine, "a", data)
        one, other = await mine.take(), asyncio.create_task(mine.take())
        await asyncio.sleep(0.1)
        assert not other.done()  # a job cannot bring back a worker that ended
        await learn(mine, "b", data)
        two = await other
        mine.learned(first, 1, None)
        assert two is not None
        mine.learned(two.request, 2, None)
        return [one, two, await mine.take()]

    taken = asyncio.run(asyncio.wait_for(work(), 20))
    assert [waiting.task if waiting else None for waiting in taken] == ["a", "b", None]


def test_a_worker_of_a_job_that_is_over_is_given_nothing(store: Store, data: TaskData) -> None:
    async def work() -> tuple[WaitingTask | None, WaitingTask | None]:
        ends = [asyncio.Event(), asyncio.Event()]
        started: asyncio.Queue[int] = asyncio.Queue()
        jobs = iter(range(2))

        async def job() -> None:
            number = next(jobs)
            started.put_nowait(number)
            await ends[number].wait()
            raise JobLost("killed")

        mine = Expansions(store, ExpansionConfig(linger_s=60), (), job)
        running = asyncio.create_task(mine.run_jobs())
        first = await learn(mine, "a", data)
        await started.get()
        await mine.take()
        mine.learned(first, 1, None)
        dead = asyncio.create_task(mine.take())  # lingers, then its worker is killed
        await asyncio.sleep(0)
        ends[0].set()
        assert await dead is None
        await learn(mine, "b", data)
        await started.get()
        given = await mine.take()
        running.cancel()
        return await dead, given

    nothing, given = asyncio.run(asyncio.wait_for(work(), 20))
    assert nothing is None
    assert given is not None
    assert given.task == "b"


def test_a_task_that_a_job_left_behind_is_learned_by_the_next(store: Store, data: TaskData) -> None:
    async def work() -> list[str]:
        taken: list[str] = []

        async def job() -> None:
            waiting = await mine.take()
            assert waiting is not None
            taken.append(waiting.task)
            if len(taken) == 2:
                mine.learned(waiting.request, 1, None)

        mine = Expansions(store, ExpansionConfig(linger_s=60, attempts=3), (), job)
        running = asyncio.create_task(mine.run_jobs())
        request = await learn(mine, "a", data)
        while not mine.ended(request):
            await asyncio.sleep(0)
        running.cancel()
        return taken

    assert asyncio.run(asyncio.wait_for(work(), 20)) == ["a", "a"]


def test_one_damaged_request_does_not_stop_the_others(store: Store, data: TaskData) -> None:
    async def submit() -> None:
        mine = expansions(store)
        await learn(mine, "a", data)
        await learn(mine, "b", data)

    asyncio.run(submit())
    Path(store.path("requests/00000001-a/request.json")).write_text("{")
    after = expansions(store)
    after.resume()
    assert [status.task for status in after.all()] == ["b"]


def test_a_read_only_store_starts_and_refuses_to_learn(data: TaskData) -> None:
    with open_directory() as directory:
        store = Store.open(directory / "store", create=True)
        request = asyncio.run(learn(expansions(store), "a", data))
        for path in (directory / "store").rglob("*"):
            path.chmod(0o555 if path.is_dir() else 0o444)
        (directory / "store").chmod(0o555)
        with powerless():
            mine = expansions(store, learned=(request,))
            mine.resume()
            with pytest.raises(StoreError, match="read-only"):
                asyncio.run(learn(mine, "b", data))
        assert mine.all() == []


def test_ends_and_waiting_tasks_are_told_to_the_meter(store: Store, data: TaskData) -> None:
    meter = FakeMeter()
    config = ExpansionConfig(linger_s=0.01, attempts=1, max_waiting=2)
    lost = asyncio.Event()

    async def run_job() -> None:
        await lost.wait()
        lost.clear()
        raise JobLost("killed")

    async def work() -> None:
        taken = Expansions(store, config, (), run_job, meter)
        jobs = asyncio.create_task(taken.run_jobs())
        first = await learn(taken, "first", data)
        await learn(taken, "second", data)
        with pytest.raises(QueueFull):
            await learn(taken, "third", data)
        telling = asyncio.create_task(taken.tell_waiting())
        await asyncio.sleep(0)
        await taken.take()
        taken.learned(first, 1, None)
        third = await learn(taken, "third", data)
        await taken.take()
        lost.set()
        while len(meter.outcomes) < 2:
            await asyncio.sleep(0)
        await taken.take()
        await taken.failed(third, "too few examples")
        telling.cancel()
        jobs.cancel()

    asyncio.run(asyncio.wait_for(work(), timeout=20))
    assert meter.outcomes == ["learned", "failed", "failed"]
    assert meter.told == [2]
