"""One small real cluster for all integration tests: two slots, served over HTTP."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import ray

from cluster.client import Client, connect
from cluster.config import ExpansionConfig, SenConfig, ServeConfig, SlotConfig
from deploy import network
from deploy.flags import free_port
from pathways import LearnConfig, TaskData, TrainConfig
from pathways.data.embedded import embedded_task

BUDGET = LearnConfig(train=TrainConfig(epochs=8, min_steps=150))
TASKS = ("digits", "lower", "upper")
LAST = "test_restart.py"


@dataclass(frozen=True, kw_only=True)
class Served:
    """The running network and what it was taught."""

    config: SenConfig
    client: Client
    http: httpx.Client
    test: dict[str, TaskData]

    def wait_for(self, task: str, timeout_s: float = 30.0) -> None:
        """Ingress replicas hear of a new task a moment after it is learned."""
        until = time.monotonic() + timeout_s
        while self.http.get(f"/v1/tasks/{task}").status_code != httpx.codes.OK:
            assert time.monotonic() < until, f"{task} is not served after {timeout_s} s"
            time.sleep(0.05)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What ends the shared network's Ray comes last."""
    items.sort(key=lambda item: item.path.name == LAST)


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> SenConfig:
    """Fewer slots than tasks, so that pathways have to be woken; all in actors of their own."""
    return SenConfig(
        store=str(tmp_path_factory.mktemp("network") / "store"),
        slots=SlotConfig(max_slots=2, local_pathways=0),
        expansion=ExpansionConfig(linger_s=30),
        serve=ServeConfig(
            port=free_port(), replicas=1, max_body_bytes=4_000_000, max_upload_bytes=20_000_000
        ),
    )


@pytest.fixture(scope="session")
def data() -> dict[str, tuple[TaskData, TaskData]]:
    """Train and test parts of three related image tasks."""
    return {name: embedded_task(name, train_per_class=120, test_per_class=20) for name in TASKS}


@pytest.fixture(scope="session")
def served(
    config: SenConfig,
    data: dict[str, tuple[TaskData, TaskData]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Served]:
    """The network, with three tasks learned."""
    os.environ["SEN_HOME"] = str(tmp_path_factory.mktemp("home"))
    running = network.start(config, cpus=2)
    try:
        client = connect()
        waiting = [client.learn(name, train, BUDGET) for name, (train, _) in data.items()]
        url = network.serve(config, running).url
        for expansion in waiting:
            expansion.wait(timeout_s=150)
        with httpx.Client(base_url=url, timeout=60) as http:
            test = {name: held_out for name, (_, held_out) in data.items()}
            yield Served(config=config, client=client, http=http, test=test)
    finally:
        network.stop(running)
        assert not ray.is_initialized()
        assert Path(config.store).exists(), "the store must outlive the cluster"


@pytest.fixture(scope="module", autouse=True)
def as_found(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tasks that a module taught the network go when it ends: they would change where the inputs of
    other modules are sent."""
    mine = [item for item in request.session.items if item.path == request.path]
    if request.path.name == LAST or not any("served" in names(item) for item in mine):
        yield
        return
    client = request.getfixturevalue("served").client
    before = set(client.network().registry.current)
    yield
    for entry in reversed(client.tasks()):
        if entry.id.task not in before:
            client.remove(entry.id.task, reroot=True)


def names(item: pytest.Item) -> list[str]:
    """The fixtures of a test."""
    return item.fixturenames if isinstance(item, pytest.Function) else []
