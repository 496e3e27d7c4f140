"""The Open Inference Protocol: what is offered, asked, answered and refused."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest

from deploy.v2.tensors import DATATYPES
from pathways import PathwayId
from tests.unit.fakes import LearnedNetwork, LocalSlots, Sets
from tests.unit.serving import Serving, serving

INFER = "/v2/models/{}/infer"


@pytest.fixture(scope="module")
def sen(network: LearnedNetwork) -> Iterator[Serving]:
    with serving(LocalSlots(network), max_body_bytes=2_000_000, max_inputs=100) as running:
        yield running


def tensor(array: np.ndarray[Any, Any], datatype: str, **other: Any) -> dict[str, Any]:
    about = {"name": "input", "datatype": datatype, "shape": list(array.shape)}
    return {**about, "data": array.ravel().tolist(), **other}


def ask(sen: Serving, model: str, array: Any, datatype: str = "UINT8", **request: Any) -> Any:
    body = {"inputs": [tensor(array, datatype)], **request}
    reply = sen.http.post(INFER.format(model), json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


def outputs(reply: Any) -> dict[str, Any]:
    return {output["name"]: output["data"] for output in reply["outputs"]}


def binary(sen: Serving, model: str, array: Any, datatype: str, **request: Any) -> httpx.Response:
    body = array.tobytes()
    about = {
        "name": "input",
        "datatype": datatype,
        "shape": array.shape,
        "parameters": {"binary_data_size": len(body)},
    }
    head = json.dumps({"inputs": [about], **request}).encode()
    return raw(sen, model, head + body, len(head))


def raw(sen: Serving, model: str, body: bytes, head_bytes: Any = None) -> httpx.Response:
    headers = {} if head_bytes is None else {"Inference-Header-Content-Length": str(head_bytes)}
    return sen.http.post(INFER.format(model), content=body, headers=headers)


def unpack(reply: httpx.Response) -> tuple[Any, dict[str, bytes]]:
    """(JSON of a binary reply, output → its bytes)."""
    size = int(reply.headers["inference-header-content-length"])
    head, rest = json.loads(reply.content[:size]), reply.content[size:]
    parts = {}
    for output in head["outputs"]:
        length = output["parameters"]["binary_data_size"]
        parts[output["name"]], rest = rest[:length], rest[length:]
    assert not rest
    return head, parts


def strings(body: bytes) -> list[str]:
    found = []
    while body:
        (length,) = struct.unpack_from("<I", body)
        found.append(body[4 : 4 + length].decode())
        body = body[4 + length :]
    return found


# --- what is offered


def test_health_and_server(sen: Serving) -> None:
    assert sen.http.get("/v2/health/live").json() == {"live": True}
    assert sen.http.get("/v2/health/ready").json() == {"ready": True}
    about = sen.http.get("/v2").json()
    assert (about["name"], about["extensions"]) == ("sen", ["binary_tensor_data"])


def test_a_task_tells_its_tensors_and_labels(sen: Serving) -> None:
    about = sen.http.get("/v2/models/digits").json()
    assert about == sen.http.get("/v2/models/digits/versions/1").json()
    assert about["versions"] == ["1"]
    assert about["platform"] == "sen_mlp"
    assert about["inputs"] == [{"name": "input", "datatype": "UINT8", "shape": [-1, 28, 28, 1]}]
    assert about["outputs"] == [
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]},
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
    ]
    assert about["parameters"]["labels"] == list("0123456789")
    spoken = sen.http.get("/v2/models/spoken").json()
    assert spoken["inputs"] == [{"name": "input", "datatype": "FP32", "shape": [-1, 8000]}]
    assert spoken["parameters"]["rate_hz"] == 8000


@pytest.mark.parametrize("model", ["digits", "spoken", "sen"])
def test_the_outputs_are_those_that_the_metadata_list(sen: Serving, model: str, sets: Sets) -> None:
    data = sets["spoken" if model == "spoken" else "digits"][1]
    datatype = "FP32" if model == "spoken" else "UINT8"
    listed = sen.http.get(f"/v2/models/{model}").json()["outputs"]
    given = ask(sen, model, data.x[:3], datatype)["outputs"]
    assert [(o["name"], o["datatype"]) for o in given] == [
        (o["name"], o["datatype"]) for o in listed
    ]
    for output, known in zip(given, listed, strict=True):
        assert output["shape"] == [3, *known["shape"][1:]]
        assert len(output["data"]) == np.prod(output["shape"])


def test_models_are_ready_by_version(sen: Serving) -> None:
    assert sen.http.get("/v2/models/digits/ready").json() == {"name": "digits", "ready": True}
    assert sen.http.get("/v2/models/digits/versions/1/ready").status_code == 200
    assert "version 2 of digits does not exist" in refused(
        sen.http.get("/v2/models/digits/versions/2/ready"), 404
    )
    assert "no task is called 'x'" in refused(sen.http.get("/v2/models/x"), 404)


# --- what is asked and answered


def test_a_task_answers_as_v1_does(sen: Serving, sets: Sets) -> None:
    x = sets["digits"][1].x[:5]
    given = outputs(ask(sen, "digits", x))
    v1 = sen.http.post(
        "/v1/predict", json={"inputs": x.tolist()}, params={"task": "digits", "top": 10}
    ).json()["predictions"]
    assert given["label"] == [p["label"] for p in v1]
    for row, prediction in zip(np.reshape(given["probabilities"], (5, 10)), v1, strict=True):
        wanted = {p["label"]: p["probability"] for p in prediction["probabilities"]}
        np.testing.assert_allclose(row, [wanted[str(d)] for d in range(10)], atol=1e-7)


def test_the_network_dispatches(sen: Serving, sets: Sets) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1, 28, 28, 1), np.uint8)
    x = np.concatenate([sets["fashion"][1].x[:3], noise])
    reply = ask(sen, "sen", x)
    given = outputs(reply)
    assert reply["model_version"] == "4"
    assert given["unknown"] == [False, False, False, True]
    assert (given["label"][3], given["probability"][3], given["pathways"][6:]) == ("", 0, ["", ""])
    assert given["pathways"][0] == "fashion@1"
    weights = np.reshape(given["weights"], (4, 2))
    np.testing.assert_allclose(weights.sum(axis=1), [1, 1, 1, 0], atol=1e-6)


def test_the_id_is_given_back_and_outputs_are_selected(sen: Serving, sets: Sets) -> None:
    x = sets["digits"][1].x[:2]
    reply = ask(sen, "digits", x, id="of mine", outputs=[{"name": "label"}])
    assert (reply["id"], [o["name"] for o in reply["outputs"]]) == ("of mine", ["label"])
    assert "id" not in ask(sen, "digits", x)


@pytest.mark.parametrize("as_floats", [False, True])
def test_every_form_of_an_image_gives_the_same(sen: Serving, sets: Sets, as_floats: bool) -> None:
    x = sets["digits"][1].x[:4]
    wanted = outputs(ask(sen, "digits", x))
    given, datatype = ((x / 255).astype(np.float32), "FP32") if as_floats else (x, "UINT8")
    assert outputs(ask(sen, "digits", given, datatype)) == wanted
    assert outputs(ask(sen, "digits", given[..., 0], datatype)) == wanted
    assert outputs(binary(sen, "digits", given, datatype).json()) == wanted
    nested = {**tensor(given, datatype), "data": given.tolist()}
    assert (
        outputs(sen.http.post(INFER.format("digits"), json={"inputs": [nested]}).json()) == wanted
    )


def test_sounds_have_the_rate_of_the_task_or_the_one_given(sen: Serving, sets: Sets) -> None:
    x = sets["spoken"][1].x[:3]
    wanted = outputs(ask(sen, "spoken", x, "FP32"))
    assert outputs(ask(sen, "spoken", x, "FP32", parameters={"rate_hz": 8000})) == wanted
    assert outputs(ask(sen, "sen", x, "FP32"))["pathways"][::2] == ["spoken@1"] * 3
    more = sets["spoken"][1].x[:10]
    said = outputs(ask(sen, "spoken", more, "FP32"))
    surest = np.reshape(said["probabilities"], (10, 10)).max(axis=1)
    sure = np.argsort(surest)[-3:]  # resampling changes a sound a little
    double = np.repeat(more[sure], 2, axis=1)
    again = outputs(ask(sen, "spoken", double, "FP32", parameters={"rate_hz": 16_000}))
    assert again["label"] == [said["label"][row] for row in sure]


def test_binary_outputs_hold_what_json_says(sen: Serving, sets: Sets) -> None:
    x = sets["digits"][1].x[:3]
    wanted = outputs(ask(sen, "sen", x))
    reply = binary(sen, "sen", x, "UINT8", id="7", parameters={"binary_data_output": True})
    head, parts = unpack(reply)
    assert (head["id"], head["model_name"]) == ("7", "sen")
    assert reply.headers["content-type"] == "application/octet-stream"
    assert strings(parts["label"]) == wanted["label"]
    assert strings(parts["pathways"]) == wanted["pathways"]
    assert np.frombuffer(parts["unknown"], "?").tolist() == wanted["unknown"]
    for name in ("probability", "weights"):
        np.testing.assert_allclose(np.frombuffer(parts[name], "<f4"), wanted[name], rtol=1e-6)


def test_outputs_can_be_binary_one_by_one(sen: Serving, sets: Sets) -> None:
    asked = [
        {"name": "label", "parameters": {"binary_data": False}},
        {"name": "probabilities"},
    ]
    reply = binary(
        sen,
        "digits",
        sets["digits"][1].x[:1],
        "UINT8",
        outputs=asked,
        parameters={"binary_data_output": True},
    )
    size = int(reply.headers["inference-header-content-length"])
    label, probabilities = json.loads(reply.content[:size])["outputs"]
    assert len(label["data"]) == 1
    assert (
        probabilities["parameters"]
        == {"binary_data_size": 40}
        == {"binary_data_size": len(reply.content) - size}
    )


# --- what is refused


def refused(reply: httpx.Response, status: int = 400) -> str:
    assert reply.status_code == status, reply.text
    assert list(reply.json()) == ["error"]
    return str(reply.json()["error"])


X = np.zeros((1, 28, 28, 1), np.uint8)
GOOD = tensor(X, "UINT8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": [1, 28, 28, -1]}, "holds nothing"),
        ({"shape": [0, 28, 28, 1]}, "holds nothing"),
        ({"shape": []}, "inputs.0.shape"),
        ({"shape": [1] * 9}, "inputs.0.shape"),
        ({"shape": [28]}, "got 1 dimensions"),
        ({"shape": [1.5, 2]}, "inputs.0.shape.0"),
        ({"shape": [2**62, 2**62, 4, 1]}, "have the shape [784]"),
        ({"shape": [2, 28, 28, 1]}, "have the shape [784]"),
        ({"shape": ["1", 28, 28, 1]}, "inputs.0.shape.0"),
        ({"datatype": "FP31"}, "no datatype of the protocol"),
        ({"datatype": 5}, "inputs.0.datatype"),
        ({"name": "pixels"}, "one input called 'input'"),
        ({"data": [256] * 784}, "run from 256 to 256"),
        ({"data": [-1] * 784}, "run from -1"),
        ({"data": [0.5] * 784}, "numbers of that type"),
        ({"data": ["0"] * 784}, "numbers of that type"),
        ({"data": [None] * 784}, "numbers of that type"),
        ({"data": [10**30] * 784}, "numbers of that type"),
        ({"data": [[0, 1], [2]]}, "nested unevenly"),
        ({"data": "abc"}, "has no data"),
        ({"data": None}, "has no data"),
        ({"data": {"a": 1}}, "has no data"),
        ({"parameters": {"shared_memory_region": "r"}}, "shared_memory_region: it is not known"),
        ({"parameters": {"binary_data_size": 4}}, "0 bytes follow the JSON"),
        ({"datatype": "FP32", "data": [1e39] * 784}, "the type holds"),
        ({"datatype": "FP32", "data": [2] * 784}, "floats in 0..1"),
    ],
)
def test_a_tensor_that_cannot_be_used_is_refused(
    sen: Serving, change: dict[str, Any], message: str
) -> None:
    body = {"inputs": [{**GOOD, **change}]}
    reply = sen.http.post(INFER.format("digits"), content=json.dumps(body))
    assert message in refused(reply)


@pytest.mark.parametrize("datatype", sorted(set(DATATYPES) - {"UINT8", "FP32"}))
def test_only_some_datatypes_can_be_read(sen: Serving, datatype: str) -> None:
    reply = sen.http.post(INFER.format("sen"), json={"inputs": [tensor(X, datatype)]})
    assert "send UINT8 or FP32" in refused(reply)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[]", "body"),
        (b"null", "body"),
        (b"{}", "inputs"),
        (b'{"inputs": []}', "one input called 'input', got none"),
        (b'{"inputs": {}}', "inputs"),
        (b'{"inputs": [NaN]}', "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b'{"inputs": ' * 2000, "no JSON"),
        (json.dumps({"inputs": [GOOD, GOOD]}).encode(), "one input called"),
        (json.dumps({"inputs": [GOOD], "id": 7}).encode(), "id"),
        (json.dumps({"inputs": [GOOD], "other": 1}).encode(), "other: it is not known"),
        (json.dumps({"inputs": [GOOD], "outputs": [{"name": "x"}]}).encode(), "no output 'x'"),
        (json.dumps({"inputs": [GOOD], "parameters": {"priority": 1}}).encode(), "priority"),
        (b"\x89PNG\r\n\x1a\n", "no JSON"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(sen: Serving, body: bytes, message: str) -> None:
    assert message in refused(raw(sen, "digits", body))


@pytest.mark.parametrize("head_bytes", ["-1", "x", "9" * 30, "1e3", " ", "٣", 10**9])
def test_a_wrong_length_of_the_json_is_refused(sen: Serving, head_bytes: Any) -> None:
    body = json.dumps({"inputs": [GOOD]}).encode()
    headers = {"Inference-Header-Content-Length": str(head_bytes).encode()}
    reply = sen.http.post(INFER.format("digits"), content=body, headers=headers)
    assert refused(reply)


@pytest.mark.parametrize(
    ("said", "sent", "message"),
    [
        (784, 783, "783 bytes follow"),
        (783, 783, "takes 784 bytes, got 783"),
        (784, 0, "0 bytes follow"),
        (0, 784, "784 bytes follow"),
        (2**63, 784, "784 bytes follow"),
        (-1, 784, "binary_data_size"),
    ],
)
def test_a_binary_tensor_of_the_wrong_size_is_refused(
    sen: Serving, said: int, sent: int, message: str
) -> None:
    about = {"name": "input", "datatype": "UINT8", "shape": [1, 28, 28, 1]}
    head = json.dumps({"inputs": [{**about, "parameters": {"binary_data_size": said}}]}).encode()
    assert message in refused(raw(sen, "digits", head + bytes(sent), len(head)))


def test_a_huge_shape_takes_no_memory(sen: Serving) -> None:
    about = {"name": "input", "datatype": "FP32", "shape": [2**31, 2**31, 2**31, 2**31]}
    head = json.dumps({"inputs": [{**about, "parameters": {"binary_data_size": 8}}]}).encode()
    assert "bytes, got 8" in refused(raw(sen, "digits", head + bytes(8), len(head)))


def test_not_a_number_is_refused(sen: Serving) -> None:
    for bad in (np.nan, np.inf):
        image = np.full((1, 28, 28, 1), bad, np.float32)
        assert "NaN" in refused(binary(sen, "digits", image, "FP32"))
        assert "NaN" in refused(binary(sen, "sen", np.full((1, 8000), bad, np.float32), "FP32"))


def test_too_many_inputs_and_too_large_a_body_are_refused(sen: Serving) -> None:
    assert "101 inputs" in refused(
        binary(sen, "sen", np.zeros((101, 8, 8), np.uint8), "UINT8"), 413
    )
    assert "limit is 2000000" in refused(raw(sen, "sen", bytes(2_000_001)), 413)


def test_a_compressed_body_is_refused(sen: Serving) -> None:
    reply = sen.http.post(INFER.format("sen"), content=b"x", headers={"content-encoding": "gzip"})
    assert "gzip is not unpacked" in refused(reply, 415)


@pytest.mark.parametrize("rate_hz", [0, -8000, 1, 10**9, 2**70, "8000", 8000.5])
def test_an_impossible_rate_is_refused(sen: Serving, sets: Sets, rate_hz: Any) -> None:
    body = {"inputs": [tensor(sets["spoken"][1].x[:1], "FP32")], "parameters": {"rate_hz": rate_hz}}
    reply = sen.http.post(INFER.format("spoken"), content=json.dumps(body))
    assert refused(reply)


def test_inputs_of_another_kind_are_refused(sen: Serving, sets: Sets) -> None:
    sound = sets["spoken"][1].x[:1]
    assert "digits takes no float32 input of two dimensions" in refused(
        binary(sen, "digits", sound, "FP32")
    )
    assert "sound" in refused(binary(sen, "spoken", X, "UINT8"))
    assert "aspect" in refused(binary(sen, "digits", np.zeros((1, 1, 900), np.uint8), "UINT8"))


def test_what_there_is_not_is_refused_in_the_words_of_the_protocol(sen: Serving) -> None:
    assert "not found" in refused(sen.http.get("/v2/nothing"), 404).lower()
    assert refused(sen.http.get(INFER.format("digits")), 405)
    assert "no task is called" in refused(raw(sen, "x", b"{}"), 404)
    assert "does not exist" in refused(
        sen.http.post("/v2/models/sen/versions/99/infer", json={}), 404
    )


def test_an_older_version_is_refused(network: LearnedNetwork) -> None:
    first = network.registry.entry("digits")
    second = replace(first, spec=replace(first.spec, id=PathwayId("digits", 2)))
    newer = network.registry.publish([second])
    with serving(LocalSlots(network), {"registry": newer}) as sen:
        old = sen.http.post("/v2/models/digits/versions/1/infer", json={})
        assert "version 1 of digits is not in service; version 2 is" in refused(old, 404)
        assert sen.http.get("/v2/models/digits/versions/2").json()["versions"] == ["2"]


def test_a_task_out_of_service_is_not_ready(network: LearnedNetwork) -> None:
    with serving(LocalSlots(network), {"unavailable": {"digits": "its file is damaged"}}) as sen:
        assert "its file is damaged" in refused(sen.http.get("/v2/models/digits/ready"), 503)
        assert "its file is damaged" in refused(binary(sen, "digits", X, "UINT8"), 503)
        assert sen.http.get("/v2/models/lower/ready").status_code == 200
        assert sen.http.get("/v2/models/sen/ready").status_code == 200
