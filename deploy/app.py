"""The HTTP application. It holds a dispatcher, so that an ingress replica routes by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, Protocol

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from ray.exceptions import RayError
from starlette.exceptions import HTTPException

from cluster.config import SenConfig
from cluster.errors import NotResident, SenError, TaskUnavailable, UnknownTask, user_message
from cluster.inputs import Input
from cluster.messages import Answer, NetworkActivity, NetworkView
from deploy import activity
from deploy.bodies import JSON, NPY, BodyTooLarge, UnknownBodyType, read_inputs
from deploy.page import page_router
from deploy.schemas import (
    NetworkReply,
    PredictBody,
    PredictReply,
    Problem,
    TasksReply,
    network_reply,
    predict_reply,
    tasks_reply,
)
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

_PREDICT_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {"file": {"type": "string", "format": "binary"}},
            }
        },
        JSON: {"schema": PredictBody.model_json_schema()},
        NPY: {"schema": {"type": "string", "format": "binary"}},
        "image/*": {"schema": {"type": "string", "format": "binary"}},
        "audio/*": {"schema": {"type": "string", "format": "binary"}},
    },
}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem} for status in (404, 413, 415, 422, 503)
}


class Answering(Protocol):
    """What the application needs of a dispatcher."""

    @property
    def view(self) -> NetworkView: ...

    async def answer(self, inputs: Sequence[Input], task: str | None = None) -> list[Answer]: ...

    async def activity(self) -> NetworkActivity: ...


def build_app(config: SenConfig, start: Callable[[], Awaitable[Answering]]) -> FastAPI:
    """The application; `start` gives its dispatcher once the event loop runs."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.dispatcher = await start()
        yield

    app = FastAPIOffline(
        title="SEN",
        summary="A sparse and expandable network",
        lifespan=lifespan,
        static_url="/docs-files",
        redoc_url=None,
    )
    app.include_router(page_router())
    app.include_router(activity.router)
    _add_errors(app)
    _add_routes(app, config)
    return app


def _add_routes(app: FastAPI, config: SenConfig) -> None:
    def dispatcher() -> Answering:
        found: Answering = app.state.dispatcher
        return found

    @app.post(
        "/v1/predict",
        responses=_PROBLEMS,
        openapi_extra={"requestBody": _PREDICT_BODY},
        summary="Label images or sounds",
    )
    async def predict(
        request: Request,
        task: Annotated[str | None, Query(description="Ask this task only")] = None,
        top: Annotated[int, Query(ge=1, le=10_000, description="Labels to give")] = 5,
        rate_hz: Annotated[int, Query(ge=0, description="An .npy body holds sounds")] = 0,
    ) -> PredictReply:
        inputs = await read_inputs(request, config.serve.max_body_bytes, rate_hz)
        answers = await dispatcher().answer(inputs, task)
        return predict_reply(answers, dispatcher().view.registry, top)

    @app.get("/v1/tasks", summary="The tasks in service")
    async def tasks() -> TasksReply:
        return tasks_reply(dispatcher().view)

    @app.get("/v1/network", summary="Tasks, links, slots and active share at a glance")
    async def network() -> NetworkReply:
        return network_reply(dispatcher().view, config.dispatch.max_active)

    @app.get("/healthz", summary="Whether requests can be answered")
    async def health() -> dict[str, str | int]:
        return {"status": "ok", "network_version": dispatcher().view.registry.version}


def _add_errors(app: FastAPI) -> None:
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
