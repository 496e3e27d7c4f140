"""The HTTP application. It holds a dispatcher, so that an ingress replica routes by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from cluster.async_client import AsyncClient, connect_async
from cluster.config import SenConfig
from cluster.meter import NoMeter
from deploy import activity, v1, v2
from deploy.describing import describe
from deploy.page import page_router
from deploy.problems import add_problems
from deploy.served import Answering, Served


def build_app(
    config: SenConfig,
    start: Callable[[], Awaitable[Answering]],
    connect: Callable[[], Awaitable[AsyncClient]] = connect_async,
) -> FastAPI:
    """The application; `start` gives its dispatcher once the event loop runs."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.served = Served(
            config=config,
            dispatcher=await start(),
            client=await connect(),
            meter=app.state.meter,
        )
        yield

    app = FastAPIOffline(
        title="SEN",
        summary="A sparse and expandable network",
        lifespan=lifespan,
        static_url="/docs-files",
        redoc_url=None,
    )
    app.state.meter = NoMeter()
    add_problems(app)
    for router in (*v1.routers, v2.router, activity.router, page_router()):
        app.include_router(router)
    describe(app)
    return app
