"""Everything comes back from the store alone; what is damaged does not harm the rest.

These tests end the shared network's Ray by kill -9 and start another, so they run last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import ray

from cluster.client import connect
from cluster.errors import SenError, StoreFormatError, TaskUnavailable
from cluster.lifecycle import Running, load_running
from cluster.messages import Stage
from cluster.registry_log import RegistryLog
from cluster.store import Store
from deploy import network
from tests.integration.conftest import BUDGET, TASKS, Served


def kill_all_of_ray() -> None:
    """As an out-of-memory killer would: no process gets to say goodbye."""
    running = load_running()
    assert running is not None
    assert running.head_pid is not None
    head = psutil.Process(running.head_pid)
    processes = [head, *head.children(recursive=True)]
    for process in processes:
        process.kill()
    psutil.wait_procs(processes, timeout=20)
    ray.shutdown()


@pytest.fixture
def restarted(served: Served) -> Iterator[Running]:
    running = network.start(served.config, cpus=2)
    yield running
    network.stop(running)


def test_a_second_network_on_this_machine_is_refused(served: Served) -> None:
    with pytest.raises(SenError, match="runs already"):
        network.start(served.config)


def test_all_is_back_after_kill_9_with_an_unfinished_task_and_a_damaged_file(
    served: Served, request: pytest.FixtureRequest
) -> None:
    before = {name: served.client.predict(d.x, task=name) for name, d in served.test.items()}
    dispatched = served.client.predict(served.test["digits"].x)
    waiting = served.client.learn("digits-late", served.test["digits"], BUDGET)
    assert waiting.status().stage is not Stage.LEARNED
    kill_all_of_ray()
    _damage_weights_of(served, "upper")

    request.getfixturevalue("restarted")
    client = connect()
    for name in ("digits", "lower"):
        assert [a.probabilities for a in client.predict(served.test[name].x, task=name)] == [
            a.probabilities for a in before[name]
        ]
    with pytest.raises(TaskUnavailable, match="upper@1"):
        client.predict(served.test["upper"].x, task="upper")
    answers = client.predict(served.test["digits"].x)
    assert all("upper" not in [a.pathway.task for a in answer.activated] for answer in answers)
    kept = [
        (a, b)
        for a, b in zip(answers, dispatched, strict=True)
        if "upper" not in [x.pathway.task for x in b.activated]
    ]
    assert kept
    verified = {result.task: result for result in client.verify()}
    assert verified["digits"].ok
    assert not verified["upper"].stored_intact
    assert "SHA-256" in str(verified["upper"].error)
    client.expansion(waiting.request).wait(timeout_s=150)
    assert client.tasks()[-1].id.task == "digits-late"


def test_an_unusable_store_is_refused_before_ray_starts(served: Served, tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(StoreFormatError, match=r"holiday\.jpg"):
        network.start(replace(served.config, store=str(tmp_path)))
    assert load_running() is None


def _damage_weights_of(served: Served, task: str) -> None:
    store = Store.open(served.config.store)
    path = Path(store.path(RegistryLog(store).load().entry(task).weights_path))
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)
    assert task in TASKS
