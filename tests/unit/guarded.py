"""The guarded application in this process, for the tests of what stands before it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from fastapi import FastAPI

from cluster.async_client import AsyncClient
from cluster.config import SenConfig, ServeConfig
from cluster.meter import HttpMeter, NoMeter
from deploy.app import build_app
from deploy.guard import guard
from deploy.keys import KeySource
from deploy.served import Served
from tests.unit.fakes import FakeAnswering, FakeController

ONE = {"inputs": [[[0.5]]]}
"""One input of one pixel."""


def guarded_app(
    dispatcher: FakeAnswering,
    *,
    keys: KeySource | None = None,
    meter: HttpMeter | None = None,
    **serve: Any,
) -> FastAPI:
    """The application with its guards; it would answer from `dispatcher`."""
    config = SenConfig(store="none", serve=ServeConfig(**serve))

    async def start() -> FakeAnswering:
        return dispatcher

    app = build_app(config, start)
    meter = meter or NoMeter()
    client = AsyncClient(FakeController())
    # httpx's transport runs no lifespan, which would make it.
    app.state.served = Served(config=config, dispatcher=dispatcher, client=client, meter=meter)
    return guard(app, config.serve, keys or KeySource(), meter)


def ask(app: FastAPI, work: Callable[[httpx.AsyncClient], Awaitable[Any]], **client: Any) -> Any:
    """Run `work` with a client of the application."""

    async def asking() -> Any:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        url = "http://127.0.0.1:8000"
        async with httpx.AsyncClient(transport=transport, base_url=url, **client) as http:
            return await asyncio.wait_for(work(http), timeout=20)

    return asyncio.run(asking())


def request(app: FastAPI, method: str, path: str, **given: Any) -> httpx.Response:
    """One request."""
    reply: httpx.Response = ask(app, lambda http: http.request(method, path, **given))
    return reply


def problem(reply: httpx.Response, status: int) -> str:
    """The detail of a problem document."""
    assert reply.headers["content-type"] == "application/problem+json", reply.text
    assert reply.status_code == reply.json()["status"] == status, reply.text
    detail = str(reply.json()["detail"])
    assert "/tmp" not in detail, "where uploads lie is nobody's business"
    return detail
