"""The store: durable files from which everything can start again.

Files are written whole, once, and never changed, wherever they are: of several who write one name
at the same moment exactly one does, and a file appears under its name only when all of it is safe.
How a file system does so is in `local_files`, how an object store does in `object_files`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from cluster.errors import StoreDamagedError, StoreError, StoreFormatError
from cluster.files import Files
from cluster.local_files import LocalFiles

FORMAT = 1
_MARK = "sen-store.json"


class Store:
    """Immutable files below one root: a directory, or a prefix of an S3 or GCS bucket.

    Raises StoreError, with the path and the system's reason, when reading or writing fails.
    """

    def __init__(self, files: Files, uri: str) -> None:
        self._files = files
        self.uri = uri
        """Where the store is, as the user said it."""

    @classmethod
    def open(cls, uri: str | Path, *, create: bool = False) -> Store:
        """Open a store: a directory, or a URI such as s3://bucket/prefix.

        Raises StoreFormatError if nothing is there (and `create` is false), if the place holds
        something else, or if it was written in another format.
        """
        store = cls.at(str(uri))
        if store.is_marked():
            store._check_format()
        elif not create:
            raise StoreFormatError(f"{uri} is no store; make one with `sen up --store {uri}`")
        elif store.list(""):
            raise StoreFormatError(
                f"{uri} holds other files ({store.list('')[0]}, …); name an empty directory"
            )
        else:
            store.mark()
        return store

    def is_marked(self) -> bool:
        """Whether the place is a store, of whatever format."""
        return self.exists(_MARK)

    def mark(self) -> None:
        """Make a store of the place; raises StoreError if it is one."""
        self.write_new(_MARK, json.dumps({"format": FORMAT}).encode())

    @classmethod
    def at(cls, uri: str) -> Store:
        """A place, whatever it holds; raises StoreError if the URI names none."""
        if "://" not in uri:
            path = Path(uri).expanduser().absolute()
            return cls(LocalFiles(path), str(path))
        scheme = urlsplit(uri).scheme
        if scheme == "file":
            return cls(LocalFiles(Path(unquote(urlsplit(uri).path))), uri)
        from cluster.object_files import SCHEMES, open_objects  # a network on disk needs no client

        if scheme not in SCHEMES:
            known = ", ".join(f"{each}://BUCKET/PREFIX" for each in SCHEMES)
            raise StoreError(f"cannot reach a store at {uri}: name a directory, or {known}")
        try:
            return cls(open_objects(uri), uri)
        except ValueError as error:
            raise StoreError(f"cannot reach a store at {uri}: {error}") from error

    def _check_format(self) -> None:
        try:
            found = json.loads(self.read(_MARK))["format"]
        except StoreError:
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise StoreFormatError(f"{self.uri}/{_MARK} cannot be read: {error}") from error
        if found != FORMAT:
            newer = isinstance(found, int) and found > FORMAT
            todo = (
                "install the newer version that wrote it" if newer else "restore it from a backup"
            )
            raise StoreFormatError(
                f"the store {self.uri} has format {found!r}, this version of sen reads format "
                f"{FORMAT}; {todo}, or name another store"
            )

    def path(self, name: str) -> str:
        """The full path of a file, for messages and local tools."""
        return self._files.path(name)

    def path_for_others(self, name: str) -> str:
        """The full path or URI of a file, for another library to open."""
        place, mark, settings = self.uri.partition("?")
        return f"{place.rstrip('/')}/{name}{mark}{settings}"

    def exists(self, name: str) -> bool:
        """Whether a file or directory is there."""
        try:
            return self._files.exists(name)
        except OSError as error:
            raise StoreError(f"cannot look at {self.path(name)}: {error}") from error

    def list(self, directory: str) -> list[str]:
        """Names in a directory, sorted; empty if it does not exist.

        Names that begin with a dot are left out: a killed writer's unfinished files among them.
        """
        try:
            return sorted(n for n in self._files.names(directory) if not n.startswith("."))
        except OSError as error:
            raise StoreError(f"cannot list {self.path(directory)}: {error}") from error

    def walk(self) -> Iterator[tuple[str, int]]:
        """(name, size in bytes) of every file, in no order; unfinished ones are left out."""
        try:
            for name, size in self._files.walk():
                if not name.rpartition("/")[2].startswith("."):
                    yield name, size
        except OSError as error:
            raise StoreError(f"cannot list {self.path('')}: {error}") from error

    def read(self, name: str) -> bytes:
        """A file's bytes; raises StoreDamagedError if it is missing."""
        try:
            return self._files.read(name)
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
            return self._files.put(files) if files else []
        except OSError as error:
            first, more = self.path(next(iter(files))), len(files) - 1
            raise StoreError(
                f"cannot write {first}{f' and {more} more' if more else ''}: {error}; is the store "
                "read-only or full?"
            ) from error

    def delete(self, names: Iterable[str]) -> None:
        """Remove files; missing is fine."""
        for name in names:
            try:
                self._files.delete(name)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StoreError(f"cannot remove {self.path(name)}: {error}") from error

    def delete_directory(self, name: str) -> None:
        """Remove a directory and what is in it; missing is fine."""
        try:
            self._files.delete_directory(name)
        except OSError as error:
            raise StoreError(f"cannot remove {self.path(name)}: {error}") from error
