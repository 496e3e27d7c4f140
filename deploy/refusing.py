"""Refusals by what stands before the application: the same documents, without FastAPI."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Send

Scope = Any  # a mutable mapping; Starlette's alias says no more


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An answer that ends a request before anything was done for it."""

    status: int
    title: str
    detail: str
    headers: tuple[tuple[str, str], ...] = field(default=())

    async def send(self, scope: Scope, send: Send) -> None:
        """Answer: a problem document (RFC 9457), under /v2/ the protocol's `{"error": …}`."""
        if scope["path"].startswith("/v2"):
            kind, body = "application/json", self._protocol_error()
        else:
            kind, body = "application/problem+json", self._problem()
        content = json.dumps(body).encode()
        headers = [("content-type", kind), ("content-length", str(len(content))), *self.headers]
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        await send({"type": "http.response.start", "status": self.status, "headers": encoded})
        await send({"type": "http.response.body", "body": content})

    def _protocol_error(self) -> dict[str, Any]:
        return {"error": f"{self.title}: {self.detail}"}

    def _problem(self) -> dict[str, Any]:
        return {"title": self.title, "status": self.status, "detail": self.detail}


def busy(title: str, detail: str, *, status: int = 503, after_s: int = 1) -> Refusal:
    """A refusal of what may be asked again after some seconds."""
    return Refusal(
        status=status, title=title, detail=detail, headers=(("retry-after", str(after_s)),)
    )
