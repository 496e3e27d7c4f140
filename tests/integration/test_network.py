"""Learning, dispatching and residency on a real cluster, through the Python client."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import numpy as np
import psutil
import pytest
import ray

from cluster.async_client import AsyncClient
from cluster.errors import ExpansionFailed, NetworkUnavailable, TaskNameTaken, UnknownTask
from cluster.lifecycle import load_running
from cluster.messages import Answer, NewTask, Stage
from cluster.names import CONTROLLER, NAMESPACE
from dispatcher import NoTaskFits
from pathways import LearnConfig, TaskData, TrainConfig
from pathways.data.embedded import embedded_task
from tests.integration.conftest import BUDGET, TASKS, Served


def accuracy(answers: list[Answer], data: TaskData) -> float:
    return float(np.mean([a.label == data.labels[c] for a, c in zip(answers, data.y, strict=True)]))


def test_every_task_is_learned_in_order_with_its_links(served: Served) -> None:
    entries = {entry.id.task: entry.spec for entry in served.client.tasks()}
    assert list(entries)[:3] == list(TASKS)
    assert entries["digits"].source is None
    assert str(entries["lower"].source) == "digits@1"
    assert entries["upper"].source is not None
    assert len(entries["upper"].links) >= 3


@pytest.mark.parametrize("task", TASKS)
def test_answers_are_right_with_the_task_given(served: Served, task: str) -> None:
    answers = served.client.predict(served.test[task].x, task=task)
    assert accuracy(answers, served.test[task]) > 0.65
    assert all([str(a.pathway) for a in answer.activated] == [f"{task}@1"] for answer in answers)


@pytest.mark.parametrize("task", TASKS)
def test_the_dispatcher_finds_the_pathway(served: Served, task: str) -> None:
    answers = served.client.predict(served.test[task].x)
    among = [task in [a.pathway.task for a in answer.activated] for answer in answers]
    assert np.mean(among) > 0.7
    assert all(len(answer.activated) <= 2 for answer in answers)
    assert all(abs(sum(p for _, p in a.probabilities) - 1) < 1e-4 for a in answers if not a.unknown)


def test_noise_is_unknown(served: Served) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 28, 28, 1), np.uint8)
    answers = served.client.predict(noise)
    assert np.mean([answer.unknown for answer in answers]) > 0.9


def test_two_slots_serve_three_tasks_by_waking_them(served: Served) -> None:
    for task in (*TASKS, *TASKS):
        assert len(served.client.predict(served.test[task].x[:3], task=task)) == 3
        assert len(served.client.network().slots) <= 2


def test_the_async_client_answers_the_same(served: Served) -> None:
    x = served.test["digits"].x[:10]
    controller = ray.get_actor(CONTROLLER, namespace=NAMESPACE)
    answers = asyncio.run(AsyncClient(controller).predict(x, task="digits"))
    assert answers == served.client.predict(x, task="digits")


def test_verify_finds_every_task_as_it_was_learned(served: Served) -> None:
    results = served.client.verify()
    assert [r.task for r in results][:3] == list(TASKS)
    assert all(result.ok for result in results)


def test_errors_of_other_processes_arrive_as_they_were_raised(served: Served) -> None:
    with pytest.raises(UnknownTask, match="no task is called 'nothing'"):
        served.client.predict(served.test["digits"].x[:1], task="nothing")
    with pytest.raises(NoTaskFits):
        served.client.predict(np.zeros((1, 8000), np.float32), rate_hz=8000)
    with pytest.raises(TaskNameTaken, match="learned already"):
        served.client.learn("digits", served.test["digits"])


def test_a_task_that_cannot_be_learned_leaves_the_network_as_it_was(served: Served) -> None:
    before = served.client.network().registry.version
    wrong = LearnConfig(family="lstm")  # the client itself would refuse it
    new = NewTask(task="wrong", data=served.test["digits"], config=wrong)
    expansion = served.client.submit(new)
    with pytest.raises(ExpansionFailed, match="reads audio inputs"):
        expansion.wait(timeout_s=120)
    assert served.client.network().registry.version == before
    assert served.client.expansion(expansion.request).status().stage is Stage.FAILED


def test_a_killed_slot_comes_back(served: Served) -> None:
    x = served.test["digits"].x[:20]
    before = served.client.predict(x, task="digits")
    (slot,) = served.client.network().placement[before[0].activated[0].pathway]
    os.kill(ray.get(slot.process_id.remote()), signal.SIGKILL)
    assert served.client.predict(x, task="digits") == before


def test_a_killed_controller_comes_back_and_learns_on(served: Served) -> None:
    x = served.test["upper"].x[:20]
    before = served.client.predict(x, task="upper")
    version = served.client.network().registry.version
    _process_named("ray::ControllerActor").kill()
    assert served.client.predict(x, task="upper") == before
    _wait_for_controller(served)
    assert served.client.network().registry.version == version
    train, test = embedded_task("fashion", train_per_class=60, test_per_class=10)
    served.client.learn("fashion", train, BUDGET).wait(timeout_s=150)
    assert accuracy(served.client.predict(test.x, task="fashion"), test) > 0.5


def test_a_dormant_task_that_is_asked_for_waits_for_a_killed_controller(served: Served) -> None:
    """There are places for two of three tasks."""
    x = {task: served.test[task].x[:20] for task in TASKS}
    before = {task: served.client.predict(x[task], task=task) for task in TASKS}
    _process_named("ray::ControllerActor").kill()
    assert {task: served.client.predict(x[task], task=task) for task in TASKS} == before


def test_what_was_learned_can_be_asked_at_once(served: Served) -> None:
    few, _ = embedded_task("lower", train_per_class=4, test_per_class=1, seed=9)
    quick = LearnConfig(max_sources=0, train=TrainConfig(epochs=1, min_steps=1))
    expansion = served.client.learn("asked-at-once", few, quick)
    while not expansion.status().ended:
        time.sleep(0.001)
    (answer,) = served.client.predict(few.x[:1], task="asked-at-once")
    assert [a.pathway.task for a in answer.activated] == ["asked-at-once"]


def test_a_killed_worker_does_not_lose_the_task(served: Served) -> None:
    train, test = embedded_task("digits", train_per_class=120, test_per_class=10, seed=5)
    long = LearnConfig(train=TrainConfig(epochs=400))
    expansion = served.client.learn("digits-again", train, long)
    _until(lambda: expansion.status().epoch > 0)
    _process_named("ray::RayTrainWorker").kill()
    status = expansion.wait(timeout_s=200)
    assert status.stage is Stage.LEARNED
    assert accuracy(served.client.predict(test.x, task="digits-again"), test) > 0.7


def test_a_killed_controller_goes_on_with_what_was_being_learned(served: Served) -> None:
    train, _ = embedded_task("digits", train_per_class=120, test_per_class=1, seed=6)
    long = LearnConfig(max_sources=0, train=TrainConfig(epochs=200))
    expansion = served.client.learn("digits-once-more", train, long)
    _until(lambda: expansion.status().epoch > 0)
    _process_named("ray::ControllerActor").kill()
    assert expansion.wait(timeout_s=150).stage is Stage.LEARNED


def _process_named(title: str) -> psutil.Process:
    """Of this network: others may run on this machine."""
    running = load_running()
    assert running is not None and running.head_pid is not None
    below = psutil.Process(running.head_pid).children(recursive=True)
    found = [p for p in below if p.cmdline() and title in " ".join(p.cmdline())]
    assert found, f"no process is called {title}"
    return found[0]


def _wait_for_controller(served: Served) -> None:
    def answers() -> bool:
        try:
            served.client.network()
        except NetworkUnavailable:
            return False
        return True

    _until(answers)


def _until(condition: object, timeout_s: float = 90.0) -> None:
    assert callable(condition)
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.2)
