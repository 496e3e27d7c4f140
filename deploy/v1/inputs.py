"""The body of a predict request to inputs: files, one file, JSON, or a NumPy array."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from fastapi import Request
from numpy.typing import NDArray
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
from deploy.schemas import PredictBody, TogetherBody
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
    return batch_from_array(_array(read.inputs), read.rate_hz, read.kind)


def _array(inputs: list[Any]) -> NDArray[Any]:
    """Nested lists as an array; raises DataError."""
    try:
        array = np.asarray(inputs)
    except ValueError as error:
        raise DataError("the inputs differ in shape; send inputs of one shape at once") from error
    if array.dtype.kind not in "iuf":
        raise DataError("the inputs must be nested lists of numbers, all of one shape")
    return array


async def read_together(request: Request, sen: Served) -> list[Input]:
    """The inputs of a query that asks with an image and a sound: files of a form, or JSON.

    Raises as `read_inputs` does.
    """
    config, kind = sen.config.serve, content_type(request)
    if kind == FORM:
        files = await _files(request, config, kind)
        async with sen.decoding:
            with Timed(sen.meter, "parse"):
                return await asyncio.to_thread(_decode, files, config)
    if kind != JSON:
        raise UnknownBodyType(
            f"content type {kind or '(none)'} holds no image and sound together; send {FORM} with "
            f"both files, or {JSON}"
        )
    body = await _body(request, config)
    with Timed(sen.meter, "parse"):
        return await off_loop(len(body), _together_from_json, body)


def _together_from_json(body: bytes) -> list[Input]:
    try:
        read = TogetherBody.model_validate(parse_json(body))
    except ValidationError as error:
        raise DataError(f"the JSON body cannot be used: {reason(error)}") from error
    if read.sound is not None and not read.rate_hz:
        raise DataError("the sound has no rate; give rate_hz, its samples a second")
    given = [(read.image, 0), (read.sound, read.rate_hz)]
    return [
        batch_from_array(_array([values]), rate_hz).row(0)
        for values, rate_hz in given
        if values is not None
    ]


def _from_npy(body: bytes, of: _ArrayOf, most: int) -> Batch:
    array = read_npy(body, "the body")
    if array.dtype.kind not in "iuf":
        raise DataError(f"the body must be one .npy array of numbers, got {array.dtype}")
    check_count(len(array) if array.ndim else 0, most)
    return batch_from_array(array, of.rate_hz, of.kind)
