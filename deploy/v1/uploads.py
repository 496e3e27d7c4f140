"""Uploaded data of a task: checked, laid out as files in a place that is removed, and loaded."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO
from zipfile import ZipFile

from fastapi import Request
from starlette.datastructures import FormData, UploadFile

from deploy.bodies import check_head
from pathways import DataError, PathwaysError
from pathways.data.archives import MAX_ENTRIES, open_zip
from pathways.data.load import Loaded, load_task
from pathways.data.pairs_file import LoadedPairs, load_pairs

_SINGLE = (".npz", ".parquet")
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst", *_SINGLE)
_MAX_NAME_BYTES = 200
_LITTER = "__MACOSX"  # what macOS adds to zip archives


@dataclass(frozen=True)
class File:
    """A file as it was sent, or packed in one that was."""

    name: str
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True)
class UploadForm:
    """A multipart request that teaches a task."""

    task: str
    options: str
    files: Sequence[File]


@dataclass(frozen=True)
class FieldsForm:
    """A multipart request with text fields and files."""

    fields: Mapping[str, str]
    files: Sequence[File]


@asynccontextmanager
async def upload_form(request: Request, max_bytes: int) -> AsyncIterator[UploadForm]:
    """The form; its files are there until the end of the block. Raises DataError."""
    async with fields_form(request, max_bytes, ("task",), ("options",)) as form:
        yield UploadForm(form.fields["task"], form.fields.get("options", "{}"), form.files)


@asynccontextmanager
async def fields_form(
    request: Request, max_bytes: int, wanted: Sequence[str], known: Sequence[str]
) -> AsyncIterator[FieldsForm]:
    """A form with the text fields `wanted` and perhaps those `known`, and files, which are there
    until the end of the block. Raises DataError."""
    # A form is parsed as it streams in, so without an announced length it could grow unchecked.
    if not request.headers.get("content-length", "").isdecimal():
        raise DataError("an upload needs a Content-Length header")
    check_head(request, max_bytes)
    form = await _parsed(request)
    try:
        yield _read(form, wanted, known)
    finally:
        await form.close()


async def _parsed(request: Request) -> FormData:
    try:
        return await request.form(max_files=MAX_ENTRIES)
    except OSError as error:
        raise DataError(
            f"the upload could not be kept ({error.strerror}); send one archive, or a path"
        ) from error


def _read(form: FormData, wanted: Sequence[str], known: Sequence[str]) -> FieldsForm:
    parts = form.multi_items()
    fields = {name: part for name, part in parts if isinstance(part, str)}
    sent = [part for _, part in parts if isinstance(part, UploadFile)]
    if unknown := sorted(set(fields) - {*wanted, *known}):
        listed = ", ".join([*wanted, *known])
        raise DataError(f"the form has a field {unknown[0]!r}; known are {listed} and files")
    if missing := [name for name in wanted if name not in fields]:
        raise DataError(f"the form has no field {missing[0]!r} with the name of the new task")
    if not sent:
        raise DataError("the form holds no file; send one archive, or files named class/name.png")
    files = [File(part.filename or "", _opener(part.file)) for part in sent]
    return FieldsForm(fields, files)


def _opener(file: IO[bytes]) -> Callable[[], IO[bytes]]:
    return lambda: file


def load_upload(files: Sequence[File], max_bytes: int) -> Loaded:
    """The task in uploaded files, which may unpack to `max_bytes`. Blocks; raises PathwaysError."""
    with _laid_out(files, max_bytes) as path:
        return load_task(path, max_bytes=max_bytes)


def load_pairs_upload(files: Sequence[File], max_bytes: int) -> LoadedPairs:
    """The pairs in one uploaded .npz file. Blocks; raises PathwaysError."""
    if len(files) != 1 or not files[0].name.lower().endswith(".npz"):
        raise DataError("pairs are one .npz file with x_image, x_sound, rate_hz and y")
    with _laid_out(files, max_bytes) as path:
        return load_pairs(path, max_bytes=max_bytes)


@contextmanager
def _laid_out(files: Sequence[File], max_bytes: int) -> Iterator[Path]:
    """What was uploaded as files, inside of the block; errors do not tell where they lie."""
    with TemporaryDirectory(prefix="sen-upload-", ignore_cleanup_errors=True) as root:
        try:
            yield _lay_out(files, Path(root), max_bytes)
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
                ".npz, .parquet or .zip"
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
