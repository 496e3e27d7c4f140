"""Requests and replies of the Open Inference Protocol."""

from __future__ import annotations

import json
import struct
from typing import Any

import httpx
import numpy as np

from tests.unit.serving import Serving

INFER = "/v2/models/{}/infer"


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


def refused(reply: httpx.Response, status: int = 400) -> str:
    assert reply.status_code == status, reply.text
    assert list(reply.json()) == ["error"]
    return str(reply.json()["error"])
