"""Request bodies to inputs: files, one file, JSON, or a NumPy array."""

from __future__ import annotations

import io
import json

import numpy as np
from fastapi import Request
from numpy.typing import NDArray
from pydantic import ValidationError
from starlette.datastructures import UploadFile

from cluster.config import ServeConfig
from cluster.inputs import Input, inputs_from_array
from deploy.allowance import Allowance, check_count
from deploy.schemas import PredictBody
from pathways import CorruptFileError, DataError, TooLargeError

JSON = "application/json"
NPY = "application/x-npy"
FORM = "multipart/form-data"


class UnknownBodyType(DataError):  # noqa: N818 - reads as what happened
    """The request's content type is none that can be read."""


async def read_inputs(request: Request, config: ServeConfig, rate_hz: int) -> list[Input]:
    """The inputs of a predict request.

    Raises TooLargeError, UnknownBodyType, DataError, CorruptFileError.
    """
    inputs = await _read_inputs(request, config, rate_hz)
    check_count(len(inputs), config.max_inputs)
    return inputs


async def _read_inputs(request: Request, config: ServeConfig, rate_hz: int) -> list[Input]:
    max_bytes, allowance = config.max_body_bytes, Allowance(config.max_decoded_values)
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == FORM:
        return await _from_form(request, max_bytes, allowance)
    body = await _read(request, max_bytes)
    if not body:
        raise DataError("the request has no body; send a file, JSON or an array")
    if kind == JSON:
        return _from_json(body)
    if kind == NPY:
        return inputs_from_array(_from_npy(body), rate_hz)
    if kind.startswith(("image/", "audio/")):
        return [allowance.decode(body, f"the {kind} body")]
    raise UnknownBodyType(
        f"content type {kind or '(none)'} cannot be read; send {FORM} with files, {JSON}, {NPY}, "
        "or one image/… or audio/… file"
    )


async def _read(request: Request, max_bytes: int) -> bytes:
    """The body, never more of it than allowed in memory."""
    _check_announced(request, max_bytes)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > max_bytes:
            raise _too_large(size, max_bytes)
        parts.append(part)
    return b"".join(parts)


def _check_announced(request: Request, max_bytes: int) -> None:
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise _too_large(int(announced), max_bytes)


def _too_large(size: int, max_bytes: int) -> TooLargeError:
    return TooLargeError(
        f"the body has {size} bytes or more, the limit is {max_bytes}; send fewer inputs at once "
        "or raise serve.max_body_bytes"
    )


async def _from_form(request: Request, max_bytes: int, allowance: Allowance) -> list[Input]:
    # A form is parsed as it streams in, so without an announced length it could grow unchecked.
    if not request.headers.get("content-length", "").isdecimal():
        raise DataError("a form upload needs a Content-Length header")
    _check_announced(request, max_bytes)
    async with request.form() as form:
        files = [part for _, part in form.multi_items() if isinstance(part, UploadFile)]
        if not files:
            raise DataError("the form holds no file; send one or more, for example -F file=@7.png")
        return [allowance.decode(await f.read(), f.filename or "upload") for f in files]


def _from_json(body: bytes) -> list[Input]:
    try:
        read = PredictBody.model_validate_json(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise DataError(f"the JSON body cannot be used: {where}: {first['msg']}") from error
    try:
        array = np.asarray(read.inputs)
    except ValueError as error:
        raise DataError("the inputs differ in shape; send inputs of one shape at once") from error
    if array.dtype.kind not in "iuf":
        raise DataError("the inputs must be nested lists of numbers, all of one shape")
    return inputs_from_array(array, read.rate_hz)


def _from_npy(body: bytes) -> NDArray[np.generic]:
    try:
        array: NDArray[np.generic] = np.load(io.BytesIO(body), allow_pickle=False)
    except (ValueError, EOFError, json.JSONDecodeError) as error:
        raise CorruptFileError(f"the body is no .npy array: {error}") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iuf":
        raise DataError("the body must be one .npy array of numbers")
    return array
