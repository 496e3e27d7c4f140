"""gRPC messages in and out, over the real application."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pkgutil import resolve_name
from typing import Any

import grpc
import numpy as np
import pytest

from tests.unit.networks import LearnedNetwork, LocalSlots, Sets
from tests.unit.serving import Serving, serving

pb = pytest.importorskip("tritonclient.grpc.service_pb2", reason="needs tritonclient[grpc] (pip)")
messages = pytest.importorskip("deploy.rpc_messages")
rpc = pytest.importorskip("deploy.v2.rpc")


class Context:
    """Of one call: what was sent, and what the call ends with."""

    def __init__(self, **metadata: str) -> None:
        self.metadata = [(name.replace("_", "-"), value) for name, value in metadata.items()]
        self.code: Any = None
        self.details = ""

    def invocation_metadata(self) -> list[tuple[str, str]]:
        return self.metadata

    def set_code(self, code: Any) -> None:
        self.code = code

    def set_details(self, details: str) -> None:
        self.details = details


@pytest.fixture(scope="module")
def sen(network: LearnedNetwork) -> Iterator[Serving]:
    with serving(LocalSlots(network), max_inputs=10) as running:
        yield running


def call(sen: Serving, method: str, request: Any, context: Context | None = None) -> Any:
    service = rpc.InferenceService()
    service.app = sen.http.app
    assert sen.http.portal is not None
    return sen.http.portal.call(getattr(service, method), request, context or Context())


def refused(sen: Serving, method: str, request: Any) -> tuple[Any, str]:
    context = Context()
    with pytest.raises(rpc.Refused):
        call(sen, method, request, context)
    return context.code, context.details


def asked(x: np.ndarray[Any, Any], datatype: str, model: str = "digits", **fields: Any) -> Any:
    request = pb.ModelInferRequest(model_name=model, **fields)
    request.inputs.add(name="input", datatype=datatype, shape=x.shape)
    request.raw_input_contents.append(x.tobytes())
    return request


def array(response: Any, name: str, dtype: Any) -> Any:
    place = [output.name for output in response.outputs].index(name)
    values = np.frombuffer(response.raw_output_contents[place], dtype)
    return values.reshape(response.outputs[place].shape)


def test_the_server_and_its_models_tell_about_themselves(sen: Serving) -> None:
    assert call(sen, "ServerLive", pb.ServerLiveRequest()).live
    assert call(sen, "ServerReady", pb.ServerReadyRequest()).ready
    assert call(sen, "ServerMetadata", pb.ServerMetadataRequest()).name == "sen"
    assert call(sen, "ModelReady", pb.ModelReadyRequest(name="digits", version="1")).ready
    about = call(sen, "ModelMetadata", pb.ModelMetadataRequest(name="digits"))
    assert (list(about.versions), about.platform) == (["1"], "sen_mlp")
    assert list(about.inputs[0].shape) == [-1, 28, 28, 1]


def test_serve_s_own_proxy_can_pass_messages_on() -> None:
    """It pickles them by the names of their classes, and takes the service by its path."""
    asks = asked(np.zeros((1, 28, 28, 1), np.uint8), "UINT8")
    for message in (asks, pb.ServerLiveRequest(), pb.ModelInferResponse(id="7")):
        assert pickle.loads(pickle.dumps(message)) == message
    assert callable(resolve_name(messages.SERVICER))


def test_raw_and_typed_contents_give_what_http_gives(sen: Serving, sets: Sets) -> None:
    x = sets["digits"][1].x[:3]
    tensor = {"name": "input", "datatype": "UINT8", "shape": x.shape, "data": x.ravel().tolist()}
    over_http = sen.http.post("/v2/models/digits/infer", json={"inputs": [tensor]}).json()
    wanted = {output["name"]: output["data"] for output in over_http["outputs"]}
    typed = asked(x, "UINT8")
    typed.ClearField("raw_input_contents")
    typed.inputs[0].contents.uint_contents.extend(x.ravel().tolist())
    for request in (asked(x, "UINT8", id="a"), typed):
        response = call(sen, "ModelInfer", request)
        assert (response.model_name, response.model_version) == ("digits", "1")
        assert response.id == request.id
        got = array(response, "probabilities", np.float32).ravel()
        np.testing.assert_allclose(got, wanted["probabilities"], rtol=1e-6)


def test_parameters_and_chosen_outputs_are_heard(sen: Serving, sets: Sets) -> None:
    sound = sets["spoken"][1].x[:1]
    request = asked(sound, "FP32", model="sen")
    request.parameters["rate_hz"].int64_param = 8_000
    request.outputs.add(name="weights")
    response = call(sen, "ModelInfer", request)
    assert [output.name for output in response.outputs] == ["weights"]
    assert array(response, "weights", np.float32).sum() == pytest.approx(1.0)


def test_what_http_refuses_ends_with_a_status_and_the_reason(sen: Serving) -> None:
    x = np.zeros((1, 28, 28, 1), np.uint8)
    code = grpc.StatusCode
    assert refused(sen, "ModelMetadata", pb.ModelMetadataRequest(name="x"))[0] == code.NOT_FOUND
    status, said = refused(sen, "ModelInfer", asked(x, "UINT8", model="a/../b"))
    assert status == code.NOT_FOUND
    status, said = refused(sen, "ModelInfer", asked(x[:, :5], "FP32"))
    assert (status, "bytes" in said) == (code.INVALID_ARGUMENT, True)
    many = np.zeros((11, 28, 28, 1), np.uint8)
    assert refused(sen, "ModelInfer", asked(many, "UINT8"))[0] == code.RESOURCE_EXHAUSTED
    extra = asked(x, "UINT8")
    extra.raw_input_contents.append(b"more")
    status, said = refused(sen, "ModelInfer", extra)
    assert (status, said) == (code.INVALID_ARGUMENT, "1 inputs but 2 raw contents")
    half = pb.ModelInferRequest(model_name="digits")
    half.inputs.add(name="input", datatype="FP16", shape=[1, 2, 2])
    assert "send it raw" in refused(sen, "ModelInfer", half)[1]
