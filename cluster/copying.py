"""A consistent copy of a store, while a network writes to it: backup and restore.

All files that a network version names are immutable, so the copy is of the newest version when it
began: first everything the registry names, then the registry itself as one file, and last the mark
that makes a store of the place. Until then the place cannot be opened, and a copy that was cut off
goes on where it was. Waiting tasks are looked for before the registry is read: each is then in the
one or in the other. Where a file goes away meanwhile (its task was removed, or learned) there is a
newer version, which is copied instead.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from cluster.errors import StoreDamagedError, StoreError
from cluster.names import (
    parse_router_file,
    request_path,
    router_directory,
    snapshot_path,
    spec_path,
)
from cluster.registry import Registry
from cluster.registry_log import RegistryLog, pack
from cluster.requests import RequestLog
from cluster.store import Store
from pathways.weights import sha256

_UNFINISHED = "sen-copy.json"  # in a place that is being copied to

Progress = Callable[[int, int], None]
"""Told (files done, files in all)."""


@dataclass(frozen=True, kw_only=True)
class Copied:
    """What a copy holds."""

    network_version: int
    tasks: int
    waiting: int
    """Tasks that wait to be learned."""
    files: int
    """Files named by the registry and by waiting tasks."""
    kept: int
    """Of these, those that an earlier, unfinished copy had brought already."""


@dataclass(frozen=True, kw_only=True)
class _File:
    """A file to copy."""

    name: str
    sha256: str
    """Of its content; the beginning is enough."""
    optional: bool = False
    """It can be made again from the others, and may go away at any time."""


def copy_store(source: Store, place: str, progress: Progress = lambda done, total: None) -> Copied:
    """Copy the newest network of `source` to an empty directory or prefix.

    Every file is checked against the hash that the registry has of it. Raises StoreError if the
    place holds anything but an unfinished copy of the same store, StoreDamagedError if a file of
    the source is not what was written.
    """
    destination = Store.at(place)
    _claim(source, destination)
    while True:
        requests = RequestLog(source).complete()
        registry = _load(source)
        try:
            copied = _copy(source, destination, registry, requests, progress)
        except StoreDamagedError:
            same = _load(source).version == registry.version
            if same and RequestLog(source).complete() == requests:
                raise
            continue  # the network went on, and what was missing is not needed any more
        destination.mark()
        destination.delete([_UNFINISHED])
        return copied


def _claim(source: Store, destination: Store) -> None:
    """Make the place ours, or find that it is."""
    about = json.dumps({"from": source.uri}).encode()
    there = destination.list("")
    if not there:
        destination.write_new(_UNFINISHED, about)
    elif destination.is_marked():
        raise StoreError(f"{destination.uri} holds a store already; name an empty place")
    elif _UNFINISHED not in there:
        raise StoreError(
            f"{destination.uri} holds other files ({there[0]}, …); name an empty place"
        )
    elif destination.read(_UNFINISHED) != about:
        raise StoreError(
            f"{destination.uri} holds an unfinished copy of another store; name an empty place"
        )


def _load(source: Store) -> Registry:
    """The newest registry; files that a new snapshot makes needless may go while it is read."""
    while True:
        before = source.list("registry")
        try:
            return RegistryLog(source).load()
        except StoreDamagedError:
            if source.list("registry") == before:
                raise


def _copy(
    source: Store,
    destination: Store,
    registry: Registry,
    requests: list[str],
    progress: Progress,
) -> Copied:
    files = {file.name: file for file in _needed(source, registry, requests)}
    kept = 0
    for done, file in enumerate(files.values()):
        progress(done, len(files))
        with suppress(*[StoreDamagedError] if file.optional else []):
            kept += _copy_file(source, destination, file)
    for entry in registry.pathways.values():
        name = spec_path(entry.id, entry.spec.weights_sha256)
        destination.write_content(name, entry.spec.to_json().encode())
    for request in requests:  # last: what has a description is complete
        name = request_path(request)
        destination.write_content(name, source.read(name))
    for request in set(RequestLog(destination).ids()) - set(requests):
        RequestLog(destination).remove(request)  # it ended after an attempt that was cut off
    if registry.version:
        body = pack(registry)
        destination.write_content(snapshot_path(registry.version, sha256(body)), body)
    progress(len(files), len(files))
    return Copied(
        network_version=registry.version,
        tasks=len(registry.current),
        waiting=len(requests),
        files=len(files),
        kept=kept,
    )


def _needed(source: Store, registry: Registry, requests: list[str]) -> Iterator[_File]:
    """What has to be there before the registry may be."""
    for entry in registry.pathways.values():
        yield _File(name=entry.weights_path, sha256=entry.spec.weights_sha256)
        yield _File(name=entry.statistics_path, sha256=entry.statistics_sha256)
    log = RequestLog(source)
    for request in requests:
        for name, digest in log.files(request).items():
            yield _File(name=name, sha256=digest)
    for key in registry.signatures:
        for name in source.list(router_directory(key)):
            parsed = parse_router_file(name)
            if parsed and parsed[0] <= registry.version:
                path = f"{router_directory(key)}/{name}"
                yield _File(name=path, sha256=parsed[1], optional=True)


def _copy_file(source: Store, destination: Store, file: _File) -> bool:
    """Bring one file; returns whether it was there, whole."""
    if destination.exists(file.name):
        if sha256(destination.read(file.name)).startswith(file.sha256):
            return True
        destination.delete([file.name])
    body = source.read(file.name)
    if not sha256(body).startswith(file.sha256):
        raise StoreDamagedError(
            f"{source.path(file.name)} is damaged: its SHA-256 is not the one it was written with; "
            "restore it from a backup, or remove its task, and copy again"
        )
    destination.write_new(file.name, body)
    return False
