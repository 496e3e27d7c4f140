"""What is wrong is said, with what to do; what is well is said too."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cluster.config import ServeConfig
from cluster.diagnosis import GIB, Level, MachineFacts, NodeFacts, diagnose, worst
from cluster.examining import examine_here
from cluster.store import Store
from deploy.cli import app
from deploy.doctor import machine_facts
from deploy.flags import free_port
from pathways.device import gpu_problem

WELL = NodeFacts(
    node="10.0.0.1",
    versions={"python": "3.11.7", "ray": "2.60.0"},
    memory_bytes=8 * GIB,
    disk_bytes=50 * GIB,
    shm_bytes=4 * GIB,
)
MACHINE = MachineFacts(auth_mode="token", port=8000, port_taken=False, haproxy=True)


def test_a_healthy_cluster_has_nothing_to_mend() -> None:
    found = diagnose([WELL, replace(WELL, node="10.0.0.2")], MACHINE)
    assert worst(found) is Level.OK
    assert not any(finding.fix for finding in found)


@pytest.mark.parametrize(
    ("wrong", "check", "level", "fix"),
    [
        ({"versions": {"python": "3.12.1", "ray": "2.60.0"}}, "versions", "fail", "same versions"),
        ({"memory_bytes": GIB // 2}, "memory of 10.0.0.2", "warn", "slots.per_node"),
        ({"disk_bytes": GIB}, "disk of 10.0.0.2", "warn", "full disk"),
        ({"shm_bytes": GIB // 4}, "/dev/shm of 10.0.0.2", "warn", "--shm-size"),
        ({"store_error": "cannot write"}, "store from 10.0.0.2", "fail", "the same rights"),
        ({"clock_s": -9.0, "clock_error_s": 0.1}, "clock of 10.0.0.2", "warn", "chrony"),
    ],
)
def test_a_node_that_is_not_well_is_named(
    wrong: dict[str, Any], check: str, level: str, fix: str
) -> None:
    found = diagnose([WELL, replace(WELL, node="10.0.0.2", **wrong)], MACHINE)
    (bad,) = [finding for finding in found if finding.level is not Level.OK]
    assert (bad.check, bad.level) == (check, level)
    assert fix in bad.fix


@pytest.mark.parametrize(
    ("gpus", "broken", "wanted", "found"),
    [
        (0, None, {"slots.gpus": 0.0, "expansion.gpus": 0.0}, None),
        (1, None, {"slots.gpus": 0.5, "expansion.gpus": 1.0}, None),
        (1, "no driver", {"slots.gpus": 0.0}, ("GPUs of 10.0.0.1", "warn", "no driver")),
        (1, "no driver", {"slots.gpus": 0.5}, ("GPUs of 10.0.0.1", "fail", "no driver")),
        (0, None, {"slots.gpus": 0.5}, ("slots.gpus", "warn", "asks for 0.5, and no node")),
        (1, None, {"expansion.gpus": 2.0}, ("expansion.gpus", "warn", "asks for 2, and no node")),
    ],
)
def test_gpus_that_are_asked_for_and_cannot_be_used_are_told(
    gpus: float, broken: str | None, wanted: dict[str, float], found: tuple[str, str, str] | None
) -> None:
    node = replace(WELL, gpus=gpus, gpu_error=broken)
    bad = [f for f in diagnose([node], MACHINE, wanted) if f.level is not Level.OK]
    assert [(f.check, str(f.level)) for f in bad] == ([found[:2]] if found else [])
    assert not found or (found[2] in bad[0].found and bad[0].fix)


def test_a_gpu_that_ray_counts_is_tried_out() -> None:
    facts = examine_here(None, gpus=1.0)
    assert facts.gpu_error == gpu_problem()
    assert examine_here(None).gpu_error is None


def test_a_clock_that_was_slow_to_ask_is_not_called_wrong() -> None:
    assert worst(diagnose([replace(WELL, clock_s=6.0, clock_error_s=3.0)], MACHINE)) is Level.OK


@pytest.mark.parametrize(
    ("wrong", "check", "fix"),
    [
        ({"auth_mode": "disabled"}, "Ray's token", "unset RAY_AUTH_MODE"),
        ({"open_files": {"/k": 0o644}}, "secrets", "chmod 600 /k"),
        ({"exposed": "no key"}, "API keys", "sen keys add"),
        ({"port_taken": True}, "HTTP port", "serve.port"),
        ({"haproxy": False}, "HAProxy", "RAY_SERVE_ENABLE_HA_PROXY=0"),
        ({"stale_cluster": "/r"}, "Ray's files", "rm /r"),
    ],
)
def test_what_is_wrong_with_this_machine_is_named(
    wrong: dict[str, Any], check: str, fix: str
) -> None:
    found = diagnose([WELL], replace(MACHINE, **wrong))
    (bad,) = [finding for finding in found if finding.level is not Level.OK]
    assert bad.check == check
    assert fix in bad.fix


def test_a_store_that_is_reached_is_left_as_it_was(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store", create=True)
    assert examine_here(store.uri).store_error is None
    assert [name for name, _ in store.walk()] == ["sen-store.json"]
    assert "is no store" in str(examine_here(str(tmp_path / "none")).store_error)


def test_files_and_ports_of_this_machine_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEN_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "keys").touch(mode=0o644)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        facts = machine_facts(ServeConfig(port=port, host="0.0.0.0"), ours=False)
    assert facts.open_files == {str(tmp_path / "keys"): 0o644}
    assert facts.port_taken
    assert "there is no API key" in str(facts.exposed)


def test_the_command_runs_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEN_HOME", str(tmp_path))
    done = CliRunner().invoke(app, ["doctor", "--json", "--port", str(free_port())])
    told = {finding["check"]: finding for finding in json.loads(done.output)}
    assert told["versions"]["level"] == "ok"
    assert "ray 2.60" in told["versions"]["found"]
    assert told["HTTP port"]["level"] == "ok"
