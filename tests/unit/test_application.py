"""The application as Ray Serve builds it from a file, as far as it goes without a cluster."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from ray.serve._private.api import call_user_app_builder_with_args_if_necessary as serve_builds
from ray.serve._private.build_app import build_app

from cluster.config import SenConfig, ServeConfig, read_config
from cluster.errors import ConfigError, StoreFormatError
from deploy.application import Arguments, build, settings
from deploy.keys import KeySource, add_key
from deploy.serving import ingress


def written(folder: Path, **values: Any) -> Arguments:
    """Arguments that name a file with these settings."""
    path = folder / "sen.yaml"
    path.write_text(json.dumps({"store": str(folder / "store"), **values}), encoding="utf-8")
    return Arguments(config=str(path))


def test_serve_refuses_arguments_it_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="store"):
        serve_builds(build, {"config": str(tmp_path), "store": "elsewhere"})


def test_serve_hands_its_arguments_over_as_checked_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="absent"):
        serve_builds(build, {"config": str(tmp_path / "absent.yaml")})


def test_a_network_open_to_others_without_keys_is_refused_before_it_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SEN_API_KEYS", raising=False)
    arguments = written(tmp_path, serve={"host": "0.0.0.0"})
    with pytest.raises(ConfigError, match="API key"):
        build(arguments)
    assert not (tmp_path / "store").exists()


def test_a_store_that_is_none_is_refused_before_anything_is_started(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "notes.txt").write_text("mine")
    with pytest.raises(StoreFormatError, match=r"notes\.txt"):
        build(written(tmp_path))


def test_keys_come_from_the_file_and_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_key(tmp_path / "keys", "camera", ["predict"])
    add_key(tmp_path / "others", "teacher", ["learn"])
    monkeypatch.setenv("SEN_API_KEYS", (tmp_path / "others").read_text(encoding="utf-8"))
    serve = {"host": "0.0.0.0", "keys_file": str(tmp_path / "keys")}
    config, keys = settings(written(tmp_path, serve=serve))
    assert {key.name for key in keys.read().values()} == {"camera", "teacher"}
    assert (tmp_path / "store" / "sen-store.json").exists()
    assert Path(config.store).is_absolute()


@pytest.mark.parametrize(("wanted", "replicas"), [(3, 3), (0, 2)])
def test_what_serve_is_to_run_is_one_bounded_ingress(wanted: int, replicas: int) -> None:
    config = SenConfig(store="s3://bucket/sen", serve=ServeConfig(replicas=wanted))
    application = ingress(config, KeySource(), 2)
    [deployment] = build_app(application, name="sen").deployments
    assert deployment.name == "ingress"
    assert deployment.num_replicas == replicas
    assert deployment.max_ongoing_requests >= config.serve.max_in_flight


def test_settings_survive_being_written_to_a_file(tmp_path: Path) -> None:
    config = SenConfig(store=str(tmp_path / "store"))
    path = tmp_path / "sen.yaml"
    path.write_text(json.dumps(asdict(config)), encoding="utf-8")
    assert read_config(path) == config
