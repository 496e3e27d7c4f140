"""The Open Inference Protocol: what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deploy.v2.tensors import DATATYPES
from pathways import PathwayId
from tests.unit.inference import INFER, binary, raw, refused, tensor
from tests.unit.networks import LearnedNetwork, LocalSlots, Sets
from tests.unit.serving import Serving, serving


@pytest.fixture(scope="module")
def sen(network: LearnedNetwork) -> Iterator[Serving]:
    with serving(LocalSlots(network), max_body_bytes=2_000_000, max_inputs=100) as running:
        yield running


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
