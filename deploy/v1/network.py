"""What the network is: its tasks, and where they are."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request, Response

from deploy.bodies import JSON
from deploy.problems import problems
from deploy.schemas import (
    NetworkReply,
    TaskInfo,
    TasksReply,
    network_reply,
    task_info,
    tasks_reply,
)
from deploy.served import served
from deploy.v1.messages import VerifyReply, VersionsReply, verify_reply, versions_reply

router = APIRouter()


@router.get("/v1/tasks", response_model=TasksReply, summary="The tasks in service")
async def tasks(request: Request) -> Response:
    return Response(await served(request).once_a_view("tasks", tasks_reply), media_type=JSON)


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
    make = partial(network_reply, max_active=sen.config.dispatch.max_active)
    return Response(await sen.once_a_view("network", make), media_type=JSON)


@router.get("/healthz", summary="Whether requests can be answered")
async def health(request: Request) -> dict[str, str | int]:
    return {"status": "ok", "network_version": served(request).view.registry.version}
