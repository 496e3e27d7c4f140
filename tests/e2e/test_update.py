"""`sen update`: the code changes under a network that is asked all the time."""

from __future__ import annotations

import io
import json
import os
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

from deploy.flags import free_port
from tests.copies import change, copy_code
from tests.e2e.test_cli import SEN, refused

SETTINGS = "store: {store}\nslots: {{local_pathways: 0, per_node: 3}}\nserve: {{port: {port}}}\n"


def ask(url: str, enough: threading.Event) -> Counter[str]:
    """Ask for a task again and again; returns how often each status, or error, was the answer."""
    body, answers = io.BytesIO(), Counter[str]()
    np.save(body, np.zeros((1, 28, 28), np.uint8))
    headers = {"content-type": "application/x-npy"}
    with httpx.Client(base_url=url, headers=headers, timeout=60) as http:
        while not enough.wait(0.02):
            try:
                answer = http.post("/v1/predict?task=shapes", content=body.getvalue())
                answers[str(answer.status_code)] += 1
            except httpx.HTTPError as error:
                answers[repr(error)] += 1
    return answers


@dataclass(frozen=True)
class Copy:
    """The network's code in a folder of its own, and what is started from there."""

    folder: Path
    home: Path

    def sen(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SEN, *map(str, arguments)],
            cwd=self.folder,  # Ray's workers look there first
            env={**os.environ, "SEN_HOME": str(self.home), "PYTHONPATH": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(copy_code(tmp_path / "code"), tmp_path / "home")


@pytest.fixture
def url(copy: Copy, tmp_path: Path, shapes: Path) -> Iterator[str]:
    """A served network that knows a task, which lives in a slot's actor."""
    port = free_port()
    settings = tmp_path / "sen.yaml"
    settings.write_text(SETTINGS.format(store=tmp_path / "store", port=port))
    done = copy.sen("up", "--config", settings, "--cpus", 2)
    assert done.returncode == 0, done.stderr
    try:
        done = copy.sen("learn", "shapes", "--data", shapes)
        assert done.returncode == 0, done.stderr
        yield f"http://127.0.0.1:{port}"
    finally:
        assert copy.sen("down").returncode == 0


def test_the_code_changes_and_nobody_who_asks_notices(copy: Copy, url: str, shapes: Path) -> None:
    assert _title(url) == "SEN"
    before = _processes(copy)
    app = copy.folder / "deploy" / "app.py"
    change(app, 'title="SEN"', 'title="SEN, changed"')
    with app.open("a") as file:
        file.write("def broken(:\n")
    refused(copy.sen("update"), "does not start", "nothing was changed", "SyntaxError")
    change(app, "def broken(:\n", "")
    enough = threading.Event()
    with ThreadPoolExecutor(1) as beside:
        asking = beside.submit(ask, url, enough)
        try:
            done = copy.sen("update")
        finally:
            enough.set()
        answers = asking.result()
    assert done.returncode == 0, done.stderr
    assert answers.keys() == {"200"}, answers
    assert answers["200"] > 100
    assert _title(url) == "SEN, changed"
    assert not before & _processes(copy), "none of them is left"
    again = copy.sen("learn", "forms", "--data", shapes)
    assert again.returncode == 0, again.stderr


def _title(url: str) -> str:
    return str(httpx.get(f"{url}/openapi.json").json()["info"]["title"])


def _processes(copy: Copy) -> set[int]:
    """Of controller, slots and replicas."""
    head = json.loads((copy.home / "running.json").read_text())["head_pid"]
    family = psutil.Process(head).children(recursive=True)
    ours = ("ray::ControllerActor", "ray::SlotActor", "ray::ServeReplica:sen:ingress")
    found = {process.pid for process in family if " ".join(process.cmdline()).startswith(ours)}
    assert len(found) >= 3
    return found
