"""Waiting expansions in the store: what was acknowledged is not lost.

A request is its data, perhaps weights to start from, and last its description, so that a request
whose description exists is complete. All are removed once the task is learned, so no data of
earlier tasks is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from cluster.errors import StoreDamagedError
from cluster.messages import NewTask, WaitingTask
from cluster.names import parse_request_id, request_path
from cluster.orders import SECOND, TASK, Order, from_fields, to_fields
from cluster.store import Store
from pathways import Signature, TaskData
from pathways.data.paired import PairedData
from pathways.weights import sha256

_ROOT = "requests"
_DATA, _WEIGHTS, _PAIRS = "data.safetensors", "weights.safetensors", "pairs.safetensors"


@dataclass(frozen=True, kw_only=True)
class _Part:
    """What request.json tells of the data of one role."""

    labels: tuple[str, ...]
    signature: Signature


@dataclass(frozen=True, kw_only=True)
class _About:
    """What request.json tells."""

    config: Order
    parts: Mapping[str, _Part]
    """By role."""
    hashes: Mapping[str, str]
    """Name of each other file → its SHA-256."""


class RequestLog:
    """Reads and writes waiting expansions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def ids(self) -> list[str]:
        """Ids of all requests in order of arrival, complete or not."""
        return [name for name in self._store.list(_ROOT) if parse_request_id(name)]

    def complete(self) -> list[str]:
        """Ids of the requests that were acknowledged, in order of arrival."""
        return [id for id in self.ids() if self._store.exists(_path(id, "request.json"))]

    def files(self, request: str) -> dict[str, str]:
        """Store path of each file of a request but its description → SHA-256; raises
        StoreDamagedError."""
        return {_path(request, name): sha for name, sha in self._about(request).hashes.items()}

    def add(self, requests: Mapping[str, NewTask]) -> None:
        """Make requests durable, given by id; many take little longer than one."""
        data, about = {}, {}
        for request, new in requests.items():
            files = {_file(role): _arrays(given) for role, given in new.by_role.items()}
            if new.weights is not None:
                files[_WEIGHTS] = new.weights
            if new.together is not None:
                x_first, x_second = new.together
                files[_PAIRS] = _packed({"first": x_first, "second": x_second})
            data.update({_path(request, name): body for name, body in files.items()})
            hashes = {name: sha256(body) for name, body in files.items()}
            about[_path(request, "request.json")] = _describe(new, hashes)
        self._store.write_all_new(data)
        self._store.write_all_new(about)

    def waiting(self, request: str) -> WaitingTask | None:
        """The request, or None if it was cut off before it was acknowledged."""
        if not self._store.exists(_path(request, "request.json")):
            return None
        parsed = parse_request_id(request)
        assert parsed is not None, request
        return WaitingTask(request=request, task=parsed[1], config=self._about(request).config)

    def data(self, request: str, role: str = TASK) -> TaskData:
        """The examples of one role; raises StoreDamagedError if they cannot be read."""
        about = self._about(request)
        part = about.parts[role]
        arrays = safetensors.numpy.load(self._read(request, _file(role), about))
        return TaskData(
            x=arrays["x"],
            y=arrays["y"],
            labels=part.labels,
            signature=part.signature,
            values=arrays.get("values"),
        )

    def roles(self, request: str) -> frozenset[str]:
        """What data a request has; raises StoreDamagedError."""
        return frozenset(self._about(request).parts)

    def weights(self, request: str) -> bytes | None:
        """The file of weights that the task starts from, or None; raises StoreDamagedError."""
        about = self._about(request)
        return self._read(request, _WEIGHTS, about) if _WEIGHTS in about.hashes else None

    def paired(self, request: str) -> PairedData:
        """The data of a pair; raises StoreDamagedError if they cannot be read."""
        arrays = safetensors.numpy.load(self._read(request, _PAIRS, self._about(request)))
        return PairedData(
            first=self.data(request),
            second=self.data(request, SECOND),
            x_first=arrays["first"],
            x_second=arrays["second"],
        )

    def remove(self, request: str) -> None:
        """Forget a request that was learned or has failed."""
        self._store.delete(
            [_path(request, "request.json")]
        )  # what is left of it counts for nothing
        self._store.delete_directory(f"{_ROOT}/{request}")

    def _read(self, request: str, file: str, about: _About) -> bytes:
        name = _path(request, file)
        body = self._store.read(name)
        if sha256(body) != about.hashes[file]:
            raise StoreDamagedError(
                f"{self._store.path(name)} is damaged: its SHA-256 is not the one it was written "
                "with; learn the task again"
            )
        return body

    def _about(self, request: str) -> _About:
        name = _path(request, "request.json")
        body = self._store.read(name)
        try:
            return _read_about(json.loads(body))
        except (ValueError, KeyError, TypeError) as error:
            raise StoreDamagedError(
                f"{self._store.path(name)} is damaged: {error}; learn the task again"
            ) from error


def _path(request: str, file: str) -> str:
    return request_path(request, file)


def _file(role: str) -> str:
    """Name of the file with the data of a role."""
    return _DATA if role == TASK else f"{role}.safetensors"


def _arrays(data: TaskData) -> bytes:
    given = {"x": data.x, "y": data.y}
    return _packed(given if data.values is None else {**given, "values": data.values})


def _packed(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    # safetensors writes memory as it lies: arrays that are not in C order would be scrambled.
    return safetensors.numpy.save({k: np.ascontiguousarray(a) for k, a in arrays.items()})


def _describe(new: NewTask, hashes: Mapping[str, str]) -> bytes:
    parts = {
        role: {"labels": data.labels, "signature": data.signature.key}
        for role, data in new.by_role.items()
    }
    about = {"config": to_fields(new.config), "parts": parts, "sha256": hashes}
    return json.dumps(about).encode()


def _read_about(fields: dict[str, Any]) -> _About:
    config = from_fields(fields["config"])
    if "parts" not in fields:  # as it was written when data had no roles
        hashes = {_DATA: fields["data_sha256"]}
        return _About(config=config, parts={TASK: _read_part(fields)}, hashes=hashes)
    parts = {role: _read_part(part) for role, part in fields["parts"].items()}
    return _About(config=config, parts=parts, hashes=dict(fields["sha256"]))


def _read_part(fields: dict[str, Any]) -> _Part:
    return _Part(labels=tuple(fields["labels"]), signature=Signature.parse(fields["signature"]))
