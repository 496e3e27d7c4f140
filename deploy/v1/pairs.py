"""Two tasks that are learned together, from images and sounds that were shown together."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from deploy.bodies import FORM, JSON, UnknownBodyType, content_type, parse_json, read_body, reason
from deploy.problems import problems
from deploy.served import Served, served
from deploy.v1.messages import Accepted, PairBody, PairOptions
from deploy.v1.uploads import fields_form, load_pairs_upload
from pathways import DataError
from pathways.data.pairs_file import LoadedPairs, load_pairs

router = APIRouter()

_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        JSON: {"schema": {"$ref": "#/components/schemas/PairBody"}},
        FORM: {"schema": {"$ref": "#/components/schemas/PairForm"}},
    },
}


@router.post(
    "/v1/pairs",
    status_code=202,
    responses=problems(400, 409, 413, 415, 422, 429, 503),
    openapi_extra={"requestBody": _BODY},
    summary="Learn a task of images and one of sounds together",
)
async def learn_pair(request: Request, response: Response) -> Accepted:
    sen, kind = served(request), content_type(request)
    if kind == JSON:
        accepted = await _from_path(sen, request)
    elif kind == FORM:
        accepted = await _from_upload(sen, request)
    else:
        raise UnknownBodyType(
            f"content type {kind or '(none)'} cannot be read; send {FORM} with an .npz file, or "
            f"{JSON} with a path"
        )
    response.headers["Location"] = accepted.status
    return accepted


async def _from_path(sen: Served, request: Request) -> Accepted:
    body = await read_body(request, sen.config.serve.max_body_bytes)
    try:
        asked = PairBody.model_validate(parse_json(body))
    except ValidationError as error:
        raise DataError(f"the JSON body cannot be used: {reason(error)}") from error
    loaded = await asyncio.to_thread(load_pairs, asked.path)
    return await _begin(sen, (asked.first, asked.second), loaded, asked.options)


async def _from_upload(sen: Served, request: Request) -> Accepted:
    max_bytes = sen.config.serve.max_upload_bytes
    async with fields_form(request, max_bytes, ("first", "second"), ("options",)) as form:
        text = form.fields.get("options", "{}")
        try:
            options = PairOptions.model_validate(parse_json(text.encode()))
        except ValidationError as error:
            raise DataError(f"the options cannot be used: {reason(error)}") from error
        loaded = await asyncio.to_thread(load_pairs_upload, form.files, max_bytes)
    return await _begin(sen, (form.fields["first"], form.fields["second"]), loaded, options)


async def _begin(
    sen: Served, tasks: tuple[str, str], loaded: LoadedPairs, options: PairOptions
) -> Accepted:
    expansion = await sen.client.learn_pair(
        *tasks, loaded.data, options.config(), options.pairing()
    )
    status = f"/v1/expansions/{expansion.request}"
    return Accepted(
        expansion=expansion.request,
        task=tasks[0],
        status=status,
        events=f"{status}/events",
        notes=list(loaded.notes),
    )
