"""Errors as HTTP says them: problem documents after RFC 9457, and under /v2 the protocol's own."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from ray.exceptions import RayError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import compile_path

from cluster.errors import (
    ExpansionFailed,
    NetworkUnavailable,
    NotResident,
    QueueFull,
    SenError,
    StoreError,
    TaskInUse,
    TaskNameTaken,
    TaskUnavailable,
    UnknownTask,
    VersionUnknown,
    user_message,
)
from deploy.bodies import UnknownBodyType
from dispatcher import DispatcherError
from pathways import PathwaysError, TooLargeError

PROBLEM = "application/problem+json"

_STATUS: list[tuple[type[Exception], int, str]] = [
    (TooLargeError, 413, "Too large"),
    (UnknownBodyType, 415, "Unknown content type"),
    (UnknownTask, 404, "Unknown task"),
    (VersionUnknown, 404, "Unknown version"),
    (TaskNameTaken, 409, "Name is taken"),
    (TaskInUse, 409, "Task is in use"),
    (QueueFull, 429, "Too many tasks wait"),
    (ExpansionFailed, 404, "Unknown expansion"),
    (TaskUnavailable, 503, "Task unavailable"),
    (NotResident, 503, "Task unavailable"),
    (StoreError, 503, "Store unavailable"),
    (NetworkUnavailable, 503, "Network unavailable"),
    (PathwaysError, 422, "Input cannot be used"),
    (DispatcherError, 422, "No task fits"),
    (SenError, 400, "Request cannot be served"),
    (RayError, 503, "Network unavailable"),
]
_TITLES = {404: "Not found", 405: "Method not allowed"}


class Problem(BaseModel):
    """An error, after RFC 9457."""

    title: str
    status: int
    detail: str


class V2Error(BaseModel):
    """An error, after the Open Inference Protocol."""

    error: str


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: the statuses that a route answers with a problem document."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {status: _described(status, PROBLEM, schema) for status in statuses}


def v2_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: the statuses that a route of the protocol answers with an error."""
    schema = {"$ref": "#/components/schemas/V2Error"}
    return {status: _described(status, "application/json", schema) for status in statuses}


def _described(status: int, kind: str, schema: dict[str, str]) -> dict[str, Any]:
    titles = [title for _, known, title in _STATUS if known == status]
    return {"description": (titles or ["Refused"])[0], "content": {kind: {"schema": schema}}}


def add_problems(app: FastAPI) -> None:
    """Answer every error with a document that says what happened."""

    async def expected(request: Request, error: Exception) -> JSONResponse:
        status, title = next((s, t) for kind, s, t in _STATUS if isinstance(error, kind))
        return _answer(request, status, title, user_message(error))

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return _answer(request, 422, "Invalid parameter", f"{where}: {first['msg']}")

    async def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        title = _TITLES.get(error.status_code, "Request failed")
        detail = f"{request.method} {request.url.path}: {error.detail}"
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(_allowed(request)) or headers.get("Allow", "")
        return _answer(request, error.status_code, title, detail, headers)

    async def gone(request: Request, error: Exception) -> JSONResponse:
        return _answer(request, 400, "Cut off", "the request ended before its body did")

    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        # Starlette raises it again after this answer, so that it is logged.
        return _answer(request, 500, "Error of the server", "see the log of the replica")

    for kind, _, _ in _STATUS:
        app.add_exception_handler(kind, expected)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(Exception, unexpected)


def _allowed(request: Request) -> list[str]:
    """Methods of all routes for a path, as described: Starlette names only those of the first."""
    described = request.app.openapi()["paths"].items()
    fitting = (o for path, o in described if compile_path(path)[0].match(request.url.path))
    return sorted({method.upper() for operations in fitting for method in operations})


def _answer(
    request: Request, status: int, title: str, detail: str, headers: Any = None
) -> JSONResponse:
    """The error in the words of the interface that was asked."""
    if request.url.path.startswith("/v2"):
        # The protocol knows one status for all requests that make no sense.
        status = 400 if status == 422 else status
        return JSONResponse(V2Error(error=f"{title}: {detail}").model_dump(), status, headers)
    body = Problem(title=title, status=status, detail=detail).model_dump()
    return JSONResponse(body, status, headers, media_type=PROBLEM)
