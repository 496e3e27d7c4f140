"""The routes of the Open Inference Protocol."""

from __future__ import annotations

from importlib.metadata import version as version_of
from typing import Any

from fastapi import APIRouter, Request, Response

from deploy.bodies import JSON, off_loop, read_body
from deploy.problems import v2_errors
from deploy.served import served
from deploy.v2.infer import reply, understand
from deploy.v2.messages import (
    InferReply,
    Live,
    ModelMetadata,
    ModelReady,
    Ready,
    ServerMetadata,
)
from deploy.v2.models import check_ready, find_model
from deploy.watching import Timed, note_answers
from pathways import DataError

BINARY = "application/octet-stream"
HEAD_BYTES = "Inference-Header-Content-Length"

router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"])

_ABOUT = ServerMetadata(
    name="sen", version=version_of("sen-ray"), extensions=["binary_tensor_data"]
)
_INFER: dict[str, Any] = {
    "responses": {
        200: {
            "model": InferReply,
            "description": "Outputs; binary ones follow the JSON",
            "content": {BINARY: {"schema": {"type": "string", "format": "binary"}}},
            "headers": {HEAD_BYTES: {"schema": {"type": "integer"}}},
        },
        **v2_errors(400, 404, 413, 415, 503),
    },
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": {"$ref": "#/components/schemas/InferRequest"}},
                BINARY: {"schema": {"type": "string", "format": "binary"}},
            },
        },
        "parameters": [
            {
                "name": HEAD_BYTES,
                "in": "header",
                "description": "Length of the JSON that binary tensors follow",
                "schema": {"type": "integer", "minimum": 0},
            }
        ],
    },
}


@router.get("/health/live", summary="Whether the server runs")
async def live() -> Live:
    return Live(live=True)


@router.get("/health/ready", summary="Whether requests can be answered")
async def ready() -> Ready:
    return Ready(ready=True)


@router.get("", summary="The server and its extensions of the protocol")
async def server() -> ServerMetadata:
    return _ABOUT


@router.get("/models/{model}", responses=v2_errors(404), summary="What a model takes and gives")
async def metadata(request: Request, model: str) -> ModelMetadata:
    return find_model(served(request).view, model, None).metadata()


@router.get("/models/{model}/versions/{version}", responses=v2_errors(404))
async def metadata_of(request: Request, model: str, version: str) -> ModelMetadata:
    return find_model(served(request).view, model, version).metadata()


@router.get("/models/{model}/ready", responses=v2_errors(404, 503))
async def model_ready(request: Request, model: str) -> ModelReady:
    return _ready(request, model, None)


@router.get("/models/{model}/versions/{version}/ready", responses=v2_errors(404, 503))
async def version_ready(request: Request, model: str, version: str) -> ModelReady:
    return _ready(request, model, version)


@router.post("/models/{model}/infer", **_INFER, summary="Ask a task, or with `sen` the network")
async def infer(request: Request, model: str) -> Response:
    return await _infer(request, model, None)


@router.post("/models/{model}/versions/{version}/infer", **_INFER)
async def infer_version(request: Request, model: str, version: str) -> Response:
    return await _infer(request, model, version)


def _ready(request: Request, name: str, version: str | None) -> ModelReady:
    model = find_model(served(request).view, name, version)
    check_ready(model)
    return ModelReady(name=name, ready=True)


async def _infer(request: Request, name: str, version: str | None) -> Response:
    sen = served(request)
    model = find_model(sen.view, name, version)
    limits = sen.config.serve
    body = await read_body(request, limits.max_body_bytes)
    with Timed(sen.meter, "parse"):
        asked = await off_loop(
            len(body), understand, body, _head_bytes(request), model, limits.max_inputs
        )
    answers = await sen.dispatcher.answer(asked.inputs, model.task)
    note_answers(request.scope, answers)
    given = reply(asked.request, model, answers)
    if given.head_bytes is None:
        return Response(given.body, media_type=JSON)
    return Response(given.body, headers={HEAD_BYTES: str(given.head_bytes)}, media_type=BINARY)


def _head_bytes(request: Request) -> int | None:
    given = request.headers.get(HEAD_BYTES)
    if given is None:
        return None
    if not (given.isascii() and given.isdecimal() and len(given) < 20):
        raise DataError(f"{HEAD_BYTES} must be a number of bytes, got {given[:40]!r}")
    return int(given)
