"""Labels and numbers for images, sounds, tables and text."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import ValidationError

from cluster.messages import Answer
from deploy.bodies import FORM, JSON, NPY
from deploy.problems import problems
from deploy.schemas import PredictQuery, PredictReply, predict_fields
from deploy.served import Served, served
from deploy.v1.inputs import read_inputs, read_together
from deploy.watching import note_answers
from pathways import DataError


class _ReadHere(APIRoute):
    """FastAPI describes the route; the query is read here, which takes a tenth of the time that
    FastAPI takes to resolve parameters and is a good part of what a prediction costs."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        async def handle(request: Request) -> Response:
            return await predict(request, _query(request))

        return handle


_NOTHING_SAID = PredictQuery()

router = APIRouter(route_class=_ReadHere)

_BODY = {
    "required": True,
    "content": {
        FORM: {
            "schema": {
                "type": "object",
                "properties": {"file": {"type": "string", "format": "binary"}},
            }
        },
        JSON: {
            "schema": {
                "anyOf": [
                    {"$ref": "#/components/schemas/PredictBody"},
                    {"$ref": "#/components/schemas/TogetherBody"},
                ]
            }
        },
        NPY: {"schema": {"type": "string", "format": "binary"}},
        "image/*": {"schema": {"type": "string", "format": "binary"}},
        "audio/*": {"schema": {"type": "string", "format": "binary"}},
    },
}


@router.post(
    "/v1/predict",
    response_model=PredictReply,
    responses=problems(400, 404, 413, 415, 422, 503),
    openapi_extra={"requestBody": _BODY},
    summary="Label images, sounds, rows of tables or texts",
)
async def predict(request: Request, query: Annotated[PredictQuery, Query()]) -> Response:
    sen, task = served(request), query.task
    if query.together:
        answers = await _answer_together(sen, request, task, query.tasks)
    elif query.tasks is not None:
        raise DataError("`tasks` are two for an image and a sound together; give one `task`")
    else:
        async with read_inputs(request, sen, query.rate_hz, query.kind) as inputs:
            answers = await sen.dispatcher.answer(inputs, task)
    note_answers(request.scope, answers)
    fields = predict_fields(answers, sen.view.registry, query.top)
    return Response(orjson.dumps(fields), media_type=JSON)


def _query(request: Request) -> PredictQuery:
    """Raises RequestValidationError, as FastAPI does."""
    if not request.scope["query_string"]:
        return _NOTHING_SAID
    try:
        return PredictQuery.model_validate(dict(request.query_params))
    except ValidationError as error:
        found = [{**each, "loc": ("query", *each["loc"])} for each in error.errors()]
        raise RequestValidationError(found) from error


async def _answer_together(
    sen: Served, request: Request, task: str | None, tasks: str | None
) -> list[Answer]:
    if task is not None:
        raise DataError(
            "an image and a sound together ask two tasks; give `tasks`, or leave it out"
        )
    told = tasks.split(",") if tasks is not None else ()
    return await sen.dispatcher.answer_together([await read_together(request, sen)], told)
