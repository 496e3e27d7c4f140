"""The application as Ray Serve builds it from a file, on the cluster where the network runs."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import ray
from ray.serve._private.build_app import build_app

from cluster.errors import SenError
from cluster.lifecycle import ensure_network
from cluster.names import CONTROLLER, NAMESPACE
from deploy.application import Arguments, build
from tests.integration.conftest import Served


def controller() -> str:
    """Which actor the network's controller is."""
    return str(ray.get_actor(CONTROLLER, namespace=NAMESPACE)._actor_id.hex())


def test_building_it_again_leaves_the_network_as_it_is(served: Served, tmp_path: Path) -> None:
    before = controller()
    path = tmp_path / "sen.yaml"
    path.write_text(json.dumps(asdict(served.client.config())), encoding="utf-8")
    application = build(Arguments(config=str(path)))
    [deployment] = build_app(application, name="sen").deployments
    assert deployment.num_replicas == served.config.serve.replicas
    assert controller() == before, "the one that runs is left running"


def test_a_second_network_is_refused_in_the_same_cluster(served: Served, tmp_path: Path) -> None:
    other = replace(served.config, store=str(tmp_path / "other"))
    with pytest.raises(SenError, match="other settings"):
        ensure_network(other)
    assert not Path(other.store).exists()
