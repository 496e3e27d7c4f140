"""Learning new tasks: expansions are begun here, and tell how they get on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from cluster.asking import learning, sharing
from cluster.errors import TaskNameTaken
from cluster.handle import Expansion
from cluster.messages import NewTask
from cluster.orders import SHARED
from deploy.bodies import FORM, JSON
from deploy.problems import problems
from deploy.served import Served, served
from deploy.v1.examples import Sent, sent
from deploy.v1.messages import (
    Accepted,
    ExpansionInfo,
    ExpansionsReply,
    LearnBody,
    LearnOptions,
    expansion_info,
)
from deploy.v1.uploads import FILE, WEIGHTS
from pathways import DataError, FamilyError, check_task_name
from pathways.families import check_family_name, is_own
from pathways.revising import ShareConfig

router = APIRouter()

_BODY: dict[str, Any] = {
    "required": True,
    "content": {
        JSON: {"schema": {"$ref": "#/components/schemas/LearnBody"}},
        FORM: {"schema": {"$ref": "#/components/schemas/LearnForm"}},
    },
}
_STAGES = {
    "description": "Events `progress`, then `learned`, `unchanged` or `failed`; their data are "
    "the status",
    "content": {
        "text/event-stream": {
            "itemSchema": {
                "type": "object",
                "required": ["event", "data"],
                "properties": {
                    "event": {"enum": ["progress", "learned", "unchanged", "failed"]},
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
    sen = served(request)
    async with sent(request, sen, LearnBody, LearnOptions, beside=(SHARED, WEIGHTS)) as asked:
        _check(sen, asked.task, asked.options)
        new, notes = await _new_task(sen, asked)
    accepted = await begin(sen, new, notes)
    response.headers["Location"] = accepted.status
    return accepted


async def _new_task(sen: Served, asked: Sent[LearnOptions]) -> tuple[NewTask, tuple[str, ...]]:
    """What is to be learned, and what was done to the data on the way."""
    options, partner = asked.options, asked.options.share_with
    if (partner is None) == (SHARED in asked.names):
        raise DataError(
            "to share units takes both the option share_with and data of that task, as `shared` "
            f"files or shared_path; got {'the data' if partner is None else 'the option'} alone"
        )
    if partner is None:
        loaded = await asked.load(FILE, None, asked.target)
        weights = await asked.content(WEIGHTS) if WEIGHTS in asked.names else None
        new = await asyncio.to_thread(learning, asked.task, loaded.data, options.config(), weights)
        return new, loaded.notes
    registry = sen.view.registry
    signature = registry.entry(partner).spec.signature
    loaded = await asked.load(FILE, signature, None)
    shared = await asked.load(SHARED, signature, None)
    how = ShareConfig(budget=options.forget_budget)
    new = sharing(registry, asked.task, loaded.data, partner, shared.data, options.config(), how)
    return new, (*loaded.notes, *shared.notes)


def _check(sen: Served, task: str, options: LearnOptions) -> None:
    """What can be told before the data are looked at."""
    check_task_name(task)
    if task in sen.view.registry.current:
        raise TaskNameTaken(f"task {task!r} is learned already; choose another name")
    if options.family is not None:
        check_family_name(options.family)
        _check_module(options.family, sen.config.expansion.modules)


def _check_module(family: str, allowed: Sequence[str]) -> None:
    """Importing a module runs its code, so only what the owner names is imported for strangers."""
    module = family.partition(":")[0]
    if is_own(family) and not any(module == a or module.startswith(f"{a}.") for a in allowed):
        raise FamilyError(
            f"{family} may not be used over HTTP; allow its package in the setting "
            f"expansion.modules (now {', '.join(allowed) or 'none'})"
        )


async def begin(sen: Served, new: NewTask, notes: Sequence[str]) -> Accepted:
    """Hand a task over; from here on it is not lost. Raises what Client.submit raises."""
    expansion = await sen.client.submit(new)
    status = f"/v1/expansions/{expansion.request}"
    return Accepted(
        expansion=expansion.request,
        task=new.task,
        status=status,
        events=f"{status}/events",
        notes=list(notes),
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
