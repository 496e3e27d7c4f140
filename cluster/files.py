"""Whole files by name, as the store needs them, wherever they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol


class Files(Protocol):
    """Files below one root. All raise OSError, FileNotFoundError where something is missing."""

    def path(self, name: str) -> str:
        """The full path of a file, for messages; the root's for an empty name."""

    def exists(self, name: str) -> bool:
        """Whether a file or directory is there."""

    def names(self, directory: str) -> list[str]:
        """Names in a directory; empty if it does not exist."""

    def walk(self) -> Iterator[tuple[str, int]]:
        """(name, size in bytes) of every file below the root."""

    def read(self, name: str) -> bytes:
        """A file's bytes."""

    def put(self, files: Mapping[str, bytes]) -> list[str]:
        """Make files durable, each appearing under its name whole or not at all; returns the names
        of those that were there, which stay as they are."""

    def delete(self, name: str) -> None:
        """Remove a file."""

    def delete_directory(self, name: str) -> None:
        """Remove a directory and what is in it; missing is fine."""
