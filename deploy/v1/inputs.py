"""The body of a predict request to inputs: files, one file, JSON, or a NumPy array."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np
from fastapi import Request
from pydantic import ValidationError
from starlette.datastructures import UploadFile

from cluster.config import ServeConfig
from cluster.inputs import Batch, Input, batch_from_array
from deploy.allowance import Allowance, check_count
from deploy.bodies import (
    FORM,
    JSON,
    NPY,
    UnknownBodyType,
    check_head,
    content_type,
    off_loop,
    parse_json,
    read_body,
    reason,
)
from deploy.schemas import PredictBody
from deploy.served import Served
from deploy.watching import Timed
from pathways import DataError, Modality
from pathways.data.npy import read_npy

_LARGE_BYTES = 4 * 1024 * 1024


@asynccontextmanager
async def read_inputs(
    request: Request, sen: Served, rate_hz: int, kind: Modality | None
) -> AsyncIterator[Sequence[Input] | Batch]:
    """The inputs of a predict request, to be answered inside of the block.

    Raises TooLargeError, UnknownBodyType, DataError, CorruptFileError.
    """
    config, sent = sen.config.serve, content_type(request)
    if sent == FORM or sent.startswith(("image/", "audio/")):
        files = await _files(request, config, sent)
        # A small file may hold a large picture: few of them are in memory at a time.
        async with sen.decoding:
            with Timed(sen.meter, "parse"):
                inputs = await asyncio.to_thread(_decode, files, config)
            if sum(given.array.nbytes for given in inputs) > _LARGE_BYTES:
                yield inputs
                return
        yield inputs
    else:
        read, body = _reader(sent), await _body(request, config)
        array_of = _ArrayOf(rate_hz, kind)
        with Timed(sen.meter, "parse"):
            batch = await off_loop(len(body), read, body, array_of, config.max_inputs)
        yield batch


async def _files(request: Request, config: ServeConfig, kind: str) -> list[tuple[bytes, str]]:
    """(content, name) of every file that the request brings."""
    if kind == FORM:
        return await _from_form(request, config)
    return [(await _body(request, config), f"the {kind} body")]


@dataclass(frozen=True)
class _ArrayOf:
    """What the parameters of a request say that an array of numbers holds."""

    rate_hz: int
    kind: Modality | None


def _reader(kind: str) -> Callable[[bytes, _ArrayOf, int], Batch]:
    """What reads inputs that come as numbers: body, what they are, most inputs → the inputs."""
    if kind == JSON:
        return _from_json
    if kind == NPY:
        return _from_npy
    raise UnknownBodyType(
        f"content type {kind or '(none)'} cannot be read; send {FORM} with files, {JSON}, "
        f"{NPY}, or one image/… or audio/… file"
    )


async def _body(request: Request, config: ServeConfig) -> bytes:
    if body := await read_body(request, config.max_body_bytes):
        return body
    raise DataError("the request has no body; send a file, JSON or an array")


async def _from_form(request: Request, config: ServeConfig) -> list[tuple[bytes, str]]:
    # A form is parsed as it streams in, so without an announced length it could grow unchecked.
    if not request.headers.get("content-length", "").isdecimal():
        raise DataError("a form upload needs a Content-Length header")
    check_head(request, config.max_body_bytes)
    async with request.form(max_files=config.max_inputs) as form:
        uploads = [part for _, part in form.multi_items() if isinstance(part, UploadFile)]
        if not uploads:
            raise DataError("the form holds no file; send one or more, for example -F file=@7.png")
        return [(await upload.read(), upload.filename or "upload") for upload in uploads]


def _decode(files: list[tuple[bytes, str]], config: ServeConfig) -> list[Input]:
    allowance = Allowance(config.max_decoded_values)
    return [allowance.decode(body, name) for body, name in files]


def _from_json(body: bytes, of: _ArrayOf, most: int) -> Batch:
    try:
        read = PredictBody.model_validate(parse_json(body))
    except ValidationError as error:
        raise DataError(f"the JSON body cannot be used: {reason(error)}") from error
    check_count(len(read.inputs), most)
    try:
        array = np.asarray(read.inputs)
    except ValueError as error:
        raise DataError("the inputs differ in shape; send inputs of one shape at once") from error
    if array.dtype.kind not in "iuf":
        raise DataError("the inputs must be nested lists of numbers, all of one shape")
    return batch_from_array(array, read.rate_hz, read.kind)


def _from_npy(body: bytes, of: _ArrayOf, most: int) -> Batch:
    array = read_npy(body, "the body")
    if array.dtype.kind not in "iuf":
        raise DataError(f"the body must be one .npy array of numbers, got {array.dtype}")
    check_count(len(array) if array.ndim else 0, most)
    return batch_from_array(array, of.rate_hz, of.kind)
