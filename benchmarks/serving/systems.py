"""The systems that are compared, each started as a user would start it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil
import yaml

from benchmarks.serving.load import NPY
from benchmarks.serving.models import Served, npy
from deploy.flags import FAST, PREFIX, free_port, head_flags

STORE = "SEN_BENCHMARK_STORE"
"""Environment variable that tells `plain` where the models are."""

_START_SECONDS = 240.0
_PATIENCE_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True)
class Running:
    """A system that answers."""

    url: str
    root: psutil.Process
    """All of its processes are below this one."""

    def processes(self) -> list[psutil.Process]:
        """All of its processes."""
        return [self.root, *self.root.children(recursive=True)]


Start = Callable[[Served, int], AbstractContextManager[Running]]
"""Serve with room for so many models; ends all processes on exit."""


@dataclass(frozen=True, kw_only=True)
class System:
    """One way to serve the tasks."""

    name: str
    title: str
    start: Start
    path: Callable[[str], str]
    """Task → path of a request."""


@contextmanager
def ours(served: Served, capacity: int) -> Iterator[Running]:
    """`sen up`, and `sen down`."""
    settings = {"store": str(served.store), "slots": {"local_pathways": capacity}}
    with tempfile.TemporaryDirectory() as home, up(Path(home), settings) as running:
        yield running


@contextmanager
def up(home: Path, settings: Mapping[str, Any]) -> Iterator[Running]:
    """`sen up` with these settings, on a free port and with its state at `home`; `sen down`."""
    port = free_port()
    config = home / "sen.yaml"
    config.write_text(yaml.safe_dump({**settings, "serve": {"port": port}}), encoding="utf-8")
    sen = [str(Path(sys.executable).with_name("sen"))]
    environment = {**_plain_environment(), "SEN_HOME": str(home)}
    try:
        subprocess.run([*sen, "up", "--config", str(config)], env=environment, check=True)
        state = json.loads((home / "running.json").read_text(encoding="utf-8"))
        yield Running(url=f"http://127.0.0.1:{port}", root=psutil.Process(state["head_pid"]))
    finally:
        subprocess.run([*sen, "down"], env=environment, check=False)


@contextmanager
def plain(served: Served, capacity: int) -> Iterator[Running]:
    """uvicorn with every model in its one process."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks.serving.plain:app"]
    command += ["--port", str(port), "--log-level", "warning"]
    with _process(command, {STORE: str(served.store)}, port, served) as running:
        yield running


def multiplexed(
    flags: Mapping[str, str],
) -> Callable[[Served, int], AbstractContextManager[Running]]:
    """Serve's multiplexing with these of Serve's flags."""

    @contextmanager
    def start(served: Served, capacity: int) -> Iterator[Running]:
        port = free_port()
        command = [sys.executable, "-m", "benchmarks.serving.multiplexed"]
        command += [str(served.store), str(port), str(capacity)]
        with tempfile.TemporaryDirectory() as folder:
            environment = {**head_flags(folder), **flags} if flags else {}
            with _process(command, environment, port, served) as running:
                yield running

    return start


SYSTEMS = (
    System(
        name="dispatching", title="SEN, dispatching", start=ours, path=lambda task: "/v1/predict"
    ),
    System(
        name="told",
        title="SEN, told the task",
        start=ours,
        path=lambda t: f"/v1/predict?task={quote(t)}",
    ),
    System(
        name="plain",
        title="FastAPI + uvicorn, told",
        start=plain,
        path=lambda task: f"/predict?task={quote(task)}",
    ),
    System(
        name="multiplexed",
        title="serve.multiplexed, told",
        start=multiplexed({}),
        path=lambda task: f"/?task={quote(task)}",
    ),
    System(
        name="multiplexed-fast",
        title="serve.multiplexed, fast flags, told",
        start=multiplexed(FAST),
        path=lambda task: f"/?task={quote(task)}",
    ),
)


def wait_until_right(running: Running, system: System, served: Served) -> None:
    """Wait until every task is answered; raises TimeoutError with what was answered last."""
    until = time.monotonic() + _START_SECONDS
    with httpx.Client(base_url=running.url, timeout=30) as http:
        for task in served.tasks:
            body = npy(served.inputs[task][:1])
            while (last := _ask(http, system.path(task), body)) != "200":
                if time.monotonic() > until or not running.root.is_running():
                    raise TimeoutError(f"{system.name} does not answer: {last}")
                time.sleep(0.5)


def _ask(http: httpx.Client, path: str, body: bytes) -> str:
    try:
        reply = http.post(path, content=body, headers={"content-type": NPY})
    except httpx.TransportError as error:
        return str(error)
    return str(reply.status_code) if reply.is_success else f"{reply.status_code}: {reply.text}"


@contextmanager
def _process(
    command: list[str], environment: Mapping[str, str], port: int, served: Served
) -> Iterator[Running]:
    """A process of ours with everything below it, ended by their ids."""
    process = subprocess.Popen(command, env={**_plain_environment(), **environment})
    root = psutil.Process(process.pid)
    try:
        yield Running(url=f"http://127.0.0.1:{port}", root=root)
    finally:
        family = [*root.children(recursive=True), root] if root.is_running() else []
        process.terminate()
        _, left = psutil.wait_procs(family, timeout=_PATIENCE_SECONDS)
        for each in left:
            each.kill()
        process.wait()


def _plain_environment() -> dict[str, str]:
    """This process's, without anything that would change how Serve works."""
    return {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
