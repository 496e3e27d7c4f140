"""Labels for images and sounds."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from deploy.bodies import FORM, JSON, NPY, read_inputs
from deploy.problems import problems
from deploy.schemas import PredictBody, PredictReply, predict_reply
from deploy.served import served

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
        JSON: {"schema": PredictBody.model_json_schema()},
        NPY: {"schema": {"type": "string", "format": "binary"}},
        "image/*": {"schema": {"type": "string", "format": "binary"}},
        "audio/*": {"schema": {"type": "string", "format": "binary"}},
    },
}


@router.post(
    "/v1/predict",
    responses=problems(404, 413, 415, 422, 503),
    openapi_extra={"requestBody": _BODY},
    summary="Label images or sounds",
)
async def predict(
    request: Request,
    task: Annotated[str | None, Query(description="Ask this task only")] = None,
    top: Annotated[int, Query(ge=1, le=10_000, description="Labels to give")] = 5,
    rate_hz: Annotated[int, Query(ge=0, description="An .npy body holds sounds")] = 0,
) -> PredictReply:
    sen = served(request)
    inputs = await read_inputs(request, sen.config.serve.max_body_bytes, rate_hz)
    answers = await sen.dispatcher.answer(inputs, task)
    return predict_reply(answers, sen.view.registry, top)
