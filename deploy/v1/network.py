"""What the network is: its tasks, and where they are."""

from __future__ import annotations

from fastapi import APIRouter, Request

from deploy.schemas import NetworkReply, TasksReply, network_reply, tasks_reply
from deploy.served import served

router = APIRouter()


@router.get("/v1/tasks", summary="The tasks in service")
async def tasks(request: Request) -> TasksReply:
    return tasks_reply(served(request).view)


@router.get("/v1/network", summary="Tasks, links, slots and active share at a glance")
async def network(request: Request) -> NetworkReply:
    return network_reply(served(request).view, served(request).config.dispatch.max_active)


@router.get("/healthz", summary="Whether requests can be answered")
async def health(request: Request) -> dict[str, str | int]:
    return {"status": "ok", "network_version": served(request).view.registry.version}
