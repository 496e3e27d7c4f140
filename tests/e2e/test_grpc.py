"""The Open Inference Protocol over gRPC, asked with Triton's client as it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from cluster.config import SenConfig, ServeConfig
from deploy import network
from deploy.flags import free_port
from deploy.keys import KeySource, add_key
from pathways import LearnConfig, PathwayId, TaskData, TrainConfig, learn
from pathways.data.embedded import embedded_task
from tests.unit.networks import publish_all

triton = pytest.importorskip("tritonclient.grpc", reason="needs tritonclient[grpc] (pip)")


@dataclass(frozen=True)
class Site:
    address: str
    key: dict[str, str]
    test: TaskData


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Digits, served over gRPC."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    train, test = embedded_task("digits", train_per_class=100, test_per_class=4)
    how = LearnConfig(train=TrainConfig(epochs=8, min_steps=100))
    stored = learn(PathwayId("digits"), train, [], how)
    torch.set_num_threads(threads)
    home = tmp_path_factory.mktemp("grpc")
    os.environ["SEN_HOME"] = str(home)
    publish_all(home / "store", {"digits": stored}, {"digits": train})
    serve = ServeConfig(
        port=free_port(),
        grpc_port=free_port(),
        keys_file=str(home / "keys"),
        max_body_bytes=100_000,
        replicas=1,
    )
    running = network.start(SenConfig(store=str(home / "store"), serve=serve), cpus=2)
    config = SenConfig(store=running.store, serve=serve)
    try:
        key = add_key(Path(serve.keys_file), "camera", ("predict",))
        network.serve(config, running, KeySource(file=serve.keys_file))
        yield Site(f"127.0.0.1:{serve.grpc_port}", {"authorization": f"Bearer {key}"}, test)
    finally:
        network.stop(running)


def test_the_client_s_calls_work_unchanged(site: Site) -> None:
    client = triton.InferenceServerClient(site.address)
    assert client.is_server_live(headers=site.key)
    assert client.is_server_ready(headers=site.key)
    assert client.get_server_metadata(headers=site.key).name == "sen"
    assert client.is_model_ready("digits", headers=site.key)
    about = client.get_model_metadata("digits", headers=site.key)
    assert list(about.inputs[0].shape) == [-1, 28, 28, 1]
    image = triton.InferInput("input", [4, 28, 28, 1], "UINT8")
    image.set_data_from_numpy(site.test.x[:4])
    given = client.infer("digits", [image], headers=site.key, request_id="7")
    assert given.get_response().id == "7"
    labels = [site.test.labels[i] for i in given.as_numpy("probabilities").argmax(axis=1)]
    assert [label.decode() for label in given.as_numpy("label")] == labels
    assert np.mean(given.as_numpy("probabilities").argmax(axis=1) == site.test.y[:4]) > 0.5
    network_says = client.infer("sen", [image], headers=site.key).as_numpy("pathways")
    assert network_says[0, 0] == b"digits@1"
    client.close()


def test_what_http_refuses_is_refused_here_too(site: Site) -> None:
    client = triton.InferenceServerClient(site.address)
    image = triton.InferInput("input", [1, 28, 28, 1], "UINT8")
    image.set_data_from_numpy(site.test.x[:1])
    many = triton.InferInput("input", [200, 28, 28, 1], "UINT8")
    many.set_data_from_numpy(np.zeros((200, 28, 28, 1), np.uint8))
    cases = [
        ("UNAUTHENTICATED", "needs an API key", "digits", image, {}),
        ("UNAUTHENTICATED", "not known", "digits", image, {"x-api-key": "sen_no"}),
        ("NOT_FOUND", "no task is called", "nothing", image, site.key),
        ("RESOURCE_EXHAUSTED", "larger than max", "digits", many, site.key),
    ]
    for status, said, model, given, headers in cases:
        with pytest.raises(triton.InferenceServerException, match=said) as refused:
            client.infer(model, [given], headers=headers)
        assert status in str(refused.value.status())
    client.close()
