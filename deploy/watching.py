"""One look at every request: metrics, and a line of log for those that want it.

Ray Serve's proxy takes the `X-Request-ID` of a request, or makes one, and returns it in every
answer; here it is only written down.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Sequence
from typing import Any, Self, TextIO

from pythonjsonlogger.json import JsonFormatter
from starlette.types import ASGIApp, Message, Receive, Send

from cluster.messages import Answer
from cluster.meter import HttpMeter, Meter

_NOTES = "sen.notes"
_GONE = 499  # as others log it: the client left before there was an answer
_LONGEST_ID = 128


class Watch:
    """Records what came of each request to `app`."""

    def __init__(self, app: ASGIApp, meter: HttpMeter, log: logging.Logger | None) -> None:
        self._app = app
        self._meter = meter
        self._log = log

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        if self._log:
            scope[_NOTES] = {}
        started = time.perf_counter()
        try:
            await self._app(scope, receive, watched)
        except asyncio.CancelledError:
            status = status or _GONE
            raise
        finally:
            self._ended(scope, status or 500, time.perf_counter() - started)

    def _ended(self, scope: Any, status: int, seconds: float) -> None:
        route = _route(scope)
        self._meter.request(route, status, seconds)
        if self._log and self._log.isEnabledFor(level := _level(status)):
            self._log.log(level, "request", extra=_line(scope, route, status, seconds))


def _route(scope: Any) -> str:
    """The pattern of the path, since paths themselves are without number."""
    path = getattr(scope.get("route"), "path", None)
    return str(path) if path else "(none)"


def _level(status: int) -> int:
    if status >= 500:
        return logging.ERROR
    return logging.WARNING if status >= 400 else logging.INFO


def _line(scope: Any, route: str, status: int, seconds: float) -> dict[str, Any]:
    ids = (value for name, value in scope["headers"] if name == b"x-request-id")
    return {
        "method": scope["method"],
        "route": route,
        "status": status,
        "seconds": round(seconds, 6),
        "request_id": next(ids, b"").decode("latin-1")[:_LONGEST_ID],
        "pathways": scope[_NOTES].get("pathways", 0),
    }


def note_answers(scope: Any, answers: Sequence[Answer]) -> None:
    """Tell the log how many pathways a request activated."""
    notes = scope.get(_NOTES)
    if notes is not None:
        notes["pathways"] = len({a.pathway for answer in answers for a in answer.activated})


def access_log(level: str, out: TextIO | None = None) -> logging.Logger | None:
    """A log of requests from `level` on, one JSON object a line; None for "off".

    By default it goes to the process's real standard error, which Ray keeps in a file:
    `sys.stderr` itself Serve turns into text of its own.
    """
    if level == "off":
        return None
    handler = logging.StreamHandler(out or sys.__stderr__)
    handler.setFormatter(
        JsonFormatter(
            "{asctime}{levelname}{name}{message}",
            style="{",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            datefmt="%Y-%m-%dT%H:%M:%S%z",
        )
    )
    log = logging.Logger("sen.access", level.upper())  # not in the tree: nothing doubles its lines
    log.addHandler(handler)
    return log


class Timed:
    """Records how long a stage of a request took: `with Timed(meter, "parse"): …`."""

    def __init__(self, meter: Meter, stage: str) -> None:
        self._meter = meter
        self._stage = stage

    def __enter__(self) -> Self:
        self._started = time.perf_counter()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._meter.stage(self._stage, time.perf_counter() - self._started)
