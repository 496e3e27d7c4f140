"""The web page at `/`: files built from `web/`, read once and served from memory.

The page asks the same HTTP interface as everybody else; nothing is rendered here.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response

BUILT = Path(__file__).parent / "page"

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_SECURITY = {
    # Nothing from elsewhere, no inline code or style, in nobody's frame.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; media-src blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_NAMED_BY_CONTENT = re.compile(r".+-[A-Z0-9]{8}\.\w+")
_KEEP = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"


@dataclass(frozen=True, kw_only=True)
class PageFile:
    """One built file, plain and compressed."""

    body: bytes
    packed: bytes
    headers: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> PageFile:
        body = path.read_bytes()
        headers = {
            **_SECURITY,
            "Content-Type": _TYPES[path.suffix],
            "Cache-Control": _KEEP if _NAMED_BY_CONTENT.fullmatch(path.name) else _ASK_AGAIN,
            "ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"',
            "Vary": "Accept-Encoding",
        }
        return cls(body=body, packed=gzip.compress(body, mtime=0), headers=headers)

    def respond(self, request: Request) -> Response:
        """The file, or only that the browser has it already."""
        if request.headers.get("if-none-match") == self.headers["ETag"]:
            return Response(status_code=304, headers=self.headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers = {**self.headers, "Content-Encoding": "gzip"}
            return Response(self.packed, headers=headers)
        return Response(self.body, headers=self.headers)


def page_router(built: Path = BUILT) -> APIRouter:
    """`/` and the files it names."""
    files = {path.name: PageFile.read(path) for path in sorted(built.iterdir())}
    index = files.pop("index.html")
    router = APIRouter(include_in_schema=False)

    @router.api_route("/", methods=["GET", "HEAD"])
    async def page(request: Request) -> Response:
        return index.respond(request)

    @router.api_route("/page/{name}", methods=["GET", "HEAD"])
    async def file(request: Request, name: str) -> Response:
        if name not in files:
            raise HTTPException(404, "the page has no such file")
        return files[name].respond(request)

    return router
