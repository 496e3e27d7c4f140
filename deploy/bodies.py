"""Request bodies, of every interface: read within bounds, parsed off the event loop if large."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import orjson
from fastapi import Request
from pydantic import ValidationError

from pathways import DataError, TooLargeError

JSON = "application/json"
NPY = "application/x-npy"
FORM = "multipart/form-data"

_SMALL_BYTES = 64 * 1024  # parsing so much takes less than handing it to a thread
_MAX_JSON_BYTES = 16 * 1024 * 1024  # as Python objects it takes up to thirty times its length

_MANY_ERRORS = 1000  # to tell one of them, pydantic makes Python objects of all

_Result = TypeVar("_Result")
_Arguments = ParamSpec("_Arguments")


class UnknownBodyType(DataError):  # noqa: N818 - reads as what happened
    """The request's content type or coding is none that can be read."""


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The body, never more of it than allowed in memory.

    Raises TooLargeError, or UnknownBodyType for a compressed one.
    """
    check_head(request, max_bytes)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > max_bytes:
            raise _too_large(size, max_bytes)
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def check_head(request: Request, max_bytes: int) -> None:
    """What can be told before the body is read; raises as `read_body` does."""
    coding = request.headers.get("content-encoding", "identity")
    if coding.lower() != "identity":
        raise UnknownBodyType(
            f"a body with content encoding {coding} is not unpacked; send it as it is"
        )
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise _too_large(int(announced), max_bytes)


def _too_large(size: int, max_bytes: int) -> TooLargeError:
    return TooLargeError(
        f"the body has {size} bytes or more, the limit is {max_bytes}; send fewer inputs at once "
        "or raise the limit in the settings of serve"
    )


def content_type(request: Request) -> str:
    """The media type of the body without parameters; empty if none is given."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


async def off_loop(
    size: int,
    work: Callable[_Arguments, _Result],
    *args: _Arguments.args,
    **kwargs: _Arguments.kwargs,
) -> _Result:
    """`work(...)` on a body of `size` bytes: in a thread, unless it is small."""
    if size <= _SMALL_BYTES:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)


def parse_json(body: bytes | memoryview) -> Any:
    """The value of a JSON text; raises DataError or TooLargeError."""
    if len(body) > _MAX_JSON_BYTES:
        raise TooLargeError(
            f"the JSON has {len(body)} bytes, the limit is {_MAX_JSON_BYTES}; send numbers in "
            "binary form, or fewer at once"
        )
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise DataError(f"the body is no JSON: {error}") from error


def reason(error: ValidationError) -> str:
    """The first thing that is wrong with a JSON value, and where."""
    if (count := error.error_count()) > _MANY_ERRORS:
        return f"{count} of its values are not what they should be"
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(map(str, first["loc"])) or "body"
    said = "it is not known here" if first["type"] == "extra_forbidden" else first["msg"]
    return f"{where}: {said}"
