"""OpenAPI: the models that routes read or answer without FastAPI's help."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from deploy.problems import Problem, V2Error
from deploy.schemas import PredictBody
from deploy.v1.messages import ExpansionInfo, LearnBody, LearnForm
from deploy.v1.revisions import ImproveBody, PruneBody, ReviseForm
from deploy.v2.messages import InferRequest

_MODELS: tuple[type[BaseModel], ...] = (
    Problem,
    V2Error,
    PredictBody,
    LearnBody,
    LearnForm,
    ImproveBody,
    PruneBody,
    ReviseForm,
    ExpansionInfo,
    InferRequest,
)

_FASTAPIS = "HTTPValidationError"


def describe(app: FastAPI) -> None:
    """Have the application's description define every model that its routes refer to."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = FastAPI.openapi(app)
            _define_models(schema)
            _leave_out_what_is_never_said(schema)
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _define_models(schema: dict[str, Any]) -> None:
    _, added = models_json_schema(
        [(model, "validation") for model in _MODELS],
        ref_template="#/components/schemas/{model}",
    )
    for name, definition in added["$defs"].items():
        schema["components"]["schemas"].setdefault(name, definition)


def _leave_out_what_is_never_said(schema: dict[str, Any]) -> None:
    """FastAPI lists its own kind of error for every route that has a parameter."""
    for route in schema["paths"].values():
        for operation in route.values():
            invalid = operation["responses"].get("422", {})
            if _FASTAPIS in str(invalid):
                del operation["responses"]["422"]
    for name in (_FASTAPIS, "ValidationError"):
        schema["components"]["schemas"].pop(name, None)
