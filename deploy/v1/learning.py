"""Learning new tasks: expansions are begun here, and tell how they get on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import ValidationError

from cluster.errors import TaskNameTaken
from cluster.handle import Expansion
from deploy.bodies import FORM, JSON, UnknownBodyType, content_type, parse_json, read_body, reason
from deploy.problems import problems
from deploy.served import Served, served
from deploy.v1.messages import (
    Accepted,
    ExpansionInfo,
    ExpansionsReply,
    LearnBody,
    LearnOptions,
    expansion_info,
)
from deploy.v1.uploads import load_upload, upload_form
from pathways import DataError, check_task_name
from pathways.data.load import Loaded, load_task
from pathways.families import FAMILIES, check_family

router = APIRouter()

_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        JSON: {"schema": {"$ref": "#/components/schemas/LearnBody"}},
        FORM: {"schema": {"$ref": "#/components/schemas/LearnForm"}},
    },
}
_STAGES = {
    "description": "Events `progress`, then `learned` or `failed`; the data of each is the status",
    "content": {
        "text/event-stream": {
            "itemSchema": {
                "type": "object",
                "required": ["event", "data"],
                "properties": {
                    "event": {"enum": ["progress", "learned", "failed"]},
                    "data": {
                        "type": "string",
                        "contentMediaType": JSON,
                        "contentSchema": {"$ref": "#/components/schemas/ExpansionInfo"},
                    },
                },
            }
        }
    },
}


@router.post(
    "/v1/learn",
    status_code=202,
    responses=problems(400, 409, 413, 415, 422, 503),
    openapi_extra={"requestBody": _BODY},
    summary="Learn a new task from labelled examples",
)
async def learn(request: Request, response: Response) -> Accepted:
    sen, kind = served(request), content_type(request)
    if kind == JSON:
        accepted = await _learn_path(sen, request)
    elif kind == FORM:
        accepted = await _learn_upload(sen, request)
    else:
        raise UnknownBodyType(
            f"content type {kind or '(none)'} cannot be read; send {FORM} with files, or {JSON} "
            "with a path"
        )
    response.headers["Location"] = accepted.status
    return accepted


async def _learn_path(sen: Served, request: Request) -> Accepted:
    body = await read_body(request, sen.config.serve.max_body_bytes)
    try:
        asked = LearnBody.model_validate(parse_json(body))
    except ValidationError as error:
        raise DataError(f"the JSON body cannot be used: {reason(error)}") from error
    _check(sen, asked.task, asked.options)
    loaded = await asyncio.to_thread(load_task, asked.path, target=asked.target)
    return await _begin(sen, asked.task, loaded, asked.options)


async def _learn_upload(sen: Served, request: Request) -> Accepted:
    max_bytes = sen.config.serve.max_upload_bytes
    async with upload_form(request, max_bytes) as form:
        options = _options(form.options)
        _check(sen, form.task, options)
        loaded = await asyncio.to_thread(load_upload, form, max_bytes)
    return await _begin(sen, form.task, loaded, options)


def _options(text: str) -> LearnOptions:
    try:
        return LearnOptions.model_validate(parse_json(text.encode()))
    except ValidationError as error:
        raise DataError(f"the options cannot be used: {reason(error)}") from error


def _check(sen: Served, task: str, options: LearnOptions) -> None:
    """What can be told before the data are looked at."""
    check_task_name(task)
    if task in sen.view.registry.current:
        raise TaskNameTaken(f"task {task!r} is learned already; choose another name")
    if options.family is not None and options.family not in FAMILIES:
        raise DataError(f"unknown family {options.family!r}; known are {', '.join(FAMILIES)}")


async def _begin(sen: Served, task: str, loaded: Loaded, options: LearnOptions) -> Accepted:
    if options.family is not None:
        check_family(options.family, loaded.data.signature, {})
    expansion = await sen.client.learn(task, loaded.data, options.config())
    status = f"/v1/expansions/{expansion.request}"
    return Accepted(
        expansion=expansion.request,
        task=task,
        status=status,
        events=f"{status}/events",
        notes=list(loaded.notes),
    )


@router.get("/v1/expansions", responses=problems(503), summary="Tasks on their way")
async def expansions(request: Request) -> ExpansionsReply:
    listed = await served(request).client.expansions()
    return ExpansionsReply(expansions=[expansion_info(status) for status in listed])


async def _expansion(
    request: Request, expansion: Annotated[str, Path(examples=["00000003-digits"])]
) -> Expansion:
    """The expansion that the path names; raises ExpansionFailed for an unknown one."""
    found = served(request).client.expansion(expansion)
    await found.status_async()
    return found


Known = Annotated[Expansion, Depends(_expansion)]


@router.get(
    "/v1/expansions/{expansion}",
    responses=problems(404, 503),
    summary="Where an expansion stands",
)
async def expansion_status(expansion: Known) -> ExpansionInfo:
    return expansion_info(await expansion.status_async())


@router.get(
    "/v1/expansions/{expansion}/events",
    response_class=EventSourceResponse,
    responses={200: _STAGES, **problems(404, 503)},
    summary="An expansion's progress, as it happens",
)
async def expansion_events(expansion: Known) -> AsyncIterable[ServerSentEvent]:
    async for status in expansion.changes():
        name = status.stage.value if status.ended else "progress"
        yield ServerSentEvent(event=name, data=expansion_info(status))
