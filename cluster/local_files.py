"""Files of a local or shared file system: written aside, synced, then linked to their names."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from io import BufferedWriter
from pathlib import Path


class LocalFiles:
    """Files below a directory; see `files.Files`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, name: str) -> str:
        return str(self._root / name)

    def exists(self, name: str) -> bool:
        return (self._root / name).exists()

    def names(self, directory: str) -> list[str]:
        try:
            return [path.name for path in (self._root / directory).iterdir()]
        except FileNotFoundError:
            return []

    def walk(self) -> Iterator[tuple[str, int]]:
        for directory, _, names in os.walk(self._root, onerror=_unless_gone):
            for name in names:
                path = Path(directory, name)
                try:
                    size = path.stat().st_size
                except FileNotFoundError:
                    continue  # removed since its name was read
                yield path.relative_to(self._root).as_posix(), size

    def read(self, name: str) -> bytes:
        return (self._root / name).read_bytes()

    def put(self, files: Mapping[str, bytes]) -> list[str]:
        return _put({name: self._root / name for name in files}, files)

    def delete(self, name: str) -> None:
        (self._root / name).unlink()

    def delete_directory(self, name: str) -> None:
        if self.exists(name):
            shutil.rmtree(self._root / name)


def _unless_gone(error: OSError) -> None:
    """A directory may be removed while others are read."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _put(paths: Mapping[str, Path], files: Mapping[str, bytes]) -> list[str]:
    """Write all aside, sync, then link: a name appears only with the whole content behind it.

    Syncing after everything is written costs one write of the file system's journal, not one a
    file. Returns the names that were there.
    """
    aside = {n: p.with_name(f".{p.name}.{uuid.uuid4().hex}") for n, p in paths.items()}
    try:
        with ExitStack() as opened:
            written = [_written(opened, aside[name], body) for name, body in files.items()]
            for file in written:
                os.fsync(file.fileno())
        there = [name for name, path in paths.items() if not _linked(aside[name], path)]
    finally:
        for path in aside.values():
            path.unlink(missing_ok=True)
    for directory in {path.parent for path in paths.values()}:
        _sync_directory(directory)
    return there


def _written(opened: ExitStack, path: Path, body: bytes) -> BufferedWriter:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = opened.enter_context(path.open("xb"))
    file.write(body)
    file.flush()
    return file


def _linked(aside: Path, path: Path) -> bool:
    try:
        os.link(aside, path)
    except FileExistsError:
        return False
    return True


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
