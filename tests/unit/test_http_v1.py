"""The rest of `/v1`: tasks and their versions, bodies of every kind, and how errors are said."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from deploy.report import network_lines
from deploy.schemas import PredictReply, network_reply
from pathways import PathwayId
from tests.unit.guarded import problem
from tests.unit.networks import LearnedNetwork, LocalSlots, Sets
from tests.unit.serving import Serving, npy, png, serving


@pytest.fixture(scope="module")
def sen(network: LearnedNetwork) -> Iterator[Serving]:
    with serving(LocalSlots(network), max_inputs=10, max_decoded_values=100_000) as running:
        yield running


def test_one_task_and_its_versions(sen: Serving) -> None:
    listed = sen.http.get("/v1/tasks").json()["tasks"]
    assert sen.http.get("/v1/tasks/lower").json() == listed[1]
    for offset, limit in ((0, 2), (1, 2), (2, 100), (7, 1)):
        part = sen.http.get("/v1/tasks", params={"offset": offset, "limit": limit}).json()
        assert part["tasks"] == listed[offset : offset + limit]
        assert part["total"] == len(listed)
    assert sen.http.get("/v1/tasks", params={"offset": 1}).json()["tasks"] == listed[1:]
    for wrong in ({"offset": -1}, {"limit": 0}, {"limit": "x"}):
        assert sen.http.get("/v1/tasks", params=wrong).status_code == 422
    (version,) = sen.http.get("/v1/tasks/lower/versions").json()["versions"]
    assert (version["pathway"], version["in_service"]) == ("lower@1", True)
    assert (version["source"], version["links"]) == ("digits@1", len(listed[1]["links"]))
    for path in ("/v1/tasks/x", "/v1/tasks/x/versions"):
        assert "no task is called 'x'" in problem(sen.http.get(path), 404)


def test_slots_are_told_by_node(network: LearnedNetwork) -> None:
    digits, lower = PathwayId("digits"), PathwayId("lower")
    view = network.view(slots={digits: (0, 2), lower: (1,)}, nodes={0: "b", 1: "a", 2: "a", 3: "a"})
    reply = network_reply(view, max_active=2)
    assert [(slot.node, slot.slot, slot.pathways) for slot in reply.slots] == [
        ("a", 1, ["lower@1"]),
        ("a", 2, ["digits@1"]),
        ("b", 0, ["digits@1"]),
    ]
    assert "slot 2 on node a: digits@1" in list(network_lines(reply))


def test_the_reply_is_what_the_description_says(sen: Serving, sets: Sets) -> None:
    body = npy(sets["digits"][1].x[:3])
    reply = sen.http.post(
        "/v1/predict", content=body, headers={"content-type": "application/x-npy"}
    )
    assert len(PredictReply.model_validate_json(reply.content).predictions) == 3


def test_large_bodies_are_answered_as_small_ones(sen: Serving, sets: Sets) -> None:
    pixels = sets["digits"][1].x[0, ..., 0].repeat(10, 0).repeat(10, 1)
    bodies = [
        ("image/png", png(pixels)),
        ("application/x-npy", npy(pixels[None])),
        ("application/json", str({"inputs": [pixels.tolist()]}).replace("'", '"').encode()),
    ]
    assert len(bodies[2][1]) > 64 * 1024
    given = [
        sen.http.post("/v1/predict?task=digits", content=body, headers={"content-type": kind})
        for kind, body in bodies
    ]
    answers = [reply.json()["predictions"] for reply in given]
    assert answers[0] == answers[1] == answers[2]


def head(shape: str, descr: str = "'|u1'") -> bytes:
    """A .npy file of 8 bytes with any head."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(8)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"abc",
        npy(np.zeros((1, 9, 9)))[:-1],
        npy(np.zeros((1, 9, 9))) + b"x",
        npy(np.array(["a"])),
        npy(np.zeros((1, 9, 9), complex)),
        npy(np.zeros((0, 9, 9))),
        npy(np.zeros(())),
        head("(10**15,)"),
        head("(1000000000000000,)"),
        head("(4294967296, 4294967296, 4)"),
        head("(-2, -4)"),
        head("(" + "1," * 70 + ")"),
        head("(8,)", "'|O'"),
        head("(8,)", "'|V1'"),
        head("(8,)", "[('a', '|u1')]"),
        head("(8,)", "5"),
        head("(8,)", "(" * 3000),
        head("'''"),
        b"\x93NUMPY\x03\x00\x01\x00\x00\x00x",
        b"\x93NUMPY\x01\x00\xff\xff",
    ],
)
def test_an_array_that_cannot_be_used_is_refused(sen: Serving, body: bytes) -> None:
    reply = sen.http.post(
        "/v1/predict", content=body, headers={"content-type": "application/x-npy"}
    )
    assert problem(reply, 422)


def test_a_request_is_bounded(sen: Serving) -> None:
    def post(body: bytes, kind: str) -> str:
        reply = sen.http.post("/v1/predict", content=body, headers={"content-type": kind})
        return problem(reply, 413)

    assert "11 inputs" in post(npy(np.zeros((11, 9, 9), np.uint8)), "application/x-npy")
    assert "pixels" in post(png(np.zeros((400, 400), np.uint8)), "image/png")
    numbers = b'{"inputs": [' + b"1," * (8 << 20) + b"1]}"
    assert "the JSON has" in post(numbers, "application/json")
    small = png(np.zeros((300, 300), np.uint8))
    reply = sen.http.post("/v1/predict", files=[("file", ("a.png", small))] * 2)
    assert "max_decoded_values" in problem(reply, 413)
    many = sen.http.post("/v1/predict", files=[("file", ("a.png", small))] * 11)
    assert "Too many files" in problem(many, 400)


def test_compressed_bodies_are_refused(sen: Serving) -> None:
    for kind in ("image/png", "application/json", "multipart/form-data; boundary=x"):
        headers = {"content-type": kind, "content-encoding": "gzip"}
        reply = sen.http.post("/v1/predict", content=b"x" * 10, headers=headers)
        assert "is not unpacked" in problem(reply, 415)


def test_problems_are_described_as_they_are_said(sen: Serving) -> None:
    described = sen.http.get("/openapi.json").json()
    assert "HTTPValidationError" not in str(described)
    responses = described["paths"]["/v1/predict"]["post"]["responses"]
    assert list(responses["413"]["content"]) == ["application/problem+json"]
    v2 = described["paths"]["/v2/models/{model}/infer"]["post"]["responses"]
    assert v2["400"]["content"]["application/json"]["schema"]["$ref"].endswith("/V2Error")
