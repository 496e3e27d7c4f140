"""The HTTP application in this process, over real pathways and a real dispatcher."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from cluster.async_client import AsyncClient
from cluster.config import ExpansionConfig, SenConfig, ServeConfig
from deploy.app import build_app
from deploy.served import Answering
from tests.unit.asking import all_resident
from tests.unit.fakes import FakeController
from tests.unit.networks import LocalSlots


@dataclass(frozen=True)
class Serving:
    """A client of the application, and the controller behind it."""

    http: TestClient
    controller: FakeController


@contextmanager
def serving(
    slots: LocalSlots,
    view: Mapping[str, Any] | None = None,
    modules: tuple[str, ...] = (),
    **serve: Any,
) -> Iterator[Serving]:
    """The application, running; an error of its own is raised in the test."""
    controller = FakeController()
    with TestClient(application(slots, controller, view, modules, **serve)) as http:
        yield Serving(http, controller)


def application(
    slots: LocalSlots,
    controller: FakeController,
    view: Mapping[str, Any] | None = None,
    modules: tuple[str, ...] = (),
    **serve: Any,
) -> FastAPI:
    """The application with every pathway resident; `view`: what else of the network is so;
    `modules`: packages of users' own families."""

    async def start() -> Answering:
        return all_resident(slots, **(view or {}))

    async def connect() -> AsyncClient:
        controller.loop = asyncio.get_running_loop()
        return AsyncClient(controller)

    config = SenConfig(
        store=slots.network.store.uri,
        expansion=ExpansionConfig(modules=modules),
        serve=ServeConfig(**serve),
    )
    return build_app(config, start, connect)


def png(pixels: np.ndarray[Any, Any]) -> bytes:
    """An image file of uint8 [height, width(, 3)]."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def npy(array: np.ndarray[Any, Any]) -> bytes:
    """An array file."""
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()
