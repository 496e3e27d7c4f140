"""Uploaded data of a task: checked, laid out as files in a place that is removed, and loaded."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO
from zipfile import ZipFile

from fastapi import Request
from starlette.datastructures import FormData, UploadFile

from deploy.bodies import check_head
from pathways import DataError, PathwaysError, Signature
from pathways.data.archives import MAX_ENTRIES, open_zip
from pathways.data.load import Loaded, load_task

FILE = "file"
"""The field of the examples of the task itself; files of any other unknown field count as such."""

WEIGHTS = "weights"
"""The field of a file of weights to start from."""

_SINGLE = (".npz", ".parquet", ".csv")
_PACKED = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst")
_ARCHIVES = (*_PACKED, ".npz", ".parquet")
_MAX_NAME_BYTES = 200
_LITTER = "__MACOSX"  # what macOS adds to zip archives


@dataclass(frozen=True)
class File:
    """A file as it was sent, or packed in one that was."""

    name: str
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True)
class UploadForm:
    """A multipart request with labelled examples."""

    fields: Mapping[str, str]
    files: Mapping[str, Sequence[File]]
    """By the name of their field: FILE for the examples of the task itself."""

    @property
    def options(self) -> str:
        """JSON text."""
        return self.fields.get("options", "{}")

    def content(self, name: str) -> bytes:
        """The one file of a field, as it is. Blocks; raises DataError if there are more."""
        files = self.files[name]
        if len(files) > 1:
            raise DataError(f"{len(files)} files of {name} were sent; send one")
        with files[0].open() as content:
            return content.read()


@asynccontextmanager
async def upload_form(
    request: Request, max_bytes: int, beside: Collection[str] = (), task: bool = True
) -> AsyncIterator[UploadForm]:
    """The form; its files are there until the end of the block.

    beside: fields that may hold files of other examples; task: it must name a task. Raises
    DataError.
    """
    # A form is parsed as it streams in, so without an announced length it could grow unchecked.
    if not request.headers.get("content-length", "").isdecimal():
        raise DataError("an upload needs a Content-Length header")
    check_head(request, max_bytes)
    form = await _parsed(request)
    try:
        yield _read(form, beside, {"task", "options", "target"} if task else {"options"})
    finally:
        await form.close()


async def _parsed(request: Request) -> FormData:
    try:
        return await request.form(max_files=MAX_ENTRIES)
    except OSError as error:
        raise DataError(
            f"the upload could not be kept ({error.strerror}); send one archive, or a path"
        ) from error


def _read(form: FormData, beside: Collection[str], known: set[str]) -> UploadForm:
    fields = {name: part for name, part in form.multi_items() if isinstance(part, str)}
    if unknown := sorted(set(fields) - known):
        raise DataError(
            f"the form has a field {unknown[0]!r}; known are "
            f"{', '.join(sorted(known | set(beside), reverse=True))} and files"
        )
    if "task" in known and "task" not in fields:
        raise DataError("the form has no field 'task' with the name of the new task")
    files: dict[str, list[File]] = {}
    for name, part in form.multi_items():
        if isinstance(part, UploadFile):
            role = name if name in beside else FILE
            files.setdefault(role, []).append(File(part.filename or "", _opener(part.file)))
    if FILE not in files:
        raise DataError("the form holds no file; send one archive, or files named class/name.png")
    return UploadForm(fields, files)


def _opener(file: IO[bytes]) -> Callable[[], IO[bytes]]:
    return lambda: file


def load_upload(
    files: Sequence[File],
    max_bytes: int,
    signature: Signature | None = None,
    target: str | None = None,
) -> Loaded:
    """The task in uploaded files, which may unpack to `max_bytes`; `signature`: of a known task;
    `target`: the column of a number to predict.

    Blocks; raises PathwaysError.
    """
    with TemporaryDirectory(prefix="sen-upload-", ignore_cleanup_errors=True) as root:
        try:
            where = _lay_out(files, Path(root), max_bytes)
            return load_task(where, signature=signature, max_bytes=max_bytes, target=target)
        except PathwaysError as error:
            told = str(error).replace(f"{root}/data/", "").replace(f"{root}/data", "the upload")
            raise type(error)(told.replace(f"{root}/", "")) from error


def _lay_out(files: Sequence[File], root: Path, max_bytes: int) -> Path:
    """Write the files below `root`; returns what `load_task` shall read."""
    first, suffix = files[0], PurePosixPath(files[0].name).suffix.lower()
    if len(files) == 1 and suffix in _SINGLE:
        path = root / f"upload{suffix}"
        _write(first, path)
        return path
    if len(files) == 1 and suffix == ".zip":
        with open_zip(first.open(), first.name, max_bytes) as archive:
            _write_all(_packed(archive), root / "data")
    else:
        _write_all(files, root / "data")
    return root / "data"


def _packed(archive: ZipFile) -> list[File]:
    return [
        File(info.filename, lambda info=info: archive.open(info))  # type: ignore[misc]
        for info in archive.infolist()
        if not info.is_dir()
    ]


def _write_all(files: Sequence[File], root: Path) -> None:
    """Write files named `class/name.png` below `root`, without a folder that holds them all."""
    named = [(_parts(file.name), file) for file in files]
    named = [(parts, file) for parts, file in named if not any(map(_is_litter, parts))]
    outer = {parts[0] for parts, _ in named}
    if len(outer) == 1 and all(len(parts) == 3 for parts, _ in named):
        named = [(parts[1:], file) for parts, file in named]
    root.mkdir()
    for parts, file in named:
        if len(parts) != 2:
            raise DataError(
                f"{file.name!r} lies in no class folder; name files class/name.png, or send one "
                ".npz, .parquet, .csv or .zip"
            )
        (root / parts[0]).mkdir(exist_ok=True)
        _write(file, root.joinpath(*parts))


def _parts(name: str) -> tuple[str, ...]:
    """The folders and the name of an uploaded file; raises DataError for one that is not safe."""
    parts = tuple(name.split("/"))
    if any(part in ("", ".", "..") or set(part) & {"\\", "\0"} for part in parts):
        raise DataError(f"{name[:200]!r} is no plain name of a file; name files class/name.png")
    if any(len(part.encode()) > _MAX_NAME_BYTES for part in parts):
        raise DataError(f"{name[:200]!r} is too long a name; use {_MAX_NAME_BYTES} bytes at most")
    if PurePosixPath(name).suffix.lower() in _ARCHIVES:
        raise DataError(f"{name!r} is an archive inside of an upload; unpack it first")
    return parts


def _is_litter(part: str) -> bool:
    return part.startswith(".") or part == _LITTER


def _write(file: File, path: Path) -> None:
    try:
        with file.open() as content, path.open("xb") as out:
            shutil.copyfileobj(content, out)
    except FileExistsError as error:
        raise DataError(
            f"{file.name!r} was sent twice; give every file a name of its own"
        ) from error
