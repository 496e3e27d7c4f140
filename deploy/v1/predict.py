"""Labels and numbers for images, sounds, tables and text."""

from __future__ import annotations

from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request, Response

from cluster.messages import Answer
from deploy.bodies import FORM, JSON, NPY
from deploy.problems import problems
from deploy.schemas import PredictReply, predict_fields
from deploy.served import Served, served
from deploy.v1.inputs import read_inputs, read_together
from deploy.watching import note_answers
from pathways import DataError, Modality

router = APIRouter()

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
async def predict(
    request: Request,
    task: Annotated[str | None, Query(description="Ask this task only")] = None,
    top: Annotated[int, Query(ge=1, le=10_000, description="Labels to give")] = 5,
    rate_hz: Annotated[int, Query(ge=0, description="An .npy body holds sounds")] = 0,
    kind: Annotated[
        Modality | None,
        Query(description="What an .npy body holds; images, or with rate_hz sounds, if left out"),
    ] = None,
    together: Annotated[
        bool, Query(description="The body is an image and a sound of the same thing: one answer")
    ] = False,
    tasks: Annotated[
        str | None, Query(description="Together: ask these two", examples=["digits,spoken"])
    ] = None,
) -> Response:
    sen = served(request)
    if together:
        answers = await _answer_together(sen, request, task, tasks)
    elif tasks is not None:
        raise DataError("`tasks` are two for an image and a sound together; give one `task`")
    else:
        async with read_inputs(request, sen, rate_hz, kind) as inputs:
            answers = await sen.dispatcher.answer(inputs, task)
    note_answers(request.scope, answers)
    return Response(orjson.dumps(predict_fields(answers, sen.view.registry, top)), media_type=JSON)


async def _answer_together(
    sen: Served, request: Request, task: str | None, tasks: str | None
) -> list[Answer]:
    if task is not None:
        raise DataError(
            "an image and a sound together ask two tasks; give `tasks`, or leave it out"
        )
    told = tasks.split(",") if tasks is not None else ()
    return await sen.dispatcher.answer_together([await read_together(request, sen)], told)
