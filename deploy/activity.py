"""What the network does now, over HTTP: the counts that the page draws its rates from."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from cluster.messages import NetworkActivity
from deploy.served import served

router = APIRouter()


class ActivityReply(BaseModel):
    """Counts since the network was started; rates are differences between two calls."""

    network_version: int
    activations: dict[str, int] = Field(
        description="Task → inputs its pathway ran on, over all replicas; absent if none",
        examples=[{"digits": 123}],
    )
    rows: int = Field(description="Inputs answered")
    unknown: int = Field(description="Inputs unlike everything learned; they activated nothing")
    resident: list[str] = Field(
        description="Pathways resident in slots now", examples=[["digits@1"]]
    )


@router.get("/v1/network/activity", summary="How often each task ran since the start")
async def activity(request: Request) -> ActivityReply:
    told: NetworkActivity = await served(request).dispatcher.activity()
    return ActivityReply.model_validate(told, from_attributes=True)
