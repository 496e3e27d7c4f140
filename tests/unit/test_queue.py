"""The queue of expansions: every way from waiting to learned or failed."""

from __future__ import annotations

import random

import pytest

from cluster.errors import ExpansionFailed, QueueFull, TaskNameTaken
from cluster.messages import ExpansionStatus, Stage, WaitingTask
from cluster.names import request_id
from cluster.queue import ExpansionQueue
from pathways import LearnConfig, Progress

FIRST, SECOND = request_id(1, "digits"), request_id(2, "lower")


def queue(*tasks: str, attempts: int = 2, max_waiting: int = 100) -> ExpansionQueue:
    filled = ExpansionQueue(attempts, max_waiting)
    for number, task in enumerate(tasks, start=1):
        filled.add(waiting(number, task))
    return filled


def waiting(number: int, task: str) -> WaitingTask:
    return WaitingTask(request=request_id(number, task), task=task, config=LearnConfig())


def epoch(number: int) -> Progress:
    return Progress(epoch=number, epochs=10, loss=0.5, accuracy=0.8)


def test_an_empty_queue_gives_nothing() -> None:
    assert len(queue()) == 0
    assert queue().take() is None
    assert not queue().unfinished
    assert queue().all() == []


def test_an_acknowledged_task_waits() -> None:
    filled = queue("digits")
    assert len(filled) == 1
    assert filled.unfinished
    assert filled.status(FIRST) == ExpansionStatus(
        request=FIRST, task="digits", stage=Stage.WAITING
    )


def test_tasks_are_taken_in_the_order_of_arrival() -> None:
    filled = queue("digits", "lower")
    assert filled.take() == waiting(1, "digits")
    assert filled.status(FIRST).stage is Stage.LEARNING
    assert filled.status(SECOND).stage is Stage.WAITING
    filled.learned(FIRST, 1)
    assert filled.take() == waiting(2, "lower")


def test_each_worker_is_given_a_task_of_its_own() -> None:
    filled = queue("digits", "lower")
    assert [filled.take(), filled.take()] == [waiting(1, "digits"), waiting(2, "lower")]
    assert filled.take() is None
    assert filled.learning
    assert {status.stage for status in filled.all()} == {Stage.LEARNING}
    filled.learned(SECOND, 1)  # the later one may end first
    filled.learned(FIRST, 2)
    assert not filled.unfinished
    assert not filled.learning


def test_progress_is_told() -> None:
    filled = queue("digits")
    filled.take()
    filled.progress(FIRST, epoch(3))
    status = filled.status(FIRST)
    assert (status.epoch, status.epochs, status.loss, status.accuracy) == (3, 10, 0.5, 0.8)
    assert status.stage is Stage.LEARNING


def test_a_learned_task_names_its_network_version() -> None:
    filled = queue("digits")
    filled.take()
    filled.learned(FIRST, 7)
    status = filled.status(FIRST)
    assert (status.stage, status.network_version, status.ended) == (Stage.LEARNED, 7, True)
    assert not filled.unfinished


def test_a_failed_task_names_its_reason_and_the_next_goes_on() -> None:
    filled = queue("digits", "lower")
    filled.take()
    filled.failed(FIRST, "no such data")
    status = filled.status(FIRST)
    assert (status.stage, status.error, status.ended) == (Stage.FAILED, "no such data", True)
    assert filled.take() == waiting(2, "lower")


@pytest.mark.parametrize("ending", ["learned", "failed"])
def test_late_progress_of_an_ended_task_is_ignored(ending: str) -> None:
    filled = queue("digits")
    filled.take()
    filled.progress(FIRST, epoch(2))
    if ending == "learned":
        filled.learned(FIRST, 1)
    else:
        filled.failed(FIRST, "no")
    filled.progress(FIRST, epoch(9))
    assert filled.status(FIRST).epoch == 2


def test_an_unknown_expansion_is_refused() -> None:
    with pytest.raises(ExpansionFailed, match="no expansion has id '00000009-x'"):
        queue("digits").status("00000009-x")


def test_all_expansions_are_listed_oldest_first() -> None:
    filled = queue("digits", "lower")
    filled.take()
    filled.failed(FIRST, "no")
    assert [status.request for status in filled.all()] == [FIRST, SECOND]


# --- names --------------------------------------------------------------------------------------


def test_a_learned_task_s_name_is_taken() -> None:
    with pytest.raises(TaskNameTaken, match="'digits' is learned already; choose another name"):
        queue().check_free("digits", ["lower", "digits"])


def test_a_waiting_task_s_name_is_taken() -> None:
    with pytest.raises(TaskNameTaken, match=f"'digits' is waiting already .expansion {FIRST}"):
        queue("digits").check_free("digits", [])


def test_the_name_of_a_task_being_learned_is_taken() -> None:
    filled = queue("digits")
    filled.take()
    with pytest.raises(TaskNameTaken, match="'digits' is learning already"):
        filled.check_free("digits", [])


def test_the_name_of_a_failed_task_is_free_again() -> None:
    filled = queue("digits")
    filled.take()
    filled.failed(FIRST, "no")
    filled.check_free("digits", [])
    filled.add(waiting(2, "digits"))
    with pytest.raises(TaskNameTaken, match="is waiting already"):
        filled.check_free("digits", [])


def test_other_names_are_free() -> None:
    queue("digits").check_free("lower", ["upper"])


# --- lost workers -------------------------------------------------------------------------------


def test_a_lost_worker_s_task_waits_again_before_the_others() -> None:
    filled = queue("digits", "lower")
    filled.take()
    filled.progress(FIRST, epoch(5))
    assert filled.workers_lost("killed") == []
    status = filled.status(FIRST)
    assert (status.stage, status.epoch) == (Stage.WAITING, 0)
    assert filled.take() == waiting(1, "digits")


def test_a_task_whose_workers_keep_dying_fails_in_the_end() -> None:
    filled = queue("digits", "lower", attempts=3)
    for _ in range(2):
        filled.take()
        assert filled.workers_lost("killed") == []
    filled.take()
    assert filled.workers_lost("out of memory") == [FIRST]
    assert filled.status(FIRST).stage is Stage.FAILED
    assert filled.status(FIRST).error == "the worker for 'digits' died 3 times: out of memory"
    assert filled.take() == waiting(2, "lower")


def test_a_task_is_tried_once_where_one_attempt_is_allowed() -> None:
    filled = queue("digits", attempts=1)
    filled.take()
    assert filled.workers_lost("killed") == [FIRST]
    assert not filled.unfinished


def test_each_task_has_its_own_attempts() -> None:
    filled = queue("digits", "lower")
    for request in (FIRST, SECOND):
        filled.take()
        assert filled.workers_lost("killed") == []
        filled.take()
        filled.learned(request, 1)
    assert not filled.unfinished


def test_a_worker_that_never_starts_makes_the_first_task_fail_after_the_attempts() -> None:
    filled = queue("digits", "lower")
    assert filled.workers_lost("no CPU left") == []
    assert filled.status(FIRST).stage is Stage.WAITING
    assert filled.workers_lost("no CPU left") == [FIRST]
    assert "no CPU left" in (filled.status(FIRST).error or "")
    assert [status.stage for status in filled.all()] == [Stage.FAILED, Stage.WAITING]


def test_a_worker_lost_with_nothing_to_do_harms_nothing() -> None:
    filled = queue("digits")
    filled.take()
    filled.learned(FIRST, 1)
    assert filled.workers_lost("killed") == []
    assert filled.status(FIRST).stage is Stage.LEARNED


@pytest.mark.parametrize("ending", ["learned", "failed"])
def test_a_task_ended_by_a_worker_thought_lost_is_not_learned_again(ending: str) -> None:
    filled = queue("digits", "lower")
    filled.take()
    filled.workers_lost("its node does not answer")
    if ending == "learned":
        filled.learned(FIRST, 1)
    else:
        filled.failed(FIRST, "no")
    assert filled.take() == waiting(2, "lower")
    assert filled.status(FIRST).ended


def test_progress_of_a_worker_thought_lost_is_ignored() -> None:
    filled = queue("digits")
    filled.take()
    filled.workers_lost("its node does not answer")
    filled.progress(FIRST, epoch(6))
    assert filled.status(FIRST).epoch == 0


def test_no_more_tasks_wait_than_may() -> None:
    full = queue("digits", "lower", max_waiting=2)
    with pytest.raises(QueueFull, match=r"2 tasks wait .* raise expansion.max_waiting"):
        full.check_room()
    full.take()
    full.check_room()  # the one being learned does not wait
    with pytest.raises(QueueFull, match="no room for 2 more"):
        full.check_room(2)


# --- several workers, many tasks ----------------------------------------------------------------


def test_all_tasks_of_a_lost_job_wait_again_in_their_order() -> None:
    filled = queue("digits", "lower", "upper")
    filled.take()
    filled.take()
    assert filled.workers_lost("killed") == []
    assert [filled.take(), filled.take(), filled.take()] == [
        waiting(1, "digits"),
        waiting(2, "lower"),
        waiting(3, "upper"),
    ]


def test_of_a_lost_job_only_the_tasks_that_were_tried_often_fail() -> None:
    filled = queue("digits", "lower", attempts=2)
    filled.take()
    filled.workers_lost("killed")
    filled.take()
    filled.take()
    assert filled.workers_lost("killed") == [FIRST]
    assert filled.take() == waiting(2, "lower")
    assert not len(filled)


def test_of_the_ended_the_newest_are_remembered() -> None:
    filled = ExpansionQueue(attempts=1, max_waiting=10, kept_ended=2)
    for number in range(1, 6):
        filled.add(waiting(number, f"t{number}"))
        filled.take()
        filled.learned(request_id(number, f"t{number}"), number)
    filled.add(waiting(6, "t6"))
    assert [status.task for status in filled.all()] == ["t4", "t5", "t6"]
    with pytest.raises(ExpansionFailed, match="no expansion has id '00000001-t1', or it ended"):
        filled.status(request_id(1, "t1"))
    filled.progress(request_id(1, "t1"), epoch(1))  # too late to matter


def test_a_random_life_of_the_queue_loses_and_repeats_nothing() -> None:
    random_ = random.Random(3)
    filled, added, ended = ExpansionQueue(attempts=99, max_waiting=1000), 0, set[str]()
    taken: list[WaitingTask] = []
    while len(ended) < 300:
        step = random_.random()
        if step < 0.4 and added < 300:
            added += 1
            filled.add(waiting(added, f"t{added}"))
        elif step < 0.7:
            taken += [task] if (task := filled.take()) else []
        elif step < 0.72:
            filled.workers_lost("killed")
            taken.clear()
        elif taken:
            task = taken.pop(random_.randrange(len(taken)))
            assert task.request not in ended
            ended.add(task.request)
            filled.learned(task.request, len(ended))
        on_their_way = {s.request for s in filled.all() if not s.ended}
        assert len(on_their_way) == added - len(ended)
        assert len(filled) + len(taken) == len(on_their_way)
    assert not filled.unfinished
