"""Errors as HTTP says them: problem documents after RFC 9457."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from ray.exceptions import RayError
from starlette.exceptions import HTTPException

from cluster.errors import NotResident, SenError, TaskUnavailable, UnknownTask, user_message
from deploy.bodies import BodyTooLarge, UnknownBodyType
from dispatcher import DispatcherError
from pathways import PathwaysError

_STATUS: list[tuple[type[Exception], int, str]] = [
    (BodyTooLarge, 413, "Body too large"),
    (UnknownBodyType, 415, "Unknown content type"),
    (UnknownTask, 404, "Unknown task"),
    (TaskUnavailable, 503, "Task unavailable"),
    (NotResident, 503, "Task unavailable"),
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


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: the statuses a route answers with a problem document."""
    return {status: {"model": Problem} for status in statuses}


def add_problems(app: FastAPI) -> None:
    """Answer every error that can be expected with a problem document."""

    async def expected(request: Request, error: Exception) -> JSONResponse:
        status, title = next((s, t) for kind, s, t in _STATUS if isinstance(error, kind))
        return _problem(status, title, user_message(error))

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        return _problem(422, "Invalid parameter", f"{where}: {first['msg']}")

    async def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        title = _TITLES.get(error.status_code, "Request failed")
        return _problem(
            error.status_code, title, f"{request.method} {request.url.path}: {error.detail}"
        )

    for kind, _, _ in _STATUS:
        app.add_exception_handler(kind, expected)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)


def _problem(status: int, title: str, detail: str) -> JSONResponse:
    body = Problem(title=title, status=status, detail=detail).model_dump()
    return JSONResponse(body, status, media_type="application/problem+json")
