"""What runs is told at a glance, and what does not run is told as well."""

from __future__ import annotations

import json
from dataclasses import replace

from cluster.lifecycle import Running
from cluster.messages import ExpansionStatus, Rollout, Stage
from deploy.schemas import network_reply
from deploy.status import Node, Status, status_lines
from tests.unit.networks import LearnedNetwork


def made_up(network: LearnedNetwork) -> Status:
    waiting = ExpansionStatus(request="00000009-new", task="new", stage=Stage.WAITING)
    failed = ExpansionStatus(request="1-bad", task="bad", stage=Stage.FAILED, error="one [class]")
    return Status(
        running=Running(
            address="127.0.0.1:6379",
            store="/srv/sen",
            url="http://127.0.0.1:8000",
            head_pid=1,
            temp_dir="/tmp/sen-x",
        ),
        nodes=(
            Node(address="10.0.0.1", alive=True, cpus=8.0, memory_gib=12.0),
            Node(address="10.0.0.2", alive=False, cpus=0.0, memory_gib=0.0),
        ),
        metrics=("http://10.0.0.1:8090/metrics",),
        replicas=2,
        health="answers in 3 ms",
        rollout=Rollout(code="0123456789ab", process=1, slots=4, outdated=1),
        network=network_reply(network.view(unavailable={"digits": "its file is damaged"}), 2),
        expansions=(waiting, failed),
    )


def test_a_status_names_nodes_replicas_tasks_and_what_is_wrong(network: LearnedNetwork) -> None:
    told = "\n".join(status_lines(made_up(network)))
    for said in (
        "HTTP at http://127.0.0.1:8000: answers in 3 ms",
        "2 HTTP replicas live",
        "node 10.0.0.1: alive, 8 CPUs, 12.0 GiB",
        "node 10.0.0.2: [red]gone[/red]",
        "code 0123456789ab",
        "1 of 4 slots still run older code",
        "logs in /tmp/sen-x/session_latest/logs",
        f"network version {network.registry.version}: ",
        "unavailable: digits: its file is damaged",
        "1 tasks wait or are being learned",
        "new: waiting for its turn",
        "bad: failed: one \\[class]",
    ):
        assert said in told


def test_a_status_is_json_for_scripts(network: LearnedNetwork) -> None:
    told = json.loads(made_up(network).to_json())
    assert [node["alive"] for node in told["nodes"]] == [True, False]
    assert told["network"]["network_version"] == network.registry.version
    assert told["expansions"][0]["stage"] == "waiting"


def test_a_network_that_was_joined_has_no_logs_here(network: LearnedNetwork) -> None:
    status = replace(made_up(network), running=None)
    assert status.logs is None
    assert "Ray at" not in "\n".join(status_lines(status))
