"""Who may ask for what: API keys with scopes, as pure ASGI middleware.

Without keys only this machine may ask, and not on behalf of other sites' web pages.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Send

from cluster.config import ServeConfig
from cluster.errors import ConfigError
from deploy.keys import LEARN, PREDICT, SCOPES, Key, KeySource, find
from deploy.refusing import Refusal

logger = logging.getLogger(__name__)

OPEN: tuple[str, ...] = ()
"""Scopes of what needs no key."""

READ, ANY = "GET HEAD", ""
ROUTES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (READ, r"/healthz", OPEN),
    (READ, r"/v2/health/.*", OPEN),
    (READ, r"/|/page/[^/]*|/favicon\.ico", OPEN),
    (READ, r"/openapi\.json|/docs.*", OPEN),
    (ANY, r"/v1/(learn|pairs|verify)", (LEARN,)),
    (ANY, r"/v1/predict", (PREDICT,)),
    (ANY, r"/v2/models/.*/infer", (PREDICT,)),
    (READ, r".*", SCOPES),
    (ANY, r".*", (LEARN,)),
)
"""Methods, path, and the scopes of which a key needs one. The first that matches counts."""

_CHECK_EVERY_S = 1.0
_TABLE = [
    (set(methods.split()), re.compile(path, re.DOTALL), scopes) for methods, path, scopes in ROUTES
]


@lru_cache(1024)
def needed(method: str, path: str) -> tuple[str, ...]:
    """Scopes of which a request needs one; empty if it needs no key."""
    for methods, pattern, scopes in _TABLE:
        if (not methods or method in methods) and pattern.fullmatch(path):
            return scopes
    raise AssertionError("the last line of the table matches everything")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_exposed(config: ServeConfig, keys: KeySource) -> bool:
    """Whether there are keys; raises ConfigError for a network open to others without any."""
    try:
        guarded = bool(keys.read())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the API keys in {keys.file}: {error}") from error
    if not guarded and config.grpc_port:
        raise ConfigError(
            "serve.grpc_port needs API keys, as Ray's replicas answer gRPC to other machines too; "
            "make one with `sen keys add NAME --scope predict`"
        )
    if not guarded and not is_loopback(config.host):
        raise ConfigError(
            f"serve.host is {config.host}, where others can ask, and there is no API key; make one "
            "with `sen keys add NAME --scope predict` or listen on 127.0.0.1"
        )
    return guarded


class Keyring:
    """The keys of a source, read again when its file has changed."""

    def __init__(self, source: KeySource, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._clock = clock
        self._stamp = source.stamp()
        self._keys: Mapping[str, Key] = source.read()
        self._checked = clock()
        self.guarded = bool(self._keys)
        """Whether there is or was any key: a file that vanishes must not open the doors."""

    def find(self, given: bytes) -> Key | None:
        """The key that was sent, or None."""
        return find(self._keys, given)

    def refresh(self) -> None:
        """Look for changes, at most once a second."""
        now = self._clock()
        if now - self._checked < _CHECK_EVERY_S:
            return
        self._checked = now
        try:
            stamp = self._source.stamp()
            if stamp == self._stamp:
                return
            self._stamp = stamp
            self._keys = self._source.read()
        except (OSError, UnicodeDecodeError, ConfigError) as error:
            logger.error("API keys stay as they were: %s", error)
            return
        self.guarded |= bool(self._keys)


class Auth:
    """Lets a request through to `app` if it brings what it needs."""

    def __init__(self, app: ASGIApp, keyring: Keyring, host: str) -> None:
        self._app = app
        self._keyring = keyring
        self._loopback = is_loopback(host)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (refusal := self._refusal(scope)):
            await refusal.send(scope, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Any) -> Refusal | None:
        self._keyring.refresh()
        if self._loopback and not self._keyring.guarded:
            return _foreign(scope["headers"])
        scopes = needed(scope["method"], scope["path"])
        if not scopes:
            return None
        given = _given(scope["headers"])
        if given is None:
            return _unauthorized("this needs an API key: Authorization: Bearer KEY", "")
        key = self._keyring.find(given)
        if key is None:
            return _unauthorized("the API key is not known here", ', error="invalid_token"')
        if not set(scopes) & set(key.scopes):
            return _forbidden(key, scopes)
        return None


def _given(headers: list[tuple[bytes, bytes]]) -> bytes | None:
    for name, value in headers:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return value[7:].strip()
        if name == b"x-api-key":
            return value.strip()
    return None


def _unauthorized(detail: str, error: str) -> Refusal:
    return Refusal(
        status=401,
        title="API key needed",
        detail=detail,
        headers=(("www-authenticate", f'Bearer realm="sen"{error}'),),
    )


def _forbidden(key: Key, scopes: tuple[str, ...]) -> Refusal:
    wanted = " or ".join(scopes)
    challenge = f'Bearer realm="sen", error="insufficient_scope", scope="{" ".join(scopes)}"'
    return Refusal(
        status=403,
        title="Not allowed",
        detail=f"key {key.name} has {', '.join(key.scopes)}; this needs {wanted}",
        headers=(("www-authenticate", challenge),),
    )


def _foreign(headers: list[tuple[bytes, bytes]]) -> Refusal | None:
    """A refusal if a browser asks for another site: this machine's pages name this machine.

    Both headers are looked at, since a site can have its name resolved to 127.0.0.1.
    """
    for name, value in headers:
        if name == b"host" and not _names_this_machine(b"//" + value):
            break
        if name == b"origin" and not _names_this_machine(value):
            break
    else:
        return None
    return Refusal(
        status=403,
        title="Not allowed",
        detail=f"without API keys only this machine may ask, under its own name; {name.decode()} "
        f"is {value.decode('latin-1')!r}. Make a key with `sen keys add`",
    )


@lru_cache(1024)
def _names_this_machine(url: bytes) -> bool:
    try:
        return is_loopback(urlsplit(url.decode("latin-1")).hostname or "")
    except ValueError:
        return False
