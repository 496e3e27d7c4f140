"""The files that `ray up` takes, and the settings beside them, are valid and complete."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from cluster.config import ServeConfig, read_config
from deploy.flags import FAST

ROOT = Path(__file__).parents[2]
CLUSTERS = {
    "ray_config.yaml": "sen.yaml",
    "deploy/clusters/aws.yaml": "deploy/clusters/aws-sen.yaml",
    "deploy/clusters/gcp.yaml": "deploy/clusters/gcp-sen.yaml",
}
"""Each file for `ray up`, and the settings of the network on it."""
CLOUDS = [name for name in CLUSTERS if name.startswith("deploy/")]


def read(name: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return read


def pins() -> dict[str, str]:
    """The pinned version of each package of deploy/constraints.txt."""
    lines = (ROOT / "deploy" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pairs}


@pytest.mark.parametrize("name", CLUSTERS)
def test_a_cluster_fits_the_schema_of_ray_up(name: str) -> None:
    schema = Path(ray.__file__).parent / "autoscaler" / "ray-schema.json"
    jsonschema.validate(read(name), json.loads(schema.read_text(encoding="utf-8")))


@pytest.mark.parametrize("settings", CLUSTERS.values())
def test_the_settings_beside_a_cluster_are_known(settings: str) -> None:
    config = read_config(ROOT / settings)
    assert config.serve.host == "0.0.0.0", "HAProxy on one node asks the replicas on the others"


def test_a_cluster_on_premises_shares_a_directory_and_one_in_a_cloud_a_bucket() -> None:
    stores = {name: read_config(ROOT / settings).store for name, settings in CLUSTERS.items()}
    assert {name: store.split(":")[0] for name, store in stores.items()} == {
        "ray_config.yaml": "~/sen-store",
        "deploy/clusters/aws.yaml": "s3",
        "deploy/clusters/gcp.yaml": "gs",
    }


@pytest.mark.parametrize("name", CLUSTERS)
def test_every_start_of_ray_has_the_token_and_the_flags_of_serve(name: str) -> None:
    given = read(name)
    started = [*given["head_start_ray_commands"], *given["worker_start_ray_commands"]]
    starts = [command for command in started if "ray start" in command]
    assert len(starts) == 2
    for command in starts:
        words = command.split()
        assert {f"{flag}={value}" for flag, value in FAST.items()} < set(words)
        assert "RAY_AUTH_MODE=token" in words
    assert given["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert given["file_mounts"]["~/.sen/keys"] == "~/.sen/keys"


def test_machines_of_one_s_own_are_all_started_and_given_up_in_time() -> None:
    """Ray's new autoscaler never starts the last one, and its defaults wait for over a minute."""
    [start] = [c for c in read("ray_config.yaml")["head_start_ray_commands"] if "ray start" in c]
    assert "RAY_enable_autoscaler_v2=0" in start
    checks = dict(re.findall(r"RAY_health_check_(\w+)=(\d+)", start))
    a_try_s = 3 + int(checks["timeout_ms"]) / 1000  # Ray tries every 3 seconds
    assert int(checks["failure_threshold"]) * a_try_s < ServeConfig().request_timeout_s / 2


@pytest.mark.parametrize("name", CLUSTERS)
def test_every_node_installs_the_pinned_versions(name: str) -> None:
    [install] = [c for c in read(name)["setup_commands"] if "pip install" in c]
    assert "--constraint deploy/constraints.txt" in install


@pytest.mark.parametrize("name", CLUSTERS)
def test_the_steps_a_cluster_tells_name_files_that_exist(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    [config] = re.findall(r"sen up --address auto --config (\S+?)'", text)
    assert config == CLUSTERS[name]
    assert set(re.findall(r"ray (?:up|down|exec|attach) (\S+)", text)) == {name}


@pytest.mark.parametrize("name", CLOUDS)
def test_a_cloud_scales_on_cpus_and_on_gpus_that_are_spot(name: str) -> None:
    given = read(name)
    types: Mapping[str, Any] = given["available_node_types"]
    assert given["head_node_type"] == "head-cpu"
    assert types["head-cpu"]["max_workers"] == 0
    assert 0 < types["worker-cpu"]["min_workers"] < types["worker-cpu"]["max_workers"]
    assert types["worker-gpu"]["min_workers"] == 0 < types["worker-gpu"]["max_workers"]
    workers = [kind["max_workers"] for kind in types.values()]
    assert given["max_workers"] == sum(workers)
    spot = {kind: "spot" in json.dumps(each["node_config"]).lower() for kind, each in types.items()}
    assert spot == {"head-cpu": False, "worker-cpu": False, "worker-gpu": True}


def test_the_node_types_of_aws_carry_the_instance_profile() -> None:
    types = read("deploy/clusters/aws.yaml")["available_node_types"].values()
    assert len({each["node_config"]["IamInstanceProfile"]["Arn"] for each in types}) == 1


@pytest.mark.parametrize("name", [*CLOUDS, *(CLUSTERS[name] for name in CLOUDS)])
def test_what_only_users_know_is_marked(name: str) -> None:
    made_up = re.compile(r"my-project|my-bucket|my-family|123456789012|ami-0{16}|^  region:")
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    found = [(number, line) for number, line in enumerate(lines) if made_up.search(line)]
    assert found
    for number, line in found:
        assert "FILL IN" in line or "FILL IN" in lines[number - 1], line


def test_the_pins_allow_everything_the_package_asks_for() -> None:
    pinned = pins()
    for text in distribution("sen-ray").requires or []:
        wanted = Requirement(text)
        if wanted.marker is None or wanted.marker.evaluate({"extra": "grpc"}):
            name = canonicalize_name(wanted.name)
            assert wanted.specifier.contains(pinned[name]), text
