"""What the network is: its tasks, and where they are."""

from __future__ import annotations

import asyncio
from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request, Response

from cluster.messages import NetworkView
from deploy.bodies import JSON
from deploy.problems import problems
from deploy.schemas import (
    NetworkReply,
    TaskInfo,
    TasksReply,
    network_reply,
    task_info,
    tasks_fields,
)
from deploy.served import served
from deploy.v1.messages import VerifyReply, VersionsReply, verify_reply, versions_reply

router = APIRouter()


@router.get(
    "/v1/tasks",
    response_model=TasksReply,
    responses=problems(422),
    summary="The tasks in service",
)
async def tasks(
    request: Request,
    offset: Annotated[int, Query(ge=0, description="Leave out the first ones")] = 0,
    limit: Annotated[int | None, Query(ge=1, description="Give so many at most")] = None,
) -> Response:
    sen = served(request)
    if offset == 0 and limit is None:
        return Response(await sen.once_a_view("tasks", _all_tasks), media_type=JSON)
    view, entries = await sen.once_a_view("entries", lambda view: (view, view.registry.entries()))
    end = None if limit is None else offset + limit
    fields = await asyncio.to_thread(tasks_fields, view, entries[offset:end])
    return Response(orjson.dumps(fields), media_type=JSON)


def _all_tasks(view: NetworkView) -> bytes:
    return orjson.dumps(tasks_fields(view, view.registry.entries()))


@router.get("/v1/tasks/{task}", responses=problems(404), summary="One task")
async def task(request: Request, task: str) -> TaskInfo:
    view = served(request).view
    return task_info(view, view.registry.entry(task))


@router.get("/v1/tasks/{task}/versions", responses=problems(404), summary="What a task was and is")
async def versions(request: Request, task: str) -> VersionsReply:
    return versions_reply(served(request).view.registry, task)


@router.post(
    "/v1/verify", responses=problems(503), summary="Prove that every task is what was learned"
)
async def verify(request: Request) -> VerifyReply:
    return verify_reply(await served(request).client.verify())


@router.get(
    "/v1/network",
    response_model=NetworkReply,
    summary="Tasks, links, slots and active share at a glance",
)
async def network(request: Request) -> Response:
    sen = served(request)
    most = sen.config.dispatch.max_active
    text = await sen.once_a_view(
        "network", lambda view: network_reply(view, most).model_dump_json().encode()
    )
    return Response(text, media_type=JSON)


@router.get("/healthz", summary="Whether requests can be answered")
async def health(request: Request) -> dict[str, str | int]:
    return {"status": "ok", "network_version": served(request).view.registry.version}
