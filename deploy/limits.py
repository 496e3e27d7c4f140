"""How much at once: bodies, requests in flight, uploads and time, as pure ASGI middleware.

What is too much is refused at once, so that no queue can grow in front of a busy replica.
"""

from __future__ import annotations

import asyncio
import re
from enum import Enum
from functools import lru_cache
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Send

from cluster.config import ServeConfig
from deploy.refusing import Refusal, busy

_JSON_WEIGHT = 8  # nested lists of Python numbers take about so many times their text
_MAX_STREAMS = 256  # of events, which last as long as somebody looks
_UPLOADS_AFTER_S = 10


class Kind(Enum):
    """What a request is, as far as limits go."""

    HEALTH = "health"
    STREAM = "stream"
    UPLOAD = "upload"
    OTHER = "other"


_KINDS = (
    (re.compile(r"/healthz|/v2/health/.*"), Kind.HEALTH),
    (re.compile(r"/v1/expansions/[^/]*/events"), Kind.STREAM),
    (re.compile(r"/v1/(learn|verify)|/v1/tasks/[^/]*/(improve|prune)"), Kind.UPLOAD),
)


@lru_cache(1024)
def kind_of(path: str) -> Kind:
    """What a request for this path is."""
    return next((kind for pattern, kind in _KINDS if pattern.fullmatch(path)), Kind.OTHER)


def most_at_once(config: ServeConfig) -> int:
    """Requests that a replica has to take in so that it can refuse those it cannot bear.

    Serve would let them wait in its proxy instead.
    """
    return 2 * config.max_in_flight + config.max_uploads + _MAX_STREAMS


class Limits:
    """Lets no more through to `app` than a replica can bear."""

    def __init__(self, app: ASGIApp, config: ServeConfig) -> None:
        self._app = app
        self._config = config
        self._most = {
            Kind.OTHER: config.max_in_flight,
            Kind.UPLOAD: config.max_uploads,
            Kind.STREAM: _MAX_STREAMS,
        }
        self._ongoing = dict.fromkeys(self._most, 0)
        self._bytes = 0  # of bodies in flight, weighted

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (kind := kind_of(scope["path"])) is Kind.HEALTH:
            await self._app(scope, receive, send)
            return
        body = _Body(scope, kind, self._config)
        if refusal := self._too_much(kind, body):
            await refusal.send(scope, send)
            return
        self._ongoing[kind] += 1
        if body.counts:
            self._bytes += body.hold(body.announced)
        try:
            await self._pass(scope, receive, send, kind, body)
        finally:
            self._ongoing[kind] -= 1
            self._bytes -= body.held

    def _too_much(self, kind: Kind, body: _Body) -> Refusal | None:
        if body.announced > body.limit:
            return body.refusal(body.announced)
        if self._ongoing[kind] >= self._most[kind]:
            return self._crowded(kind)
        # A request alone is let in, however large: it could never be served otherwise.
        if body.counts and self._bytes and self._full(body.weight * body.announced):
            return _full()
        return None

    def _full(self, more: int) -> bool:
        return self._bytes + more > self._config.max_in_flight_bytes

    def _crowded(self, kind: Kind) -> Refusal:
        most = self._most[kind]
        if kind is Kind.UPLOAD:
            detail = f"{most} tasks are being sent already, the limit is serve.max_uploads"
            return busy("Too many uploads", detail, status=429, after_s=_UPLOADS_AFTER_S)
        return busy("Busy", f"{most} requests are in flight already; try again in a moment")

    async def _pass(
        self, scope: Any, receive: Receive, send: Send, kind: Kind, body: _Body
    ) -> None:
        """Ask the application, unless it takes too long or its body grows too large."""
        answer = _Answer(send)
        heard = receive if body.is_announced else self._metered(receive, body, answer)
        timeout_s = self._timeout_s(kind)
        try:
            async with asyncio.timeout(timeout_s) as timer:
                await self._app(scope, heard, answer.send)
        except TimeoutError:
            if not timer.expired() or answer.started:
                raise
            detail = f"the request was given up after {timeout_s:g} s; send less, or try again"
            answer.refusal = busy("Took too long", detail)
        except _Refused:
            assert answer.refusal is not None
        if answer.refusal is not None and not answer.started:
            await answer.refusal.send(scope, send)

    def _timeout_s(self, kind: Kind) -> float | None:
        if kind is Kind.STREAM:
            return None
        config = self._config
        return config.upload_timeout_s if kind is Kind.UPLOAD else config.request_timeout_s

    def _metered(self, receive: Receive, body: _Body, answer: _Answer) -> Receive:
        """Count a body that comes without a length, and stop where it is too large."""
        size = 0

        async def metered() -> Message:
            nonlocal size
            message = await receive()
            size += (part := len(message.get("body", b"")))
            if size > body.limit:
                answer.refusal = body.refusal(size)
            elif body.counts and self._bytes > body.held and self._full(part * body.weight):
                answer.refusal = _full()
            if answer.refusal is not None:
                raise _Refused
            if body.counts:
                self._bytes += body.hold(part)
            return message

        return metered


class _Refused(Exception):  # noqa: N818
    """Stops an application that reads on; whatever it makes of it, the refusal is sent."""


class _Answer:
    """The way back: holds the application's answer off once the request is refused."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False
        self.refusal: Refusal | None = None

    async def send(self, message: Message) -> None:
        if self.refusal is not None and not self.started:
            return
        if message["type"] == "http.response.start":
            self.started = True
            if message["status"] in (429, 503):
                _say_when(message)
        await self._send(message)


class _Body:
    """A request's body as far as its head tells."""

    def __init__(self, scope: Any, kind: Kind, config: ServeConfig) -> None:
        upload = kind is Kind.UPLOAD
        self._setting = "max_upload_bytes" if upload else "max_body_bytes"
        self.limit = config.max_upload_bytes if upload else config.max_body_bytes
        self.counts = kind is Kind.OTHER
        self.announced = 0
        self.is_announced = scope["method"] in ("GET", "HEAD")
        self.weight = 1
        self.held = 0
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit():
                self.announced, self.is_announced = int(value), True
            elif name == b"content-type" and value.startswith(b"application/json"):
                self.weight = _JSON_WEIGHT

    def hold(self, size: int) -> int:
        """So many bytes more are in flight; returns what they count."""
        self.held += size * self.weight
        return size * self.weight

    def refusal(self, size: int) -> Refusal:
        return Refusal(
            status=413,
            title="Too large",
            detail=f"the body has {size} bytes or more, the limit is {self.limit}; send fewer "
            f"inputs at once or raise serve.{self._setting}",
        )


def _full() -> Refusal:
    return busy("Busy", "the bodies in flight take all the room there is; try again in a moment")


def _say_when(message: Message) -> None:
    headers = message["headers"]
    if not any(name.lower() == b"retry-after" for name, _ in headers):
        message["headers"] = [*headers, (b"retry-after", b"1")]
