"""The HTTP application. It holds a dispatcher, so that an ingress replica routes by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI

from cluster.config import SenConfig
from deploy import v1
from deploy.problems import add_problems
from deploy.served import Answering, Served


def build_app(config: SenConfig, start: Callable[[], Awaitable[Answering]]) -> FastAPI:
    """The application; `start` gives its dispatcher once the event loop runs."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.served = Served(config=config, dispatcher=await start())
        yield

    app = FastAPI(title="SEN", summary="A sparse and expandable network", lifespan=lifespan)
    add_problems(app)
    app.include_router(v1.router)
    return app
