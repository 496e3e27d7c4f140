"""The store: durable files from which everything can start again.

Files are written whole, once, and never changed. On a local file system a file appears under
its name only when all of it is on disk (write aside, fsync, link); on an object store a
written object appears when its stream is closed.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from io import BufferedWriter
from pathlib import Path

from pyarrow import fs

from cluster.errors import StoreDamagedError, StoreError, StoreFormatError

FORMAT = 1
_MARK = "sen-store.json"


class Store:
    """Immutable files below one root, on any file system pyarrow reaches.

    Raises StoreError, with the path and the system's reason, when reading or writing fails.
    """

    def __init__(self, filesystem: fs.FileSystem, root: str, uri: str) -> None:
        self._fs = filesystem
        self._root = root
        self.uri = uri
        """Where the store is, as the user said it."""

    @classmethod
    def open(cls, uri: str | Path, *, create: bool = False) -> Store:
        """Open a store: a directory, or a URI such as s3://bucket/prefix.

        Raises StoreFormatError if nothing is there (and `create` is false), if the place holds
        something else, or if it was written in another format.
        """
        store = cls._at(str(uri))
        if store.exists(_MARK):
            store._check_format()
        elif not create:
            raise StoreFormatError(f"{uri} is no store; make one with `sen up --store {uri}`")
        elif store.list(""):
            raise StoreFormatError(
                f"{uri} holds other files ({store.list('')[0]}, …); name an empty directory"
            )
        else:
            store.write_new(_MARK, json.dumps({"format": FORMAT}).encode())
        return store

    @classmethod
    def _at(cls, uri: str) -> Store:
        if "://" not in uri:
            path = Path(uri).expanduser().absolute()
            return cls(fs.LocalFileSystem(), str(path), str(path))
        try:
            filesystem, root = fs.FileSystem.from_uri(uri)
        except (ValueError, OSError) as error:
            raise StoreError(f"cannot reach a store at {uri}: {error}") from error
        return cls(filesystem, root.rstrip("/"), uri)

    def _check_format(self) -> None:
        try:
            found = json.loads(self.read(_MARK))["format"]
        except StoreError:
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise StoreFormatError(f"{self.uri}/{_MARK} cannot be read: {error}") from error
        if found != FORMAT:
            raise StoreFormatError(
                f"the store {self.uri} has format {found}, this version of sen reads format "
                f"{FORMAT}; use the version that wrote it or another store"
            )

    def path(self, name: str) -> str:
        """The full path of a file, for messages and local tools."""
        return f"{self._root}/{name}" if name else self._root

    def path_for_others(self, name: str) -> str:
        """The full path or URI of a file, for another library to open."""
        return f"{self.uri.rstrip('/')}/{name}"

    def exists(self, name: str) -> bool:
        """Whether a file or directory is there."""
        return bool(self._info(name).type != fs.FileType.NotFound)

    def _info(self, name: str) -> fs.FileInfo:
        try:
            return self._fs.get_file_info(self.path(name))
        except OSError as error:
            raise StoreError(f"cannot look at {self.path(name)}: {error}") from error

    def list(self, directory: str) -> list[str]:
        """Names in a directory, sorted; empty if it does not exist.

        Names that begin with a dot are left out: a killed writer's unfinished files among them.
        """
        where = fs.FileSelector(self.path(directory), allow_not_found=True)
        try:
            names = (info.base_name for info in self._fs.get_file_info(where))
            return sorted(name for name in names if not name.startswith("."))
        except OSError as error:
            raise StoreError(f"cannot list {self.path(directory)}: {error}") from error

    def read(self, name: str) -> bytes:
        """A file's bytes; raises StoreDamagedError if it is missing."""
        try:
            with self._fs.open_input_file(self.path(name)) as stream:
                return bytes(stream.read())
        except FileNotFoundError as error:
            raise StoreDamagedError(
                f"{self.path(name)} is missing; restore it from a backup of the store"
            ) from error
        except OSError as error:
            raise StoreError(f"cannot read {self.path(name)}: {error}") from error

    def write_new(self, name: str, body: bytes) -> None:
        """Write a file that must not exist; raises StoreError if it does, or cannot be written."""
        self.write_all_new({name: body})

    def write_all_new(self, files: Mapping[str, bytes]) -> None:
        """Write several files that must not exist, in the time of one or two; see `write_new`."""
        if there := self._put(files):
            raise StoreError(
                f"{self.path(there[0])} exists already; is another network using this store?"
            )

    def write_content(self, name: str, body: bytes) -> None:
        """Write a file whose name holds its content's hash; already there is as good."""
        self._put({name: body})

    def write_all_content(self, files: Mapping[str, bytes]) -> None:
        """Write several such files, in the time of one or two."""
        self._put(files)

    def _put(self, files: Mapping[str, bytes]) -> Sequence[str]:
        """Make files durable; returns the names of those that were there, which stay as they are.

        Several appear one after another: a crash may leave some of them.
        """
        try:
            if isinstance(self._fs, fs.LocalFileSystem):
                return _put_local({name: Path(self.path(name)) for name in files}, files)
            return [name for name, body in files.items() if not self._put_remote(name, body)]
        except OSError as error:
            first, more = self.path(next(iter(files))), len(files) - 1
            raise StoreError(
                f"cannot write {first}{f' and {more} more' if more else ''}: {error}; is the store "
                "read-only or full?"
            ) from error

    def _put_remote(self, name: str, body: bytes) -> bool:
        if self.exists(name):
            return False
        with self._fs.open_output_stream(self.path(name)) as stream:
            stream.write(body)
        return True

    def delete(self, names: Iterable[str]) -> None:
        """Remove files; missing is fine."""
        for name in names:
            try:
                self._fs.delete_file(self.path(name))
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StoreError(f"cannot remove {self.path(name)}: {error}") from error

    def delete_directory(self, name: str) -> None:
        """Remove a directory and what is in it; missing is fine."""
        if not self.exists(name):
            return
        try:
            self._fs.delete_dir(self.path(name))
        except OSError as error:
            raise StoreError(f"cannot remove {self.path(name)}: {error}") from error


def _put_local(paths: Mapping[str, Path], files: Mapping[str, bytes]) -> list[str]:
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
