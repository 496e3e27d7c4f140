"""What the network is: its tasks, and where they are."""

from __future__ import annotations

from fastapi import APIRouter, Request

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


@router.get("/v1/tasks", summary="The tasks in service")
async def tasks(request: Request) -> TasksReply:
    return tasks_reply(served(request).view)


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


@router.get("/v1/network", summary="Tasks, links, slots and active share at a glance")
async def network(request: Request) -> NetworkReply:
    return network_reply(served(request).view, served(request).config.dispatch.max_active)


@router.get("/healthz", summary="Whether requests can be answered")
async def health(request: Request) -> dict[str, str | int]:
    return {"status": "ok", "network_version": served(request).view.registry.version}
