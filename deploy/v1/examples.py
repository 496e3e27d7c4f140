"""Labelled examples as a request brings them: as paths in JSON, or as files in a form."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cluster.asking import Weights
from deploy.bodies import FORM, JSON, UnknownBodyType, content_type, parse_json, read_body, reason
from deploy.served import Served
from deploy.v1.uploads import FILE, load_upload, upload_form
from pathways import DataError, Signature
from pathways.data.load import Loaded, load_task

Options = TypeVar("Options", bound=BaseModel)


class ExamplesBody(BaseModel):
    """What JSON bodies with examples have in common.

    Beside it `options`, `task` where it is not in the path of the request, and for every further
    set of examples a field `NAME_path`.
    """

    model_config = ConfigDict(extra="forbid")

    path: str = Field(description="Folder of class folders, .npz, .parquet or .csv")


@dataclass(frozen=True, kw_only=True)
class Sent(Generic[Options]):
    """What a request asks for."""

    task: str
    """Empty where the path of the request names it."""
    options: Options
    names: frozenset[str]
    """The further sets of examples that came."""
    target: str | None
    """Column of a number to predict."""
    load: Callable[[str, Signature | None, str | None], Awaitable[Loaded]]
    """Reads the set of that name, FILE for the main one, in a signature and with a target, if any
    are given; raises PathwaysError."""
    content: Callable[[str], Awaitable[Weights]]
    """The one file of that name, as it is, or where it lies; raises DataError."""


@asynccontextmanager
async def sent(
    request: Request,
    sen: Served,
    body: type[ExamplesBody],
    options: type[Options],
    beside: Collection[str] = (),
) -> AsyncIterator[Sent[Options]]:
    """What a request asks for; its files are there until the end of the block.

    beside: names that further sets of examples may have. Raises DataError, UnknownBodyType or
    TooLargeError.
    """
    kind = content_type(request)
    if kind == JSON:
        yield await _from_json(request, sen, body, options, beside)
    elif kind == FORM:
        max_bytes, named = sen.config.serve.max_upload_bytes, "task" in body.model_fields
        async with upload_form(request, max_bytes, beside, named) as form:

            async def load(name: str, signature: Signature | None, target: str | None) -> Loaded:
                files = form.files[name]
                return await asyncio.to_thread(load_upload, files, max_bytes, signature, target)

            async def content(name: str) -> Weights:
                return await asyncio.to_thread(form.content, name)

            yield Sent(
                task=form.fields.get("task", ""),
                options=_options(options, form.options),
                names=frozenset(form.files) - {FILE},
                target=form.fields.get("target") or None,
                load=load,
                content=content,
            )
    else:
        raise UnknownBodyType(
            f"content type {kind or '(none)'} cannot be read; send {FORM} with files, or {JSON} "
            "with a path"
        )


async def _from_json(
    request: Request,
    sen: Served,
    body: type[ExamplesBody],
    options: type[Options],
    beside: Collection[str],
) -> Sent[Options]:
    text = await read_body(request, sen.config.serve.max_body_bytes)
    try:
        asked: Any = body.model_validate(parse_json(text))
    except ValidationError as error:
        raise DataError(f"the JSON body cannot be used: {reason(error)}") from error
    paths = {FILE: asked.path} | {name: getattr(asked, f"{name}_path") for name in beside}

    async def load(name: str, signature: Signature | None, target: str | None) -> Loaded:
        return await asyncio.to_thread(load_task, paths[name], signature=signature, target=target)

    async def content(name: str) -> Weights:
        return str(paths[name])

    given = frozenset(name for name in beside if paths[name] is not None)
    return Sent(
        task=getattr(asked, "task", ""),
        options=asked.options,
        names=given,
        target=getattr(asked, "target", None),
        load=load,
        content=content,
    )


def _options(options: type[Options], text: str) -> Options:
    try:
        return options.model_validate(parse_json(text.encode()))
    except ValidationError as error:
        raise DataError(f"the options cannot be used: {reason(error)}") from error
