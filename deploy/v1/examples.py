"""Labelled examples as a request brings them: as paths in JSON, or as files in a form."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cluster.asking import Weights
from deploy.bodies import FORM, JSON, UnknownBodyType, content_type, parse_json, read_body, reason
from deploy.served import Served
from deploy.v1.uploads import FILE, UploadForm, laid_out, upload_form
from pathways import DataError, Signature
from pathways.data.examples import MAX_TASK_BYTES
from pathways.data.load import Loaded, load_task

Options = TypeVar("Options", bound=BaseModel)
Read = TypeVar("Read")


class ExamplesBody(BaseModel):
    """What JSON bodies with examples have in common.

    Beside it `options`, text fields, and for every further set of examples a field `NAME_path`.
    """

    model_config = ConfigDict(extra="forbid")

    path: str = Field(description="Folder of class folders, .npz, .parquet or .csv")

    @classmethod
    def texts(cls) -> dict[str, bool]:
        """The text fields, with whether each is needed."""
        names = (n for n in cls.model_fields if n not in ("path", "options"))
        return {n: cls.model_fields[n].is_required() for n in names if not n.endswith("_path")}


class Sent(ABC, Generic[Options]):
    """What a request asks for."""

    fields: Mapping[str, str]
    """Its text fields."""
    options: Options
    names: frozenset[str]
    """The further sets of examples that came."""

    async def load(
        self, name: str, signature: Signature | None = None, target: str | None = None
    ) -> Loaded:
        """The task in the set of that name, FILE for the main one; raises PathwaysError.

        signature: of a known task; target: the column of a number to predict.
        """

        def reader(path: Path, max_bytes: int) -> Loaded:
            return load_task(path, signature=signature, max_bytes=max_bytes, target=target)

        return await self.read(name, reader)

    async def read(self, name: str, reader: Callable[[Path, int], Read]) -> Read:
        """What `reader` makes of the place of the set of that name, given how many bytes it may
        unpack to."""
        return await asyncio.to_thread(self._read, name, reader)

    @abstractmethod
    def _read(self, name: str, reader: Callable[[Path, int], Read]) -> Read: ...

    @abstractmethod
    def content(self, name: str) -> Weights:
        """The one file of that name, as it is, or where it lies. Blocks; raises DataError."""


class _Paths(Sent[Options]):
    """Where the replicas can read them."""

    def __init__(self, asked: Any, options: Options, beside: Collection[str]) -> None:
        given = {name: getattr(asked, name) for name in asked.texts()}
        self.fields = {name: value for name, value in given.items() if value is not None}
        self.options = options
        self._paths = {FILE: asked.path} | {n: getattr(asked, f"{n}_path") for n in beside}
        self.names = frozenset(name for name in beside if self._paths[name] is not None)

    def _read(self, name: str, reader: Callable[[Path, int], Read]) -> Read:
        return reader(Path(self._paths[name]), MAX_TASK_BYTES)

    def content(self, name: str) -> Weights:
        return str(self._paths[name])


class _Files(Sent[Options]):
    """Uploaded."""

    def __init__(self, form: UploadForm, options: Options, max_bytes: int) -> None:
        self.fields = {name: value for name, value in form.fields.items() if value}
        self.options = options
        self.names = frozenset(form.files) - {FILE}
        self._form = form
        self._max_bytes = max_bytes

    def _read(self, name: str, reader: Callable[[Path, int], Read]) -> Read:
        with laid_out(self._form.files[name], self._max_bytes) as path:
            return reader(path, self._max_bytes)

    def content(self, name: str) -> Weights:
        return self._form.content(name)


@asynccontextmanager
async def sent(
    request: Request,
    sen: Served,
    body: type[ExamplesBody],
    options: type[Options],
    beside: Collection[str] = (),
) -> AsyncIterator[Sent[Options]]:
    """What a request asks for; its files are there until the end of the block.

    body: what it has to be as JSON; a form has the same text fields. beside: names that further
    sets of examples may have. Raises DataError, UnknownBodyType or TooLargeError.
    """
    kind = content_type(request)
    if kind == JSON:
        text = await read_body(request, sen.config.serve.max_body_bytes)
        asked: Any = _validated(body, text, "the JSON body")
        yield _Paths(asked, asked.options, beside)
    elif kind == FORM:
        max_bytes, texts = sen.config.serve.max_upload_bytes, body.texts()
        wanted = [name for name, needed in texts.items() if needed]
        known = ["options", *(name for name, needed in texts.items() if not needed)]
        async with upload_form(request, max_bytes, wanted, known, beside) as form:
            read = _validated(options, form.options.encode(), "the options")
            yield _Files(form, read, max_bytes)
    else:
        raise UnknownBodyType(
            f"content type {kind or '(none)'} cannot be read; send {FORM} with files, or {JSON} "
            "with a path"
        )


def _validated(model: type[Options], text: bytes, what: str) -> Options:
    try:
        return model.model_validate(parse_json(text))
    except ValidationError as error:
        raise DataError(f"{what} cannot be used: {reason(error)}") from error
