"""`sen update`: the code changes under a network that is asked all the time."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

from deploy.flags import free_port
from tests.e2e.test_cli import SEN, refused

ROOT = Path(__file__).parents[2]
SETTINGS = "store: {store}\nslots: {{local_pathways: 0, per_node: 3}}\nserve: {{port: {port}}}\n"


@dataclass
class Asking(threading.Thread):
    """Asks a task again and again, until told to stop."""

    url: str
    answers: Counter[str] = field(default_factory=Counter)
    enough: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        body = io.BytesIO()
        np.save(body, np.zeros((1, 28, 28), np.uint8))
        headers = {"content-type": "application/x-npy"}
        with httpx.Client(base_url=self.url, headers=headers, timeout=60) as http:
            while not self.enough.is_set():
                try:
                    answer = http.post("/v1/predict?task=shapes", content=body.getvalue())
                    self.answers[str(answer.status_code)] += 1
                except httpx.HTTPError as error:
                    self.answers[repr(error)] += 1
                time.sleep(0.02)


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

    def change(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    for package in ("pathways", "dispatcher", "cluster", "deploy"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, tmp_path / "code" / package, ignore=ignored)
    return Copy(tmp_path / "code", tmp_path / "home")


@pytest.fixture
def url(copy: Copy, tmp_path: Path, shapes: Path) -> Iterator[str]:
    """A served network that knows a task, which lives in a slot's actor."""
    port = free_port()
    settings = tmp_path / "sen.yaml"
    settings.write_text(SETTINGS.format(store=tmp_path / "store", port=port))
    done = copy.sen("up", "--config", settings, "--cpus", 2)
    assert done.returncode == 0, done.stderr
    done = copy.sen("learn", "shapes", "--data", shapes)
    assert done.returncode == 0, done.stderr
    yield f"http://127.0.0.1:{port}"
    assert copy.sen("down").returncode == 0


def test_the_code_changes_and_nobody_who_asks_notices(copy: Copy, url: str, shapes: Path) -> None:
    assert _title(url) == "SEN"
    before = _processes(copy)
    copy.change("deploy/app.py", 'title="SEN"', 'title="SEN, changed"')
    with (copy.folder / "deploy" / "app.py").open("a") as file:
        file.write("def broken(:\n")
    refused(copy.sen("update"), "does not start", "nothing was changed", "SyntaxError")
    copy.change("deploy/app.py", "def broken(:\n", "")
    asking = Asking(url)
    asking.start()
    done = copy.sen("update")
    asking.enough.set()
    asking.join()
    assert done.returncode == 0, done.stderr
    assert asking.answers.keys() == {"200"}, asking.answers
    assert asking.answers["200"] > 100
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
