"""The command line as a process: help, mistakes, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from cluster.lifecycle import start_head, stop_head
from deploy.flags import free_port

SEN = Path(sys.executable).with_name("sen")
COMMANDS = (
    *("demo", "up", "down", "learn", "learn-pair", "predict", "tasks", "network", "verify"),
    *("status", "improve", "prune", "versions", "rollback", "remove"),
    *("backup", "restore", "update", "doctor", "logs", "monitor"),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def sen(home: Path, *arguments: object, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SEN, *map(str, arguments)],
        env={**os.environ, "SEN_HOME": str(home), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str], *fragments: str) -> None:
    """One clear sentence on stderr, exit code not 0, no traceback."""
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    said = " ".join(done.stderr.split())
    for fragment in fragments:
        assert fragment in said, said


@pytest.fixture(scope="module")
def network(home: Path) -> Iterator[int]:
    """A served network without tasks; gives its port."""
    port = free_port()
    done = sen(home, "up", "--store", home / "store", "--port", port, "--cpus", 2)
    assert done.returncode == 0, done.stderr
    yield port
    done = sen(home, "down")
    assert done.returncode == 0, done.stderr
    assert not (home / "running.json").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(home: Path, command: str) -> None:
    done = sen(home, command, "--help")
    assert done.returncode == 0
    assert "Example" in done.stdout
    assert f"sen {command}" in done.stdout


def test_without_a_network_commands_say_how_to_start_one(home: Path, tmp_path: Path) -> None:
    for command in ("tasks", "network", "verify", "status", "logs", "monitor"):
        refused(sen(tmp_path, command), "no network runs", "sen up")
    refused(sen(tmp_path, "update"), "no network was started on this machine", "sen up")
    refused(sen(tmp_path, "down"), "nothing to stop")


def test_unusable_stores_and_settings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    refused(sen(tmp_path, "up", "--store", tmp_path / "photos"), "a.jpg", "empty directory")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "sen-store.json").write_text('{"format": 99}')
    refused(sen(tmp_path, "up", "--store", tmp_path / "old"), "format 99")
    (tmp_path / "sen.yaml").write_text("store: x\nslotz: {}\n")
    refused(sen(tmp_path, "up", "--config", tmp_path / "sen.yaml"), "slotz", "slots")
    refused(sen(tmp_path, "demo", "--download"), "--data-dir")
    refused(sen(tmp_path, "demo", "--data-dir", tmp_path / "photos"), "--download")
    assert not (tmp_path / "running.json").exists()


def test_learn_predict_and_mistakes(home: Path, network: int, shapes: Path, tmp_path: Path) -> None:
    refused(sen(home, "up", "--store", home / "store"), "runs already", "sen down")
    done = sen(home, "learn", "shapes", "--data", shapes, "--family", "cnn")
    assert done.returncode == 0, done.stderr
    assert "shapes" in done.stdout
    image = shapes / "bar" / "0.png"
    (answer,) = json.loads(sen(home, "predict", image, "--json").stdout)
    assert answer["label"] == "bar"
    refused(sen(home, "learn", "shapes", "--data", shapes), "learned already")
    refused(sen(home, "learn", "Shapes!", "--data", shapes), "Shapes!")
    refused(sen(home, "learn", "b", "--data", shapes, "--family", "gru"), "gru", "mlp")
    refused(sen(home, "learn", "b", "--data", tmp_path / "none"), str(tmp_path / "none"))
    refused(sen(home, "learn", "b", "--data", shapes / "bar"), "class")
    refused(sen(home, "predict", tmp_path / "none.png"), "none.png")
    (tmp_path / "half.png").write_bytes(image.read_bytes()[:50])
    refused(sen(home, "predict", tmp_path / "half.png"), "half.png")
    refused(sen(home, "predict", image, "--task", "x"), "no task is called 'x'")
    assert "shapes" in sen(home, "tasks").stdout
    assert "all 1 tasks are as they were learned" in sen(home, "verify").stdout


def test_a_task_is_made_smaller_brought_back_and_removed(
    home: Path, network: int, shapes: Path, tmp_path: Path
) -> None:
    assert sen(home, "learn", "forms", "--data", shapes).returncode == 0
    refused(sen(home, "prune", "nobody", "--data", shapes), "nobody")
    refused(sen(home, "prune", "forms", "--data", shapes, "--max-loss", "x"), "no share", "0.5%")
    refused(sen(home, "rollback", "forms"), "no earlier version")
    refused(sen(home, "improve", "forms", "--data", shapes, "--from", "forms"), "from itself")
    refused(sen(home, "improve", "forms"), "--data", "--auto")
    done = sen(home, "prune", "forms", "--data", shapes, "--max-loss", "20%", "--keep", "16")
    assert done.returncode == 0, done.stderr
    assert "forms@2 is in service" in done.stdout
    versions = json.loads(sen(home, "versions", "forms", "--json").stdout)["versions"]
    first, second = versions
    assert (second["in_service"], second["revision"], second["of"]) == (True, "pruned", "forms@1")
    assert second["parameters"] < first["parameters"]
    assert "pruned of forms@1" in sen(home, "versions", "forms").stdout
    assert "forms@1 is in service" in sen(home, "rollback", "forms").stdout
    assert "forms" in sen(home, "tasks").stdout
    assert "Remove task forms" in sen(home, "remove", "forms").stdout  # it asks; nobody answers
    assert "forms@1" in sen(home, "tasks").stdout
    done = sen(home, "remove", "forms", "--yes")
    assert "task forms is removed" in done.stdout, done.stderr
    assert "forms@" not in sen(home, "tasks").stdout
    assert sen(home, "improve", "--auto").returncode == 0


def test_ctrl_c_while_learning_leaves_the_task_on_its_way(
    home: Path, network: int, shapes: Path
) -> None:
    process = subprocess.Popen(
        [SEN, "learn", "later", "--data", shapes, "--epochs", "20000"],
        env={**os.environ, "SEN_HOME": str(home), "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    end = time.monotonic() + 200

    def expansions() -> list[dict[str, Any]]:
        asked = httpx.get(f"http://127.0.0.1:{network}/v1/expansions").raise_for_status()
        return list(asked.json()["expansions"])

    # Not as soon as it is there: the command may not have been told its id yet.
    while not any(e["task"] == "later" and e["epoch"] for e in expansions()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 130
    assert "learn later: it goes on" in said
    assert "Traceback" not in said


def test_logs_of_all_processes_are_found_from_one_place(home: Path, network: int) -> None:
    listed = sen(home, "logs", "--list").stdout
    for kind in ("controller", "replica", "serve"):
        assert f" {kind} " in listed
    assert "ray" not in listed.split()
    shown = sen(home, "logs", "--kind", "serve", "--lines", 50).stdout
    assert "── serve on " in shown and "started successfully" in shown
    assert "──" not in sen(home, "logs", "--kind", "controller", "--errors").stdout
    refused(sen(home, "logs", "--kind", "slots"), "no process is a 'slots'", "controller, slot")
    refused(sen(home, "logs", "--node", "203.0.113.9"), "no node '203.0.113.9' is alive")


def test_logs_are_followed_until_ctrl_c(home: Path, network: int) -> None:
    process = started(home, "logs", "--follow", "--kind", "ray", "--lines", 1)
    assert process.stdout is not None
    # A task that reads logs is one of Ray's workers, whose log says so; so lines are added.
    assert any(re.match(r"ray( \d+)? on \d", line) for line in process.stdout)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=100)
    assert process.returncode == 0, said


@pytest.mark.skipif(not shutil.which("prometheus"), reason="Prometheus is not installed")
def test_prometheus_reads_what_the_network_measures(home: Path, network: int) -> None:
    port = free_port()
    process = started(home, "monitor", "--prometheus-port", port)
    try:
        assert process.stdout is not None
        assert any(f"Prometheus at http://127.0.0.1:{port}" in line for line in process.stdout)
        api = f"http://127.0.0.1:{port}/api/v1"
        end = time.monotonic() + 200
        while not (found := asked(f"{api}/query?query=ray_sen_expansions_waiting")["result"]):
            assert time.monotonic() < end
            time.sleep(0.5)
        assert found[0]["value"][1] == "0"
        (target,) = asked(f"{api}/targets")["activeTargets"]
        assert (target["health"], target["labels"]["job"]) == ("up", "sen")
        (prometheus,) = psutil.Process(process.pid).children()
    finally:
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=100)
    assert process.returncode == 0, said
    assert not prometheus.is_running()


def asked(url: str) -> Any:
    """What Prometheus answers."""
    answer = httpx.get(url).raise_for_status().json()
    assert answer["status"] == "success"
    return answer["data"]


def started(home: Path, *arguments: object) -> subprocess.Popen[str]:
    """A command that goes on until Ctrl-C."""
    return subprocess.Popen(
        [SEN, *map(str, arguments)],
        env={**os.environ, "SEN_HOME": str(home), "COLUMNS": "120", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    assert "Traceback" in sen(tmp_path, "--debug", "tasks").stderr


def test_up_joins_a_cluster_and_down_leaves_it_running(tmp_path: Path) -> None:
    os.environ["SEN_HOME"] = str(tmp_path)
    address, pid, temp_dir = start_head(cpus=2)
    try:
        port = free_port()
        joined = sen(
            tmp_path, "up", "--address", address, "--store", tmp_path / "s", "--port", port
        )
        assert joined.returncode == 0, joined.stderr
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").json()["network_version"] == 0
        assert "no task was learned yet" in sen(tmp_path, "tasks").stdout
        other = tmp_path / "other"
        second = sen(other, "up", "--address", address, "--store", other / "s", "--port", port + 1)
        refused(second, "runs in this Ray cluster already")
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
        assert sen(tmp_path, "down").returncode == 0
        assert psutil.pid_exists(pid), "a cluster that was joined is not ended"
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.1:{port}/healthz")
    finally:
        stop_head(pid, temp_dir)


def test_ctrl_c_stops_the_demo_and_leaves_no_process(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [SEN, "demo", "--port", str(free_port())],
        env={**os.environ, "SEN_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    running = tmp_path / "running.json"
    end = time.monotonic() + 200
    while not running.exists():
        assert time.monotonic() < end
        time.sleep(0.1)
    time.sleep(3)  # into learning
    head = psutil.Process(json.loads(running.read_text())["head_pid"])
    family = [head, *head.children(recursive=True)]
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=100)
    assert process.returncode != 0
    assert "Traceback" not in said
    _, left = psutil.wait_procs(family, timeout=10)
    assert not left
    assert not running.exists()
