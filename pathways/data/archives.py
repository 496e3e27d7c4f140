"""Zip archives from anybody: bounded before they are unpacked, whatever their heads promise."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from pathways.errors import CorruptFileError, DataError, TooLargeError

MAX_ENTRIES = 65_535
"""What an archive can list without the Zip64 extension."""

_MAX_DIRECTORY_BYTES = 16 * 1024 * 1024
_END, _END_BYTES, _ZIP64 = b"PK\x05\x06", 22, b"PK\x06\x07"
_ZIP64_BYTES = 20
_MAX_COMMENT_BYTES = 65_535
# bz2 and LZMA are unpacked by zipfile without a bound.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@contextmanager
def open_zip(file: IO[bytes], name: str, max_bytes: int) -> Iterator[zipfile.ZipFile]:
    """An archive that unpacks to at most `max_bytes`; reading it inside raises the same.

    Raises CorruptFileError for what is damaged, TooLargeError, DataError for an archive that is
    encrypted or packed in an unusual way; all name `name`.
    """
    try:
        _check_directory(file, name)
        with zipfile.ZipFile(file) as archive:
            _check_entries(archive, name, max_bytes)
            yield archive
    except (EOFError, OSError, zlib.error, struct.error, zipfile.BadZipFile) as error:
        raise CorruptFileError(f"{name} is damaged ({error}); pack or copy it again") from error


def _check_directory(file: IO[bytes], name: str) -> None:
    """Raises TooLargeError if the list of entries would take much memory once read."""
    file.seek(0, 2)
    size = file.tell()
    file.seek(max(0, size - _MAX_COMMENT_BYTES - _END_BYTES - _ZIP64_BYTES))
    tail = file.read()
    file.seek(0)
    # In the order in which zipfile looks for it.
    at = len(tail) - _END_BYTES
    if at < 0 or tail[at : at + 4] != _END or tail[-2:] != b"\0\0":
        at = tail.rfind(_END)
    if at < 0 or len(tail) < at + _END_BYTES:
        raise CorruptFileError(
            f"{name} is no archive, or only a part of one; pack or copy it again"
        )
    (directory_bytes,) = struct.unpack_from("<I", tail, at + 12)
    if _ZIP64 in tail[max(0, at - _ZIP64_BYTES) : at] or directory_bytes > _MAX_DIRECTORY_BYTES:
        raise TooLargeError(
            f"{name} lists too many files for an archive (at most {MAX_ENTRIES}, no Zip64); "
            "give a Parquet file instead"
        )


def _check_entries(archive: zipfile.ZipFile, name: str, max_bytes: int) -> None:
    """Raises TooLargeError or DataError for what would not be unpacked."""
    entries = archive.infolist()
    size = sum(entry.file_size for entry in entries)
    if len(entries) > MAX_ENTRIES:
        raise TooLargeError(
            f"{name} has {len(entries)} entries, the limit is {MAX_ENTRIES}; split it"
        )
    if size > max_bytes:
        raise TooLargeError(
            f"{name} unpacks to {size / 2**30:.3g} GiB, the limit is {max_bytes / 2**30:.3g}; "
            "split it into smaller tasks"
        )
    for entry in entries:
        if entry.flag_bits & 1 or entry.compress_type not in _METHODS:
            raise DataError(
                f"{name}: {entry.filename} is encrypted or packed in an unusual way; pack it "
                "plainly (deflate)"
            )
